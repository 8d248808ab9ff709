//! A virtual Rutoken ECP the whole way through keyfob: inserted, told by an event, found, unlocked,
//! used to sign what OpenSSL verifies, removed, and the same again; then with the examples.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;
#[path = "support/watching.rs"]
mod watching;
#[path = "support/way.rs"]
mod way;

use std::fs;
use std::path::Path;
use std::process::Command;

use keyfob::{Error, KeyType, Scheme, SelectionError, discover};
use pcscd::{Pcscd, Reader};
use rutoken::opensc::{output, printed, run};
use rutoken::{PIN, Rutoken};
use softhsm::{Leaf, example};
use vpcd::Inserted;
use watching::{ADDED, Watching};

const READER: Reader = Reader::First;
/// OpenSC names a token by its label and its PIN's.
const TOKEN: &str = "Rutoken test (User PIN)";
const SERIAL: &str = "3a1f77b2";
const TRIES: u8 = 5;

const OUT: &str = "token removed: Rutoken ECP from Virtual PCD 00 00";

fn card(pcscd: &Pcscd) -> Rutoken {
    Rutoken::with_rsa(pcscd, |spki| Leaf::new("CN=Card").issue(spki))
}

#[test]
fn from_insertion_to_removal_and_again() {
    let pcscd = way::start();
    let mut card = card(&pcscd);
    let watching = Watching::start();
    watching.expect(&ADDED);
    for _ in 0..2 {
        let inserted = Inserted::new(&pcscd, READER, card);
        let (reader, name) = way::inserted(&watching);
        assert_eq!(name, "Rutoken ECP");

        let (token, found) = way::found_in(&reader);
        for name in [TOKEN, SERIAL] {
            assert_eq!(found.select(name).unwrap().uri(), token.uri());
        }
        let fob = token.unlock(&PIN.into()).unwrap();
        let me = fob.identities().unwrap();
        let me = me.for_signing().valid_now().only().unwrap();
        assert_eq!(me.key_type(), KeyType::Rsa { bits: 2048 });
        way::signs(&me, Scheme::RsaPkcs1Sha256);
        way::signs(&me, Scheme::RsaPssSha256);
        assert_eq!(way::pins_sent(&inserted), 1);

        card = inserted.remove();
        watching.expect(&[OUT]);
        for _ in 0..2 {
            let error = way::refused(&me, Scheme::RsaPkcs1Sha256);
            assert!(matches!(error, Error::TokenRemoved { .. }), "{error:?}");
        }
        let gone = discover().unwrap().select(TOKEN);
        assert!(is_none(&gone), "{gone:?}");
        assert_eq!(card.tries_left(), TRIES);
    }
    watching.no_more();
}

#[test]
fn the_examples_go_it_too() {
    let pcscd = way::start();
    let inserted = Inserted::new(&pcscd, READER, card(&pcscd));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("whole_way");
    fs::create_dir_all(&folder).unwrap();
    let example = |name: &str, arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg("60").arg(example(name)).args(arguments);
        command.current_dir(&folder).env("KEYFOB_PIN", PIN);
        command
    };
    fs::write(folder.join("letter.txt"), "hello").unwrap();
    fs::write(folder.join("other.txt"), "hullo").unwrap();

    let told = run(&mut example("watch", &["--events", "3"]));
    let told_in = "token inserted: Rutoken ECP in Virtual PCD 00 00\n  made by Aktiv";
    assert!(told.contains(told_in), "{told}");
    let listed = run(&mut example("list", &["--token", TOKEN, "--login"]));
    for part in [
        "reader Virtual PCD 00 00 (a card is present)\n  card Rutoken ECP",
        "opensc-pkcs11.so",
        &format!("token {TOKEN} "),
        "- 11 (RSA-2048)",
        "owner   CN=Card",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    // As a person copies it.
    let key = listed
        .split_whitespace()
        .find(|word| word.contains(";object=11"));
    let key = ["--key", key.expect("the key's URI is in the list")];

    let sign = || example("sign", &[&key[..], &["--force", "letter.txt"]].concat());
    let signed = run(&mut sign());
    assert!(signed.contains("(rsa-pkcs1-sha256)"), "{signed}");
    let verify = |file: &str| {
        let arguments = [&key[..], &[file, "letter.txt.sig"]].concat();
        output(&mut example("verify", &arguments)).status.code()
    };
    assert_eq!(verify("letter.txt"), Some(0));
    assert_eq!(verify("other.txt"), Some(1));

    let card = inserted.remove();
    let refused = output(&mut sign());
    assert_eq!(refused.status.code(), Some(1));
    let said = printed(&refused);
    assert!(said.contains("there is none"), "{said}");
    assert_eq!(card.tries_left(), TRIES);
}

fn is_none<T>(selected: &Result<T, Error>) -> bool {
    use SelectionError::None;
    matches!(selected, Err(Error::Selection { reason: None, .. }))
}
