//! Attributes as tokens really answer them, or worse: what can be had is had, the rest is a
//! problem, and nothing hides another object.

use cryptoki::object::{Attribute, CertificateType, ObjectClass};
use cryptoki_sys::*;
use keyfob::{Error, Identities, KeyType, Scheme};

use crate::fault::Fault;
use crate::softhsm::{Filler, Kind, Leaf, SoftHsm};
use crate::{pairs, token, unlocked};

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("answers", |token| {
        token.identity(Kind::P256, "p256", &[1]);
        token.identity(Kind::Rsa(2048), "rsa", &[2]);
        token.identity(Kind::P521, "p521", &[3]);
        token.identity(Kind::Ed25519, "ed25519", &[4]);
    });
    (bench, Fault::load())
}

const ALL: [&str; 4] = ["ed25519", "p256", "p521", "rsa"];

fn labels(identities: &Identities) -> Vec<&str> {
    let mut labels: Vec<_> = identities.iter().map(|one| one.label()).collect();
    labels.sort_unstable();
    labels
}

/// All four have a key and a certificate, and their public key.
fn assert_whole(identities: &Identities) {
    assert!(
        identities.problems().is_empty(),
        "{:?}",
        identities.problems()
    );
    assert_eq!(labels(identities), ALL);
    for identity in identities {
        assert!(identity.key().is_some() && identity.certificate().is_some());
        assert_ne!(identity.key_type(), KeyType::Unknown);
        let key = identity.key().unwrap();
        let certified = identity.certificate().unwrap().public_key().unwrap();
        assert_eq!(key.public_key(), Some(&certified), "{}", identity.label());
    }
}

/// For one attribute of the private keys, whatever the module's way not to tell it.
#[test]
fn a_private_key_may_keep_any_attribute_to_itself() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    for attribute in [
        CKA_LABEL,
        CKA_MODULUS,
        CKA_PUBLIC_EXPONENT,
        CKA_SIGN,
        CKA_SENSITIVE,
        CKA_EXTRACTABLE,
        CKA_ALWAYS_SENSITIVE,
        CKA_NEVER_EXTRACTABLE,
        CKA_LOCAL,
        CKA_ALWAYS_AUTHENTICATE,
    ] {
        for code in [CKR_ATTRIBUTE_SENSITIVE, CKR_ATTRIBUTE_TYPE_INVALID] {
            fault.reset();
            fault.refuse_attribute(attribute, "class=3", code);
            assert_whole(&fob.identities().unwrap());
        }
    }
    // The rest of the key is still known, and it signs.
    fault.reset();
    fault.refuse_attribute(CKA_LABEL, "class=3", CKR_ATTRIBUTE_SENSITIVE);
    fault.refuse_attribute(CKA_SENSITIVE, "class=3", CKR_ATTRIBUTE_TYPE_INVALID);
    let me = fob.identities().unwrap().subject("p256").only().unwrap();
    assert_eq!(me.key().unwrap().label(), "");
    assert_eq!(me.label(), "p256", "the certificate's");
    assert_eq!(me.key().unwrap().protection().sensitive, None);
    assert_eq!(me.key().unwrap().protection().local, Some(true));
    me.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();

    // Nor does a certificate need its names.
    fault.reset();
    fault.refuse_attribute(CKA_LABEL, "class=1", CKR_ATTRIBUTE_SENSITIVE);
    fault.refuse_attribute(CKA_ID, "class=1", CKR_ATTRIBUTE_SENSITIVE);
    assert_whole(&fob.identities().unwrap());

    // Without an id, RSA keys still have their modulus to pair by.
    fault.reset();
    fault.refuse_attribute(CKA_ID, "class=3", CKR_ATTRIBUTE_SENSITIVE);
    let identities = fob.identities().unwrap();
    let rsa = identities.filter(|one| one.key().is_some() && one.certificate().is_some());
    assert_eq!(
        rsa.only().unwrap().certificate().unwrap().subject(),
        "CN=Test rsa"
    );
}

#[test]
fn a_module_that_fails_groups_is_asked_singly() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    for code in [
        CKR_FUNCTION_FAILED,
        CKR_GENERAL_ERROR,
        CKR_ARGUMENTS_BAD,
        CKR_ATTRIBUTE_VALUE_INVALID,
        CKR_DATA_INVALID,
        CKR_TEMPLATE_INCONSISTENT,
    ] {
        fault.reset();
        fault.command(&format!("attributes-singly code={code}"));
        assert_whole(&fob.identities().unwrap());
        assert_eq!(
            fob.key("rsa").unwrap().key_type(),
            KeyType::Rsa { bits: 2048 }
        );
    }
    // And one of them may be refused even so.
    fault.refuse_attribute(CKA_LABEL, "class=3", CKR_FUNCTION_FAILED);
    assert_whole(&fob.identities().unwrap());
}

fn is_certificate(problem: &Error) -> bool {
    matches!(problem, Error::Object { reason, .. } if matches!(**reason, Error::Certificate(_)))
}

fn is_public_key(problem: &Error) -> bool {
    matches!(problem, Error::Object { reason, .. } if matches!(**reason, Error::PublicKey(_)))
}

/// A module may give what it finds in small pieces.
#[test]
fn a_search_in_pieces_is_whole() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    for chunk in [1, 3] {
        fault.command(&format!("find chunk={chunk}"));
        assert_whole(&fob.identities().unwrap());
    }
}

/// One call for each object, where the module can.
#[test]
fn objects_are_read_in_one_call_each() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    let (calls, identities) = fault.calls_in(|| fob.identities().unwrap());
    assert_whole(&identities);
    assert_eq!(calls["C_GetAttributeValue"], 12);
    // Three searches, each of which ends when it gives nothing more.
    assert_eq!(calls.values().sum::<u64>(), 12 + 3 * 4, "{calls:?}");
    // A label that is not there may be one that is too long: its length is asked for.
    fault.refuse_attribute(CKA_LABEL, "class=3", CKR_ATTRIBUTE_SENSITIVE);
    let (calls, identities) = fault.calls_in(|| fob.identities().unwrap());
    assert_whole(&identities);
    assert_eq!(calls["C_GetAttributeValue"], 12 + 4);
}

#[test]
fn a_point_may_come_without_its_octet_string() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    fault.bare_ec_points("class=2");
    assert_whole(&fob.identities().unwrap());
}

/// Lengths that cannot be are no values; nothing is read beyond what was offered.
#[test]
fn impossible_lengths_are_no_values() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    for length in [CK_ULONG::MAX, CK_ULONG::MAX - 1, 1 << 31, (1 << 20) + 1] {
        fault.reset();
        fault.attribute_length(CKA_ID, "class=3", length);
        fault.attribute_length(CKA_LABEL, "class=3", length);
        let identities = fob.identities().unwrap();
        assert!(identities.problems().is_empty());
        for identity in &identities {
            if let Some(key) = identity.key() {
                assert_eq!((key.label(), key.id()), ("", &[][..]));
            }
        }
        // Certificates of which nothing can be had.
        fault.reset();
        fault.attribute_length(CKA_VALUE, "class=1 id=hex:01", length.max(1 << 31));
        let identities = fob.identities().unwrap();
        assert_eq!(labels(&identities), ALL);
        assert_eq!(
            identities.problems().len(),
            1,
            "{:?}",
            identities.problems()
        );
        assert!(is_certificate(&identities.problems()[0]));
    }
    for attribute in [
        CKA_KEY_TYPE,
        CKA_EC_PARAMS,
        CKA_MODULUS,
        CKA_SIGN,
        CKA_ALWAYS_AUTHENTICATE,
    ] {
        for length in [0, 1, 3, 7, 9, 1 << 20, CK_ULONG::MAX] {
            fault.reset();
            fault.attribute_length(attribute, "", length);
            // No panic, and every certificate is there.
            let identities = fob.identities().unwrap();
            let certificates = identities.iter().filter(|one| one.certificate().is_some());
            assert_eq!(certificates.count(), 4, "{attribute:#x} {length}");
        }
    }
}

#[test]
fn nonsense_in_an_attribute_hides_no_object() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    let nonsense: [&[u8]; 5] = [b"", b"\0", &[0xff; 8], &[0x30; 200], b"\x04\x81"];
    for attribute in [
        CKA_LABEL,
        CKA_KEY_TYPE,
        CKA_EC_PARAMS,
        CKA_MODULUS,
        CKA_PUBLIC_EXPONENT,
    ] {
        for value in nonsense {
            fault.reset();
            fault.replace_attribute(attribute, "class=3", value);
            let identities = fob.identities().unwrap();
            let keys = identities.iter().filter(|one| one.key().is_some());
            assert_eq!(keys.count(), 4, "{attribute:#x} {value:x?}");
            assert!(identities.problems().is_empty());
        }
    }
    // A public key that cannot be read is told, and its private key pairs by its id.
    for value in nonsense {
        fault.reset();
        fault.replace_attribute(CKA_EC_POINT, "class=2 id=hex:01", value);
        let identities = fob.identities().unwrap();
        assert_eq!(labels(&identities), ALL);
        assert!(
            matches!(identities.problems(), [problem] if is_public_key(problem)),
            "{value:x?} {:?}",
            identities.problems()
        );
        let me = identities.label("p256").only().unwrap();
        me.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
    }
    fault.reset();
    // One object that fails altogether.
    fault
        .fail("C_GetAttributeValue")
        .nth(1)
        .with(CKR_DEVICE_MEMORY);
    let identities = fob.identities().unwrap();
    assert!(matches!(
        identities.problems(),
        [Error::Call {
            function: "C_GetAttributeValue",
            ..
        }]
    ));
    assert_eq!(labels(&identities), ALL);
    let keys = identities.iter().filter(|one| one.key().is_some());
    assert_eq!(keys.count(), 3);

    // One that somebody deletes meanwhile is no problem.
    fault
        .fail("C_GetAttributeValue")
        .nth(1)
        .with(CKR_OBJECT_HANDLE_INVALID);
    assert!(fob.identities().unwrap().problems().is_empty());
}

#[test]
fn a_search_that_does_not_end_is_an_error() {
    let (_bench, fault) = bench();
    let fob = unlocked("answers");
    for nonsense in [
        "find endless count=256",
        "find count=0xffffffff",
        "find count=257",
    ] {
        fault.reset();
        fault.command(nonsense);
        let outcome = fob.identities();
        assert!(
            matches!(
                outcome,
                Err(Error::Call {
                    function: "C_FindObjects",
                    ..
                })
            ),
            "{nonsense}: {outcome:?}"
        );
        assert!(fault.count("C_FindObjects") < 1000);
        assert_eq!(fault.count("C_FindObjectsFinal"), 1);
    }
    fault.reset();
    assert_whole(&fob.identities().unwrap());
}

/// A certificate as another program may have left it.
fn malformed(token: &Filler, value: &[u8], label: &str) {
    let object = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::CertificateType(CertificateType::X_509),
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Subject(b"0\0".to_vec()),
        Attribute::Label(label.into()),
        Attribute::Id(vec![0xbd]),
        Attribute::Value(value.to_vec()),
    ];
    token.session.create_object(&object).unwrap();
}

#[test]
fn a_malformed_certificate_is_told_and_hides_no_other() {
    let bench = SoftHsm::start();
    bench.token("malformed", |token| {
        malformed(token, b"not DER at all", "text");
        token.identity(Kind::P256, "good", &[1]);
        let whole = Leaf::new("CN=Cut").issue(&crate::foreign_spki(6));
        malformed(token, &whole[..whole.len() - 1], "cut");
        malformed(token, &[&whole[..], b"more"].concat(), "more");
        malformed(
            token,
            &[&whole[..], &[0; 100]].concat(),
            "padded with zeros",
        );
        token.identity(Kind::P256, "good too", &[2]);
    });
    let _fault = Fault::load();
    let before = token("malformed").identities().unwrap();
    let after = unlocked("malformed").identities().unwrap();
    for identities in [before, after] {
        assert_eq!(
            identities.problems().len(),
            3,
            "{:?}",
            identities.problems()
        );
        assert!(identities.problems().iter().all(is_certificate));
        let told: Vec<_> = identities.problems().iter().map(Error::to_string).collect();
        for label in ["text", "cut", "more"] {
            let name = format!("\"{label}\" on the token \"malformed\"");
            assert!(told.iter().any(|told| told.contains(&name)), "{told:?}");
        }
        let labels = labels(&identities);
        assert_eq!(labels, ["good", "good too", "padded with zeros"]);
    }
}

/// Longer than what is usually asked for, of every kind.
#[test]
fn long_values_are_read_whole() {
    let bench = SoftHsm::start();
    let label = "l".repeat(1000);
    let id = [7; 300];
    let units = ",OU=a name of thirty-two characters".repeat(200);
    let leaf = || Leaf::new(&format!("CN=Long{units}"));
    bench.token("long", |token| {
        let spki = token.key(Kind::P256, &label, &id);
        let certificate = leaf().issue(&spki);
        assert!(certificate.len() > 8000);
        token.certificate(&certificate, &label, &id);
    });
    let fault = Fault::load();
    let fob = unlocked("long");
    let check = |identities: Identities| {
        assert_eq!(pairs(&identities).len(), 1, "{identities:?}");
        let me = identities.only().unwrap();
        assert_eq!(me.label(), label);
        assert_eq!(me.id(), id);
        let key = me.key().unwrap();
        assert_eq!((key.label(), key.id()), (label.as_str(), &id[..]));
        let certificate = me.certificate().unwrap();
        let spki = me.public_key().unwrap().spki_der();
        let subject = leaf().issue(spki);
        // Signed anew, so but for the signature.
        let length = subject.len() - 100;
        assert_eq!(certificate.der()[8..length], subject[8..length]);
        let signature = me.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
        certificate
            .verify(Scheme::EcdsaP256Sha256, b"message", &signature)
            .unwrap();
    };
    check(fob.identities().unwrap());
    fault.attributes_singly();
    check(fob.identities().unwrap());
    fault.reset();
    // Longer than anything is: not read.
    fault.replace_attribute(CKA_LABEL, "class=3", &[b'x'; 1000]);
    let key = fob
        .key(&format!("pkcs11:id={}", "%07".repeat(300)))
        .unwrap();
    assert_eq!(key.label(), "x".repeat(1000));
}
