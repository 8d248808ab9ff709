//! Readers that are plugged in and out while pcscd runs: on a USB bus of the tests' own
//! (`tests/reader_driver`). The test file has `mod pcscd` and `mod softhsm` too.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::pcscd::{Pcscd, SOCKET, within};
use crate::softhsm::example;

/// Where the bus hears of what is plugged in and out.
const BUS: &str = "keyfob tests: USB";

/// Longer than pcscd takes to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be plugged in: a USB device of a model that pcscd's driver (libccid) is made for.
pub struct Device<'a> {
    /// Which socket it is in.
    pub socket: &'a str,
    pub ids: (&'static str, &'static str),
    pub vendor: Option<&'static str>,
    pub serial: Option<&'static str>,
    /// The answer to reset of the card in it, in hexadecimal with blanks.
    pub card: Option<&'static str>,
}

/// pcscd with no readers but those that are plugged in here.
pub struct Usb<'a> {
    pcscd: &'a Pcscd,
    bus: UnixDatagram,
}

impl<'a> Usb<'a> {
    /// With nothing plugged in. `None`, and a word of it, where pcscd is not the tests' to start.
    #[track_caller]
    pub fn start(pcscd: &'a Pcscd) -> Option<Self> {
        if !pcscd.is_ours() {
            println!("NOT TESTED: pcscd runs already, and is not the tests' to start otherwise");
            return None;
        }
        let (driver, folder) = (example("libreader_driver.so"), no_readers());
        pcscd.stop();
        pcscd.start_changed(|command| {
            command.arg("--config").arg(&folder);
            command.env("LD_PRELOAD", &driver);
        });
        let bus = UnixDatagram::unbound().expect("a socket");
        let address = SocketAddr::from_abstract_name(BUS).expect("a short name");
        let listens = || bus.connect_addr(&address).is_ok() && UnixStream::connect(SOCKET).is_ok();
        assert!(
            within(PATIENCE, listens),
            "pcscd has no USB: {}",
            pcscd.log()
        );
        Some(Self { pcscd, bus })
    }

    pub fn plug_in(&self, device: &Device<'_>) {
        let mut attributes = vec![("idVendor", device.ids.0), ("idProduct", device.ids.1)];
        attributes.extend(device.vendor.map(|vendor| ("manufacturer", vendor)));
        attributes.extend(device.serial.map(|serial| ("serial", serial)));
        attributes.extend(device.card.map(|card| ("atr", card)));
        let attributes = attributes
            .iter()
            .map(|(name, value)| format!("\n{name}={value}"));
        self.tell(&format!(
            "add\n{}{}",
            device.socket,
            attributes.collect::<String>()
        ));
    }

    pub fn plug_out(&self, device: &Device<'_>) {
        self.tell(&format!("remove\n{}", device.socket));
    }

    fn tell(&self, datagram: &str) {
        self.bus.send(datagram.as_bytes()).expect("pcscd runs");
    }
}

/// The next test has an ordinary pcscd.
impl Drop for Usb<'_> {
    fn drop(&mut self) {
        self.pcscd.restart();
    }
}

/// A folder of pcscd's that configures no reader.
fn no_readers() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no readers");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    folder
}
