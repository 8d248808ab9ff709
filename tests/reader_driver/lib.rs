//! A USB bus and a reader driver for tests: loaded into their pcscd before everything else
//! (LD_PRELOAD), so that pcscd sees the readers that the tests plug in, and none of the machine's.
//!
//! What pcscd itself does when a reader comes or goes is real. Below it, `bus` takes the place of
//! libudev, and this file that of the driver (an IFD handler, PCSC/ifdhandler.h): it drives a
//! reader that may have one card in it, which has an answer to reset and no commands.
//! `tests/support/usb.rs` plugs in and out.

#![cfg(target_os = "linux")]
#![allow(non_snake_case, reason = "the handler's functions are called so")]

mod bus;

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_ulong, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::Device;

type Lun = c_ulong;
type Code = c_long;

const SUCCESS: Code = 0;
const ERROR_TAG: Code = 600;
const ERROR_POWER_ACTION: Code = 608;
const NOT_SUPPORTED: Code = 614;
const ICC_PRESENT: Code = 615;
const ICC_NOT_PRESENT: Code = 616;
const NO_SUCH_DEVICE: Code = 617;

const POWER_DOWN: c_ulong = 501;

const TAG_THREAD_SAFE: c_ulong = 0x0fad;
const TAG_SLOTS_NUMBER: c_ulong = 0x0fae;
const TAG_SIMULTANEOUS_ACCESS: c_ulong = 0x0faf;
const VENDOR_NAME: c_ulong = 0x10100;
const VENDOR_IFD_SERIAL_NO: c_ulong = 0x10103;

/// The readers in use, by the numbers that pcscd gives them.
fn readers() -> MutexGuard<'static, BTreeMap<Lun, Arc<Device>>> {
    static READERS: Mutex<BTreeMap<Lun, Arc<Device>>> = Mutex::new(BTreeMap::new());
    READERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reader(lun: Lun) -> Option<Arc<Device>> {
    readers().get(&lun).cloned()
}

/// pcscd opens a driver's file. What it gets is the whole process, with the functions below in it.
///
/// # Safety
/// As for dlopen(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void {
    type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
    // SAFETY: a symbol's name, and the function that it is the name of.
    let real: Dlopen =
        unsafe { std::mem::transmute(libc::dlsym(libc::RTLD_NEXT, c"dlopen".as_ptr())) };
    // SAFETY: our caller's, NULL or a path.
    let is_driver = !file.is_null()
        && unsafe { CStr::from_ptr(file) }
            .to_string_lossy()
            .contains(".bundle/");
    let file = if is_driver { std::ptr::null() } else { file };
    // SAFETY: as promised by our caller.
    unsafe { real(file, flags) }
}

/// # Safety
/// `name` is a string.
#[unsafe(no_mangle)]
unsafe extern "C" fn IFDHCreateChannelByName(lun: Lun, name: *const c_char) -> Code {
    // SAFETY: as promised by our caller.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    // usb:VENDOR/PRODUCT:libudev:INTERFACE:NODE
    let node = name.rsplit(':').next().unwrap_or_default();
    let Some(device) = bus::device_at(node) else {
        return NO_SUCH_DEVICE;
    };
    readers().insert(lun, device);
    SUCCESS
}

/// By number are readers opened that are not on USB.
#[unsafe(no_mangle)]
extern "C" fn IFDHCreateChannel(_: Lun, _: c_ulong) -> Code {
    NO_SUCH_DEVICE
}

#[unsafe(no_mangle)]
extern "C" fn IFDHCloseChannel(lun: Lun) -> Code {
    readers().remove(&lun);
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn IFDHICCPresence(lun: Lun) -> Code {
    match reader(lun) {
        Some(reader) if reader.card().is_some() => ICC_PRESENT,
        Some(_) => ICC_NOT_PRESENT,
        None => NO_SUCH_DEVICE,
    }
}

/// # Safety
/// `atr` has room for `length` bytes, unless the card is switched off.
#[unsafe(no_mangle)]
unsafe extern "C" fn IFDHPowerICC(
    lun: Lun,
    action: c_ulong,
    atr: *mut c_uchar,
    length: *mut c_ulong,
) -> Code {
    if action == POWER_DOWN {
        return SUCCESS;
    }
    match reader(lun).and_then(|reader| reader.card()) {
        // SAFETY: as promised by our caller.
        Some(card) => unsafe { tell(&card, atr, length) },
        None => ERROR_POWER_ACTION,
    }
}

/// # Safety
/// `value` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn IFDHGetCapabilities(
    lun: Lun,
    tag: c_ulong,
    length: *mut c_ulong,
    value: *mut c_uchar,
) -> Code {
    let text = |name| {
        let text = reader(lun).and_then(|reader| reader.attribute(name).map(CStr::to_owned));
        // As libccid does: with the NUL, or else nothing, which is no error.
        text.map_or_else(Vec::new, |text| text.as_bytes_with_nul().to_vec())
    };
    let told = match tag {
        TAG_THREAD_SAFE | TAG_SLOTS_NUMBER => vec![1],
        TAG_SIMULTANEOUS_ACCESS => vec![16],
        VENDOR_NAME => text("manufacturer"),
        VENDOR_IFD_SERIAL_NO => text("serial"),
        _ => return ERROR_TAG,
    };
    // SAFETY: as promised by our caller.
    unsafe { tell(&told, value, length) }
}

/// # Safety
/// `value` has room for `length` bytes.
unsafe fn tell(told: &[u8], value: *mut c_uchar, length: *mut c_ulong) -> Code {
    // SAFETY: as promised by our caller, and no more than there is room for.
    unsafe {
        if told.len() as c_ulong > *length {
            return NOT_SUPPORTED;
        }
        std::ptr::copy_nonoverlapping(told.as_ptr(), value, told.len());
        *length = told.len() as c_ulong;
    }
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn IFDHSetCapabilities(_: Lun, _: c_ulong, _: c_ulong, _: *mut c_uchar) -> Code {
    ERROR_TAG
}

#[unsafe(no_mangle)]
extern "C" fn IFDHSetProtocolParameters(
    _: Lun,
    _: c_ulong,
    _: c_uchar,
    _: c_uchar,
    _: c_uchar,
    _: c_uchar,
) -> Code {
    SUCCESS
}

#[repr(C)]
struct IoHeader {
    protocol: c_ulong,
    length: c_ulong,
}

#[unsafe(no_mangle)]
extern "C" fn IFDHTransmitToICC(
    _: Lun,
    _: IoHeader,
    _: *mut c_uchar,
    _: c_ulong,
    _: *mut c_uchar,
    _: *mut c_ulong,
    _: *mut IoHeader,
) -> Code {
    NOT_SUPPORTED
}

#[unsafe(no_mangle)]
extern "C" fn IFDHControl(
    _: Lun,
    _: c_ulong,
    _: *mut c_uchar,
    _: c_ulong,
    _: *mut c_uchar,
    _: c_ulong,
    _: *mut c_ulong,
) -> Code {
    NOT_SUPPORTED
}
