//! Choosing an identity.

use std::time::{Duration, SystemTime};

use cryptoki::object::Attribute;
use keyfob::{Curve, Error, Identities, KeyType, SelectionError, Unlocked, Uri};
use x509_cert::ext::pkix::KeyUsages;

use crate::fault::Fault;
use crate::softhsm::{Kind, Leaf, SoftHsm};
use crate::{foreign_spki, token, unlocked};

const Y2021: u64 = 1_609_459_200;
const Y2040: u64 = 2_208_988_800;

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("select", |token| {
        let certified = |label: &str, id: u8, leaf: Leaf, more: &[Attribute]| {
            let spki = token.key_with(Kind::P256, label, &[id], more);
            token.certificate(&leaf.issue(&spki), label, &[id]);
        };
        let leaf = |name: &str| Leaf {
            serial: vec![0x0a, 0xbc],
            ..Leaf::new(&format!("CN={name},O=Example"))
        };
        certified("signs", 1, leaf("Ann"), &[]);
        certified(
            "commits",
            2,
            Leaf {
                usage: Some(KeyUsages::NonRepudiation),
                serial: vec![0x0a, 0xbd],
                ..leaf("Bob")
            },
            &[],
        );
        certified(
            "says nothing",
            3,
            Leaf {
                usage: None,
                ..leaf("Cleo")
            },
            &[],
        );
        certified(
            "encrypts",
            4,
            Leaf {
                usage: Some(KeyUsages::KeyEncipherment),
                ..leaf("Dan")
            },
            &[],
        );
        certified("may not", 5, leaf("Eve"), &[Attribute::Sign(false)]);
        certified(
            "expired",
            6,
            Leaf {
                valid: (Y2021 - 1000, Y2021),
                ..leaf("Fay")
            },
            &[],
        );
        certified(
            "not yet",
            7,
            Leaf {
                valid: (Y2040, Y2040 + 1000),
                ..leaf("Gus")
            },
            &[],
        );
        token.key(Kind::Rsa(2048), "no certificate", &[8]);
        token.certificate(&leaf("Hal").issue(&foreign_spki(3)), "no key", &[9]);
    });
    (bench, Fault::load())
}

fn labels(identities: &Identities) -> Vec<&str> {
    let mut labels: Vec<_> = identities.iter().map(|one| one.label()).collect();
    labels.sort_unstable();
    labels
}

#[track_caller]
fn assert_left(fob: &Unlocked, filter: impl FnOnce(Identities) -> Identities, expected: &[&str]) {
    let left = filter(fob.identities().unwrap());
    assert_eq!(labels(&left), expected);
}

#[test]
fn each_filter_leaves_what_it_says() {
    let (_bench, _fault) = bench();
    let fob = unlocked("select");
    let all = [
        "commits",
        "encrypts",
        "expired",
        "may not",
        "no certificate",
        "no key",
        "not yet",
        "says nothing",
        "signs",
    ];
    assert_left(&fob, |all| all, &all);
    let for_signing = ["commits", "expired", "not yet", "says nothing", "signs"];
    assert_left(&fob, Identities::for_signing, &for_signing);
    let now = [
        "commits",
        "encrypts",
        "may not",
        "no key",
        "says nothing",
        "signs",
    ];
    assert_left(&fob, Identities::valid_now, &now);

    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let is_left = |label: &str, seconds| {
        let left = fob.identities().unwrap().valid_at(at(seconds));
        left.iter().any(|one| one.label() == label)
    };
    // Both ends belong to it (RFC 5280, section 4.1.2.5).
    assert!(!is_left("expired", Y2021 - 1001));
    assert!(is_left("expired", Y2021 - 1000) && is_left("expired", Y2021));
    assert!(!is_left("expired", Y2021 + 1));

    assert_left(&fob, |all| all.subject("cn=ann"), &["signs"]);
    assert_left(
        &fob,
        |all| all.subject("example").subject("BOB"),
        &["commits"],
    );
    assert_left(&fob, |all| all.subject("keyfob test"), &[]);
    assert_left(
        &fob,
        |all| all.issuer("KEYFOB test").subject("Ann"),
        &["signs"],
    );
    assert_left(&fob, |all| all.issuer("Ann"), &[]);
    for serial in ["0abd", "ABD", "0a:bd", "00:0A:BD"] {
        assert_left(&fob, |all| all.serial(serial), &["commits"]);
    }
    assert_left(&fob, |all| all.serial("abd0"), &[]);
    let rsa = KeyType::Rsa { bits: 2048 };
    assert_left(&fob, |all| all.key_type(rsa), &["no certificate"]);
    assert_left(&fob, |all| all.key_type(KeyType::Ec(Curve::P384)), &[]);
    assert_left(&fob, |all| all.label("no key"), &["no key"]);
    assert_left(&fob, |all| all.label("NO key"), &[]);
    assert_left(&fob, |all| all.filter(|one| one.id() == [5]), &["may not"]);
}

#[test]
fn a_uri_names_an_identity() {
    let (_bench, _fault) = bench();
    let fob = unlocked("select");
    let uri = |text: &str| text.parse::<Uri>().unwrap();
    for (text, expected) in [
        ("pkcs11:object=signs", &["signs"][..]),
        ("pkcs11:id=%02", &["commits"]),
        ("pkcs11:id=%02;object=signs", &[]),
        ("pkcs11:id=%09;type=cert", &["no key"]),
        ("pkcs11:id=%09;type=private", &[]),
        ("pkcs11:id=%08;type=cert", &[]),
        ("pkcs11:id=%08;type=private", &["no certificate"]),
        ("pkcs11:id=%09;type=public", &["no key"]),
        ("pkcs11:id=%01;type=data", &[]),
        ("pkcs11:token=select;id=%01", &["signs"]),
        ("pkcs11:token=another;id=%01", &[]),
        ("pkcs11:serial=0;id=%01", &[]),
    ] {
        assert_left(&fob, |all| all.uri(&uri(text)), expected);
    }
    // Each has a URI of its own, which the key's own look-up understands too.
    for identity in &fob.identities().unwrap() {
        let one = fob.identities().unwrap().uri(&identity.uri()).only();
        assert_eq!(one.unwrap().label(), identity.label());
        if let Some(key) = identity.key() {
            let found = fob.key(&key.uri().to_string()).unwrap();
            assert_eq!(found.label(), identity.label());
            assert_eq!(fob.key(identity.label()).unwrap().id(), identity.id());
        }
    }
}

fn why<T: std::fmt::Debug>(outcome: Result<T, Error>) -> SelectionError {
    match outcome {
        Err(Error::Selection { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_are_named_and_none_says_so() {
    let (_bench, _fault) = bench();
    let token = token("select");
    let before = || token.identities().unwrap();
    assert_eq!(
        why(before().label("nobody").only()),
        SelectionError::NoneWhileLocked
    );
    assert_eq!(why(token.key("signs")), SelectionError::NoneWhileLocked);

    let fob = token.unlock(&crate::PIN.into()).unwrap();
    let all = || fob.identities().unwrap();
    assert_eq!(why(all().label("nobody").only()), SelectionError::None);
    assert_eq!(why(fob.key("nobody")), SelectionError::None);
    assert_eq!(
        why(fob.key("pkcs11:token=another;id=%01")),
        SelectionError::None
    );
    let valid = all().for_signing().valid_now();
    let expected: Vec<_> = valid
        .iter()
        .map(|one| format!("{} ({})", one.uri(), one.certificate().unwrap().subject()))
        .collect();
    assert_eq!(expected.len(), 3);
    let error = valid.only().unwrap_err();
    let message = error.to_string();
    assert!(
        expected.iter().all(|name| message.contains(name)),
        "{message}"
    );
    assert_eq!(why::<()>(Err(error)), SelectionError::Several(expected));
    let all_keys = why(fob.key("pkcs11:"));
    assert!(matches!(&all_keys, SelectionError::Several(names) if names.len() == 8));

    let one = all().for_signing().valid_now().subject("Cleo").only();
    assert_eq!(one.unwrap().label(), "says nothing");
}
