//! Keys as vendors show them.

use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CKA_ID, CKA_VALUE};
use keyfob::{Certificate, Error, GostParameterSet, KeyType, SignError};

use crate::bench::{bench, both, certificate, identity, key, label, scheme, unlocked};
use crate::gost::{Key, SETS, Set};
use crate::softhsm::Leaf;
use crate::{MESSAGE, assert_right, refusal};

const CKA_GOSTR3410_512PARAMS: CK_ATTRIBUTE_TYPE = 0xD432_1004;

#[test]
fn every_parameter_set_is_known_and_signs() {
    use GostParameterSet::*;
    let (_bench, _fault) = bench();
    let fob = unlocked();
    let key_types = [
        KeyType::Gost256(CryptoProA),
        KeyType::Gost256(CryptoProB),
        KeyType::Gost256(CryptoProC),
        KeyType::Gost256(CryptoProXchA),
        KeyType::Gost256(CryptoProXchB),
        KeyType::Gost256(Tc26A256),
        KeyType::Gost256(Tc26B256),
        KeyType::Gost256(Tc26C256),
        KeyType::Gost256(Tc26D256),
        KeyType::Gost512(Tc26A512),
        KeyType::Gost512(Tc26B512),
        KeyType::Gost512(Tc26C512),
    ];
    for (set, key_type) in SETS.into_iter().zip(key_types) {
        let me = identity(&fob, set);
        assert_eq!(me.key_type(), key_type);
        assert_eq!(me.key().unwrap().key_type(), key_type);
        assert_eq!(me.public_key().unwrap().spki_der(), key(set).spki());
        assert_eq!(me.certificate().unwrap().der(), certificate(set));
        let signature = me.sign(scheme(set), MESSAGE).unwrap();
        assert_right(set, MESSAGE, &signature);
    }
}

#[test]
fn public_keys_and_parameters_are_found_wherever_they_are() {
    let (_bench, fault) = bench();
    let params = format!("params={CKA_GOSTR3410_512PARAMS}");
    for manners in ["wrapped", &params, &format!("wrapped {params}")] {
        fault.gost(manners);
        // They have but their public key to be found by.
        fault.replace_attribute(CKA_ID, "class=1", b"elsewhere");
        let fob = unlocked();
        for set in both() {
            let me = identity(&fob, set);
            assert_eq!(me.public_key().unwrap().spki_der(), key(set).spki());
            assert!(me.certificate().is_some() && me.key().is_some());
            let signature = me.sign(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);
        }
    }
}

/// The token has the set of 2001, and the certificate the new name of the same curve.
#[test]
fn a_curve_has_several_names() {
    let (_bench, fault) = bench();
    let set = Set::named(256, "A");
    let spki = Set::named(256, "TCB").spki(&key(set).public());
    let certificate = Leaf::new("CN=By a new name").issue(&spki);
    fault.replace_attribute(CKA_VALUE, "class=1 id=hex:01", &certificate);
    for hidden in ["", "find hide class=2"] {
        fault.command(hidden);
        let fob = unlocked();
        let me = identity(&fob, set);
        assert_eq!(me.certificate().unwrap().subject(), "CN=By a new name");
        let signature = me.sign(scheme(set), MESSAGE).unwrap();
        assert_right(set, MESSAGE, &signature);
    }
}

/// The certificate says what a signature is to be verified with.
#[test]
fn a_public_key_need_not_be_shown() {
    let (_bench, fault) = bench();
    fault.command("find hide class=2");
    let fob = unlocked();
    for set in both() {
        let me = identity(&fob, set);
        let signature = me.sign(scheme(set), MESSAGE).unwrap();
        assert_right(set, MESSAGE, &signature);
        let bare = fob.key(&label(set)).unwrap();
        let signature = bare.sign(scheme(set), MESSAGE).unwrap();
        assert_right(set, MESSAGE, &signature);
    }
}

#[test]
fn a_key_that_shows_no_public_key_at_all_signs_nothing() {
    let (_bench, fault) = bench();
    fault.command("find hide class=2\nfind hide class=1");
    let fob = unlocked();
    for set in both() {
        fault.reset_counts();
        let me = identity(&fob, set);
        let refused = refusal(me.sign(scheme(set), MESSAGE));
        assert!(matches!(refused, SignError::NoPublicKey), "{refused:?}");
        assert_eq!(fault.count("C_SignInit"), 0);
    }
}

#[test]
fn the_certificate_of_another_key_lets_no_signature_out() {
    let (_bench, fault) = bench();
    fault.command("find hide class=2");
    let [set, _] = both();
    fault.replace_attribute(CKA_VALUE, "class=1 id=hex:02", &of_another(set));
    let fob = unlocked();
    let me = identity(&fob, set);
    assert_eq!(me.certificate().unwrap().subject(), "CN=Another");
    let refused = refusal(me.sign(scheme(set), MESSAGE));
    assert!(
        matches!(refused, SignError::WrongSignature(_)),
        "{refused:?}"
    );
}

#[test]
fn a_certificate_from_elsewhere_completes_the_key_it_is_of() {
    let (_bench, fault) = bench();
    fault.command("find hide class=1");
    let [small, large] = both();
    for hidden in ["", "find hide class=2"] {
        fault.command(hidden);
        let fob = unlocked();
        for (set, other) in [(small, large), (large, small)] {
            let [own, other] = [set, other].map(|set| {
                let certificate = Certificate::from_der(&certificate(set));
                certificate.unwrap()
            });
            let me = identity(&fob, set);
            assert!(me.certificate().is_none());
            let refused = me.clone().with_certificate(other);
            let refused = refused.map(|_| ()).unwrap_err();
            let of_another = matches!(
                refused,
                Error::Sign {
                    reason: SignError::CertificateOfAnotherKey,
                    ..
                }
            );
            assert!(of_another, "{refused:?}");
            let me = me.with_certificate(own.clone()).unwrap();
            assert_eq!(me.certificate().unwrap().der(), own.der());
            let signature = me.sign(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);
            own.verify(scheme(set), MESSAGE, &signature).unwrap();
        }
    }
}

/// Where the token shows no public key, it is the first signature that tells.
#[test]
fn a_certificate_of_another_key_on_the_curve_is_refused_in_the_end() {
    let (_bench, fault) = bench();
    fault.command("find hide class=1");
    let [set, _] = both();
    let another = Certificate::from_der(&of_another(set)).unwrap();
    let fob = unlocked();
    let refused = identity(&fob, set).with_certificate(another.clone());
    assert!(refused.is_err());
    fault.command("find hide class=2");
    let me = identity(&fob, set).with_certificate(another).unwrap();
    let refused = refusal(me.sign(scheme(set), MESSAGE));
    assert!(
        matches!(refused, SignError::WrongSignature(_)),
        "{refused:?}"
    );
}

fn of_another(set: Set) -> Vec<u8> {
    let key = Key::from_seed(set, b"another");
    Leaf::new("CN=Another").issue(&key.spki())
}
