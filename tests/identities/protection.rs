//! What protects a key, by its token's word.

use cryptoki_sys::*;
use keyfob::{Error, PrivateKey};

use crate::fault::Fault;
use crate::softhsm::{Kind, SoftHsm};
use crate::unlocked;

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("protection", |token| {
        token.key(Kind::P256, "made there", &[1]);
        token.import_p256(&[2; 32], "brought", &[2]);
    });
    (bench, Fault::load())
}

fn key(label: &str) -> PrivateKey {
    unlocked("protection").key(label).unwrap()
}

/// What is missing, if anything.
fn demanded(key: PrivateKey) -> Option<&'static str> {
    let name = format!("\"{}\"", key.label());
    match key.never_left_token() {
        Ok(_) => None,
        Err(error @ Error::Unprotected { missing, .. }) => {
            let message = error.to_string();
            assert!(message.contains(missing) && message.contains(&name));
            Some(missing)
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_key_made_on_the_token_never_left_it() {
    let (_bench, _fault) = bench();
    let key = key("made there");
    let protection = key.protection();
    assert_eq!(protection.sensitive, Some(true));
    assert_eq!(protection.extractable, Some(false));
    assert_eq!(protection.always_sensitive, Some(true));
    assert_eq!(protection.never_extractable, Some(true));
    assert_eq!(protection.local, Some(true));
    assert!(!protection.always_authenticate);
    assert!(protection.never_left_token());
    assert_eq!(demanded(key), None);
}

#[test]
fn a_key_brought_to_the_token_is_refused_where_that_is_demanded() {
    let (_bench, _fault) = bench();
    let key = key("brought");
    assert_eq!(key.protection().local, Some(false));
    assert_eq!(key.protection().sensitive, Some(true));
    assert!(!key.protection().never_left_token());
    assert_eq!(demanded(key), Some("CKA_LOCAL is not true"));
    let left = unlocked("protection").identities().unwrap();
    assert_eq!(left.len(), 2);
    let left = left.never_left_token();
    assert_eq!(left.only().unwrap().label(), "made there");
}

#[test]
fn each_attribute_is_needed_and_unknown_is_not_enough() {
    let (_bench, fault) = bench();
    for (attribute, bad, missing) in [
        (CKA_LOCAL, 0, "CKA_LOCAL is not true"),
        (CKA_SENSITIVE, 0, "CKA_SENSITIVE is not true"),
        (CKA_EXTRACTABLE, 1, "CKA_EXTRACTABLE is not false"),
        (CKA_ALWAYS_SENSITIVE, 0, "CKA_ALWAYS_SENSITIVE is not true"),
        (
            CKA_NEVER_EXTRACTABLE,
            0,
            "CKA_NEVER_EXTRACTABLE is not true",
        ),
    ] {
        fault.reset();
        fault.replace_attribute(attribute, "class=3", &[bad]);
        assert_eq!(demanded(key("made there")), Some(missing));
        fault.reset();
        fault.refuse_attribute(attribute, "class=3", CKR_ATTRIBUTE_TYPE_INVALID);
        assert_eq!(demanded(key("made there")), Some(missing), "not told");
        fault.reset();
        // A truth value of two bytes, or of none, is none.
        for value in [&[1 - bad, 1 - bad][..], &[]] {
            fault.replace_attribute(attribute, "class=3", value);
            assert_eq!(demanded(key("made there")), Some(missing), "{value:?}");
            fault.reset();
        }
    }
    assert_eq!(demanded(key("made there")), None);
}
