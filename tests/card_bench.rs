//! The card bench itself: pcscd with vpcd's readers, and cards in them, as OpenSC's tool sees them.
#![cfg(target_os = "linux")]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::process::Command;
use std::time::Duration;

use pcscd::{Pcscd, Reader, within};
use vpcd::{AtrOnly, Inserted};

const RUTOKEN: &[u8] = b"\x3b\x8b\x01Rutoken ECP\xa0";
const RUTOKEN_DS: &[u8] = b"\x3b\x8b\x01Rutoken DS \xc1";

#[test]
fn a_card_comes_and_goes() {
    let pcscd = Pcscd::start();
    assert_eq!(atr(Reader::First), None);
    for _ in 0..3 {
        let card = Inserted::new(&pcscd, Reader::First, AtrOnly(RUTOKEN.into()));
        assert_eq!(atr(Reader::First).as_deref(), Some(RUTOKEN));
        assert_eq!(atr(Reader::Second), None);
        card.remove();
        assert_eq!(atr(Reader::First), None);
    }
}

#[test]
fn a_card_in_each_reader() {
    let pcscd = Pcscd::start();
    let first = Inserted::new(&pcscd, Reader::First, AtrOnly(RUTOKEN.into()));
    let _second = Inserted::new(&pcscd, Reader::Second, AtrOnly(RUTOKEN_DS.into()));
    assert_eq!(atr(Reader::First).as_deref(), Some(RUTOKEN));
    assert_eq!(atr(Reader::Second).as_deref(), Some(RUTOKEN_DS));
    first.pull();
    assert!(within(Duration::from_secs(5), || atr(Reader::First).is_none()));
    assert_eq!(atr(Reader::Second).as_deref(), Some(RUTOKEN_DS));
}

#[test]
fn a_card_stays_when_pcscd_is_restarted() {
    let pcscd = Pcscd::start();
    if !pcscd.is_ours() {
        return; // it is the machine's
    }
    let card = Inserted::new(&pcscd, Reader::First, AtrOnly(RUTOKEN.into()));
    pcscd.stop();
    assert_eq!(atr(Reader::First), None);
    pcscd.start_again();
    card.wait_until_seen();
    assert_eq!(atr(Reader::First).as_deref(), Some(RUTOKEN));
}

/// What the reader's card has for an ATR.
fn atr(reader: Reader) -> Option<Vec<u8>> {
    let output = tool(reader).arg("--atr").output();
    let output = output.expect("./softhsm-setup.sh installs opensc-tool");
    let text = String::from_utf8_lossy(&output.stdout);
    let hex = text.lines().next()?.split(':');
    hex.map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

fn tool(reader: Reader) -> Command {
    let mut tool = Command::new("opensc-tool");
    tool.args(["--reader", reader.name()]);
    tool
}
