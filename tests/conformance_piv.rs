//! The checks of `conformance.rs` on a PIV card, through OpenSC and through Yubico's ykcs11.
//!
//! The card's program takes minutes to build and needs libclang, so plain `cargo test` leaves this
//! out: `./softhsm-setup.sh cargo test --test conformance_piv`.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "conformance/bench.rs"]
mod bench;
#[path = "conformance/checks.rs"]
mod checks;
#[path = "conformance/in_reader.rs"]
mod in_reader;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "conformance/page.rs"]
mod page;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/piv.rs"]
mod piv;
#[path = "conformance/piv.rs"]
mod piv_bench;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/spy.rs"]
mod spy;
#[path = "support/vpcd.rs"]
mod vpcd;
#[path = "support/watchdog.rs"]
mod watchdog;

use in_reader::InReader;
use pcscd::{Pcscd, Reader};
use softhsm::SoftHsm;

/// The card's applet is that of a Nitrokey 3, so this is what such a card says.
const NITROKEY: &[u8] = b"\x3B\x8F\x01\x80\x5DNitrokey\0\0\0\0\0\x6A";

/// And this what a YubiKey says.
const YUBIKEY: &[u8] = b"\x3B\xFD\x13\0\0\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40";

#[test]
fn opensc() {
    // For the turn alone: the checks change the environment.
    let _turn = SoftHsm::start();
    let pcscd = Pcscd::start();
    let (card, keys) = piv_bench::card(&pcscd, Reader::First, NITROKEY);
    let card = InReader::new(&pcscd, Reader::First, card);
    let is_locked = || piv_bench::is_locked(&card);
    checks::run(&piv_bench::through_opensc(&card, keys, &is_locked));
}

/// It looks in readers of Yubico's alone, and knows them by their names.
#[test]
fn ykcs11() {
    let _turn = SoftHsm::start();
    let pcscd = Pcscd::start();
    assert!(
        pcscd.is_ours(),
        "this machine's pcscd would have to be started anew"
    );
    pcscd.rename_readers();
    let (card, keys) = piv_bench::card(&pcscd, Reader::Yubikey, YUBIKEY);
    let card = InReader::new(&pcscd, Reader::Yubikey, card);
    let is_locked = || piv_bench::is_locked(&card);
    checks::run(&piv_bench::through_ykcs11(&card, keys, &is_locked));
    drop(card);
    pcscd.restart();
}
