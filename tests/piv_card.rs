//! The PIV card, shown to be one to pcscd, OpenSC and yubico-piv-tool, without keyfob.
//!
//! Its program is a package of its own, whose first build takes minutes and needs libclang, so plain
//! `cargo test` leaves it out: `./softhsm-setup.sh cargo test --test piv_card`.
#![cfg(target_os = "linux")]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/piv.rs"]
mod piv;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::fs;
use std::path::Path;
use std::process::Command;

use pcscd::{Pcscd, Reader};
use piv::{PIN, PUK, Piv, yubico};
use softhsm::Leaf;
use vpcd::{Card, Inserted};

const READER: Reader = Reader::First;

#[test]
fn it_makes_keys_and_signs() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Piv::start());
    let name = run("opensc-tool", &["--reader", READER.name(), "--name"]);
    assert!(name.starts_with("Personal Identity Verification"), "{name}");
    let keys = [
        ("9a", "01", "RSA2048", "SHA256-RSA-PKCS"),
        ("9c", "02", "ECCP256", "ECDSA-SHA256"),
        ("9e", "04", "ECCP256", "ECDSA-SHA256"),
    ];
    for (slot, _, algorithm, _) in keys {
        let leaf = Leaf::new(&format!("CN=PIV {slot}"));
        let spki = yubico::make_identity(READER, slot, algorithm, |spki| leaf.issue(spki));
        fs::write(file(slot), spki).unwrap();
    }
    // What it has learned, it knows when it is inserted again.
    let _card = Inserted::new(&pcscd, READER, card.remove());
    fs::write(file("message"), "the message").unwrap();
    for (slot, id, _, mechanism) in keys {
        let sign = ["--sign", "--id", id, "--mechanism", mechanism];
        let format = ["--signature-format", "openssl"];
        let (message, signature) = (file("message"), file("signature"));
        let files = ["--input-file", &message, "--output-file", &signature];
        pkcs11(&[&sign[..], &format, &files].concat());
        let verify = ["dgst", "-sha256", "-keyform", "DER", "-verify", &file(slot)];
        run(
            "openssl",
            &[&verify[..], &["-signature", &signature, &message]].concat(),
        );
    }
}

#[test]
fn it_counts_three_tries() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Piv::start());
    assert_eq!(card.card(Piv::tries_left), 3);
    let wrong = ["-a", "verify-pin", "-P", "000000"];
    let refuses = || !yubico::output(READER, &wrong, b"").status.success();
    for left in [2, 1] {
        assert!(refuses());
        assert_eq!(card.card(Piv::tries_left), left);
    }
    let card = Inserted::new(&pcscd, READER, card.remove());
    assert!(refuses());
    assert_eq!(card.card(Piv::tries_left), 0);
    let unblock = ["-a", "unblock-pin", "-P", PUK, "-N", PIN];
    yubico::run(READER, &unblock, b"");
    assert_eq!(card.card(Piv::tries_left), 3);
    yubico::run(READER, &["-a", "verify-pin", "-P", PIN], b"");
}

/// What was verified is forgotten without power.
#[test]
fn it_forgets_the_pin_when_it_is_removed() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Piv::start());
    card.card(|card| {
        let verify = [&[0, 0x20, 0, 0x80, 8], &b"123456\xFF\xFF"[..]].concat();
        assert_eq!(card.transmit(&verify), [0x90, 0x00]);
        assert_eq!(card.transmit(&[0, 0x20, 0, 0x80]), [0x90, 0x00]);
    });
    let card = Inserted::new(&pcscd, READER, card.remove());
    card.card(|card| assert_eq!(card.transmit(&[0, 0x20, 0, 0x80]), [0x63, 0xC3]));
}

fn pkcs11(arguments: &[&str]) -> String {
    let login = ["--slot-description", READER.name(), "--login", "--pin", PIN];
    run("pkcs11-tool", &[&login, arguments].concat())
}

/// Runs a program, which must succeed.
#[track_caller]
fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    let output = command.args(["120", program]).args(arguments).output();
    let output = output.expect("timeout is part of every system");
    let texts = [&output.stdout, &output.stderr];
    let text = texts.map(|text| String::from_utf8_lossy(text)).concat();
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// The path of a file of these tests, which take turns.
fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("piv");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    folder.join(name).display().to_string()
}
