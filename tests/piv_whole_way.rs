//! A PIV card the whole way through keyfob, as `whole_way.rs` has it for another; and its key that
//! wants the PIN each time.
//!
//! The card's program takes minutes to build and needs libclang, so plain `cargo test` leaves this
//! out: `./softhsm-setup.sh cargo test --test piv_whole_way`.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/piv.rs"]
mod piv;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;
#[path = "support/watching.rs"]
mod watching;
#[path = "support/way.rs"]
mod way;

use std::sync::{Arc, Mutex};

use keyfob::{CardModel, Curve, Error, KeyType, Pin, PinPurpose, PinRequest, Scheme, SignError};
use pcscd::{Pcscd, Reader};
use piv::{PIN, Piv, yubico};
use softhsm::Leaf;
use vpcd::Inserted;
use watching::{ADDED, Watching};

const READER: Reader = Reader::First;
/// The card's applet is that of a Nitrokey 3, so this is what such a card says.
const NITROKEY: &[u8] = b"\x3B\x8F\x01\x80\x5DNitrokey\0\0\0\0\0\x6A";
/// What it says by itself.
const ATR: &str = "3B 95 13 81 01 80 73 FF 01 00 0B";
const TRIES: u8 = 3;

const ASKED_ONCE: KeyType = KeyType::Rsa { bits: 2048 };
const ALWAYS_ASKED: KeyType = KeyType::Ec(Curve::P256);
const ECDSA: Scheme = Scheme::EcdsaP256Sha256;

/// A card with identities in these slots.
fn card(pcscd: &Pcscd, card: Piv, keys: &[(&str, &str)]) -> Piv {
    let inserted = Inserted::new(pcscd, READER, card);
    for (slot, algorithm) in keys {
        let leaf = Leaf::new(&format!("CN=PIV {slot}"));
        yubico::make_identity(READER, slot, algorithm, |spki| leaf.issue(spki));
    }
    inserted.remove()
}

#[test]
fn from_insertion_to_removal() {
    let pcscd = way::start();
    let nitrokey = Piv::start().with_atr(NITROKEY);
    let card = card(&pcscd, nitrokey, &[("9a", "RSA2048"), ("9c", "ECCP256")]);
    let watching = Watching::start();
    watching.expect(&ADDED);

    let inserted = Inserted::new(&pcscd, READER, card);
    let (reader, name) = way::inserted(&watching);
    assert_eq!(name, "Nitrokey 3");
    let (token, found) = way::found_in(&reader);
    for name in [token.serial(), "PIV 9a"] {
        assert_eq!(found.select(name).unwrap().uri(), token.uri());
    }
    let fob = token.unlock(&PIN.into()).unwrap();
    let identities = || fob.identities().unwrap().for_signing().valid_now();

    let me = identities().key_type(ASKED_ONCE).only().unwrap();
    way::signs(&me, Scheme::RsaPkcs1Sha256);
    way::signs(&me, Scheme::RsaPssSha256);

    let always = identities().key_type(ALWAYS_ASKED).only().unwrap();
    let unasked = always.sign(ECDSA, b"nobody was asked");
    assert!(is_prompt_needed(&unasked), "{unasked:?}");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let always = always.with_prompt({
        let asked = Arc::clone(&asked);
        Arc::new(move |request: &PinRequest| {
            asked.lock().unwrap().push(request.purpose.clone());
            Ok(Pin::from(PIN))
        })
    });
    way::signs(&always, ECDSA);
    way::signs(&always, ECDSA);
    let key = always.label().to_owned();
    let for_signature = PinPurpose::Signature { key };
    assert_eq!(
        *asked.lock().unwrap(),
        [for_signature.clone(), for_signature]
    );
    // To unlock it, and for each of those two.
    assert_eq!(way::pins_sent(&inserted), 3);

    let mut card = inserted.remove();
    watching.expect(&["token removed: Nitrokey 3 from Virtual PCD 00 00"]);
    for (identity, scheme) in [(&me, Scheme::RsaPkcs1Sha256), (&always, ECDSA)] {
        let error = way::refused(identity, scheme);
        assert!(matches!(error, Error::TokenRemoved { .. }), "{error:?}");
    }
    watching.no_more();
    assert_eq!(card.tries_left(), TRIES);
}

fn is_prompt_needed<T>(outcome: &Result<T, Error>) -> bool {
    matches!(
        outcome,
        Err(Error::Sign {
            reason: SignError::PromptNeeded,
            ..
        })
    )
}

/// A model that nobody has told keyfob of has no name, and is used all the same.
#[test]
fn a_card_of_an_unknown_model() {
    let pcscd = way::start();
    let mut card = card(&pcscd, Piv::start(), &[("9a", "ECCP256")]);
    let watching = Watching::start();
    watching.expect(&ADDED);
    for name in [&format!("an unknown card ({ATR})"), "Virtual PIV"] {
        let inserted = Inserted::new(&pcscd, READER, card);
        watching.expect(&[&format!("token inserted: {name} in {}", READER.name())]);
        let (token, _) = way::found_in(READER.name());
        let fob = token.unlock(&PIN.into()).unwrap();
        let me = fob.identities().unwrap().for_signing().only().unwrap();
        way::signs(&me, ECDSA);
        assert_eq!(way::pins_sent(&inserted), 1);
        card = inserted.remove();
        watching.expect(&[&format!("token removed: {name} from {}", READER.name())]);
        assert_eq!(card.tries_left(), TRIES);

        let model = CardModel::new("Virtual PIV").with_family("PIV");
        model.with_atr(ATR).unwrap().add_to_catalog();
    }
}
