//! The part of libudev by which pcscd learns which USB devices come and go. A device comes or goes
//! by a datagram: `add` or `remove`, its name, and its attributes as in sysfs (`idVendor=0a89`),
//! each on a line. When pcscd starts, nothing is plugged in.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where the datagrams go to, in the abstract namespace.
const SOCKET: &str = "keyfob tests: USB";

/// A device with one interface, which for pcscd is one thing and another.
pub(crate) struct Device {
    action: CString,
    name: CString,
    node: CString,
    attributes: BTreeMap<String, CString>,
}

impl Device {
    fn read(datagram: &str) -> Option<Self> {
        let text = |text: &str| CString::new(text).ok();
        let mut lines = datagram.lines();
        let (action, name) = (lines.next()?, lines.next()?);
        Some(Self {
            action: text(action)?,
            name: text(name)?,
            node: text(&format!("/dev/bus/usb/{name}"))?,
            attributes: lines
                .filter_map(|line| line.split_once('='))
                .filter_map(|(name, value)| Some((name.to_owned(), text(value)?)))
                .collect(),
        })
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&CStr> {
        self.attributes.get(name).map(CString::as_c_str)
    }

    /// The answer to reset of the card in it.
    pub(crate) fn card(&self) -> Option<Vec<u8>> {
        let digits = self.attribute("atr")?.to_str().ok()?;
        digits
            .split(' ')
            .map(|byte| u8::from_str_radix(byte, 16).ok())
            .collect()
    }
}

static PLUGGED: Mutex<BTreeMap<CString, Arc<Device>>> = Mutex::new(BTreeMap::new());

pub(crate) fn device_at(node: &str) -> Option<Arc<Device>> {
    let plugged = PLUGGED.lock().unwrap_or_else(PoisonError::into_inner);
    plugged.get(CString::new(node).ok()?.as_c_str()).cloned()
}

fn monitor() -> &'static UnixDatagram {
    static MONITOR: OnceLock<UnixDatagram> = OnceLock::new();
    MONITOR.get_or_init(|| {
        let address = SocketAddr::from_abstract_name(SOCKET).expect("a short name");
        UnixDatagram::bind_addr(&address).expect("one pcscd at a time")
    })
}

/// What is plugged in is known from datagrams alone: the machine's own devices are not listed.
#[unsafe(no_mangle)]
extern "C" fn udev_enumerate_get_list_entry(_: *mut c_void) -> *mut c_void {
    ptr::null_mut()
}

#[unsafe(no_mangle)]
extern "C" fn udev_monitor_get_fd(_: *mut c_void) -> c_int {
    monitor().as_raw_fd()
}

#[unsafe(no_mangle)]
extern "C" fn udev_monitor_receive_device(_: *mut c_void) -> *const Device {
    let mut datagram = [0; 1024];
    let Ok(length) = monitor().recv(&mut datagram) else {
        return ptr::null();
    };
    let Some(device) = Device::read(&String::from_utf8_lossy(&datagram[..length])) else {
        return ptr::null();
    };
    let device = Arc::new(device);
    let mut plugged = PLUGGED.lock().unwrap_or_else(PoisonError::into_inner);
    if device.action.as_c_str() == c"add" {
        plugged.insert(device.node.clone(), device.clone());
    } else {
        plugged.remove(&device.node);
    }
    Arc::into_raw(device)
}

/// # Safety
/// `device` comes from `udev_monitor_receive_device`, and is not used any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn udev_device_unref(device: *const Device) -> *const Device {
    // SAFETY: as promised by our caller.
    drop(unsafe { Arc::from_raw(device) });
    ptr::null()
}

/// # Safety
/// `device` comes from `udev_monitor_receive_device`.
#[unsafe(no_mangle)]
unsafe extern "C" fn udev_device_get_action(device: *const Device) -> *const c_char {
    // SAFETY: as promised by our caller.
    unsafe { &*device }.action.as_ptr()
}

/// # Safety
/// `device` comes from `udev_monitor_receive_device`.
#[unsafe(no_mangle)]
unsafe extern "C" fn udev_device_get_sysname(device: *const Device) -> *const c_char {
    // SAFETY: as promised by our caller.
    unsafe { &*device }.name.as_ptr()
}

/// # Safety
/// `device` comes from `udev_monitor_receive_device`.
#[unsafe(no_mangle)]
unsafe extern "C" fn udev_device_get_devnode(device: *const Device) -> *const c_char {
    // SAFETY: as promised by our caller.
    unsafe { &*device }.node.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn udev_device_get_parent_with_subsystem_devtype(
    interface: *const Device,
    _: *const c_char,
    _: *const c_char,
) -> *const Device {
    interface
}

/// # Safety
/// `device` comes from `udev_monitor_receive_device`, and `name` is a string.
#[unsafe(no_mangle)]
unsafe extern "C" fn udev_device_get_sysattr_value(
    device: *const Device,
    name: *const c_char,
) -> *const c_char {
    // SAFETY: as promised by our caller.
    let (device, name) = unsafe { (&*device, CStr::from_ptr(name)) };
    let value = device.attribute(&name.to_string_lossy());
    value.map_or(ptr::null(), CStr::as_ptr)
}

/// Asked for by newer ones, to leave out what an administrator wants left out.
#[unsafe(no_mangle)]
extern "C" fn udev_device_get_property_value(_: *const Device, _: *const c_char) -> *const c_char {
    ptr::null()
}
