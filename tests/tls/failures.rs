//! Handshakes that must fail: each says why, and none panics.

use cryptoki_sys::{CKA_EC_PARAMS, CKM_RSA_PKCS, CKM_RSA_PKCS_PSS};
use keyfob::{Error, KeyType, SignError, TlsError, Token};
use rustls::SignatureScheme;
use rustls::sign::SigningKey;

use super::*;
use crate::fault::Fault;

/// The token of these tests, through the module that misbehaves.
fn token() -> (SoftHsm, Fault, Token) {
    let bench = SoftHsm::start();
    fill(&bench);
    let fault = Fault::load();
    (bench, fault, found())
}

/// Found anew, so that it knows what the test has ordered before.
fn found() -> Token {
    let found = Search::new().module(Fault::path()).named_only().run();
    found.unwrap().select("tls").unwrap()
}

/// Why the handshake failed at our end: keyfob's own error in it.
fn reason(error: &io::Error) -> &Error {
    let tls = error.get_ref().and_then(|error| error.downcast_ref());
    let Some(rustls::Error::Other(other)) = tls else {
        panic!("{error:?}")
    };
    other.0.downcast_ref().unwrap()
}

#[test]
fn a_wrong_signature_is_refused_by_openssl() {
    let (bench, fault, token) = token();
    let desk = Desk::new(bench.folder());
    let fob = token.unlock(&PIN.into()).unwrap();
    fault.wrong_signatures();
    for label in ["rsa2048", "p256", "ed25519"] {
        for version in [&TLS12, &TLS13] {
            let certified = || identity(&fob, label).certified_key(&[]).unwrap();
            let peer = desk.server(&[]);
            let mut stream = our_client(&desk, version, certified(), &peer);
            let error = ask(&mut stream, "hello").unwrap_err();
            drop(stream);
            let said = peer.finish();
            assert!(!said.contains("ESTABLISHED"), "{label}: {said}");
            assert!(error.to_string().contains("DecryptError"), "{error}");

            let (mut stream, peer) = our_server(&desk, version, certified(), &[]);
            let error = answer(&mut stream, "pong").unwrap_err();
            drop(stream);
            let said = peer.finish();
            assert!(!said.contains("ESTABLISHED"), "{label}: {said}");
            assert!(error.to_string().contains("DecryptError"), "{error}");
        }
    }
}

#[test]
fn a_token_removed_before_it_signs_is_named() {
    let (bench, fault, token) = token();
    let desk = Desk::new(bench.folder());
    let fob = token.unlock(&PIN.into()).unwrap();
    let certified = identity(&fob, "p256").certified_key(&[]).unwrap();
    fault.token(fault.slot_of("tls")).remove();
    let check = |error: io::Error, said: String| {
        assert!(!said.contains("ESTABLISHED"), "{said}");
        let reason = reason(&error);
        assert!(matches!(reason, Error::TokenRemoved { .. }), "{reason:?}");
        assert!(error.to_string().contains("the token \"tls\""), "{error}");
        assert!(error.to_string().contains("was removed"), "{error}");
    };
    for version in [&TLS12, &TLS13] {
        let peer = desk.server(&[]);
        let mut stream = our_client(&desk, version, certified.clone(), &peer);
        let error = ask(&mut stream, "hello").unwrap_err();
        drop(stream);
        check(error, peer.finish());

        let (mut stream, peer) = our_server(&desk, version, certified.clone(), &[]);
        let error = answer(&mut stream, "pong").unwrap_err();
        drop(stream);
        check(error, peer.finish());
    }
}

#[test]
fn no_scheme_in_common() {
    let bench = SoftHsm::start();
    let (desk, fob) = (Desk::new(bench.folder()), unlocked(&bench));
    for (label, version, schemes) in [
        ("p256", &TLS13, "ECDSA+SHA384:RSA-PSS+SHA256"),
        ("ed25519", &TLS12, "ECDSA+SHA256"),
        ("rsa2048", &TLS13, "ECDSA+SHA256"),
    ] {
        let certified = || identity(&fob, label).certified_key(&[]).unwrap();
        let peer = desk.server(&["-client_sigalgs", schemes]);
        let mut stream = our_client(&desk, version, certified(), &peer);
        ask(&mut stream, "hello").unwrap_err();
        drop(stream);
        let said = peer.finish();
        assert!(
            said.contains("peer did not return a certificate"),
            "{label}: {said}"
        );

        let (mut stream, peer) = our_server(&desk, version, certified(), &["-sigalgs", schemes]);
        let error = answer(&mut stream, "pong").unwrap_err();
        drop(stream);
        assert!(!peer.finish().contains("ESTABLISHED"), "{label}");
        assert!(error.to_string().contains("incompatible"), "{error}");
    }
}

#[test]
fn a_key_that_wants_its_pin_and_has_nobody_to_ask() {
    let bench = SoftHsm::start();
    let (desk, fob) = (Desk::new(bench.folder()), unlocked(&bench));
    let me = fob.identities().unwrap().label("always").only().unwrap();
    let certified = me.certified_key(&[]).unwrap();
    let (mut stream, _peer) = our_server(&desk, &TLS13, certified, &[]);
    let error = answer(&mut stream, "pong").unwrap_err();
    assert!(matches!(
        reason(&error),
        Error::Sign {
            reason: SignError::PromptNeeded,
            ..
        }
    ));
}

/// With what the token has, RSA is signed with PSS, or else PKCS#1, or else refused at once.
#[test]
fn the_token_decides_how_rsa_is_signed() {
    let (_bench, fault, token) = token();
    drop(token);
    let key = || {
        let fob = found().unlock(&PIN.into()).unwrap();
        fob.key("rsa2048").unwrap().tls_key()
    };
    let chosen = |offered: &[u16]| {
        let offered: Vec<_> = offered.iter().map(|one| (*one).into()).collect();
        let signer = key().unwrap().choose_scheme(&offered)?;
        Some(signer.scheme())
    };
    let all = [0x0401, 0x0806, 0x0804, 0x0403];
    assert_eq!(chosen(&all), Some(SignatureScheme::RSA_PSS_SHA256));
    assert_eq!(chosen(&[0x0403]), None);

    fault.tokens().drop_mechanism(CKM_RSA_PKCS_PSS);
    assert_eq!(chosen(&all), Some(SignatureScheme::RSA_PKCS1_SHA256));
    assert_eq!(chosen(&[0x0804]), None);

    fault.tokens().drop_mechanism(CKM_RSA_PKCS);
    let outcome = key();
    assert!(
        matches!(
            outcome,
            Err(Error::Sign {
                reason: SignError::MechanismMissing { .. },
                ..
            })
        ),
        "{outcome:?}"
    );
}

#[test]
fn what_is_missing_is_told_before_the_handshake() {
    let (_bench, _fault, token) = token();
    let locked = token.identities().unwrap().label("p256").only().unwrap();
    assert!(matches!(
        locked.certified_key(&[]),
        Err(Error::Sign {
            reason: SignError::KeyHidden,
            ..
        })
    ));
    let fob = token.unlock(&PIN.into()).unwrap();
    assert!(matches!(
        identity(&fob, "keyless").certified_key(&[]),
        Err(Error::Sign {
            reason: SignError::NoKey,
            ..
        })
    ));
    let error = identity(&fob, "bare").certified_key(&[]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Tls {
                reason: TlsError::NoCertificate,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(error.to_string().contains("bare"), "{error}");
}

/// secp256k1 is an EC key, and none that TLS knows.
#[test]
fn a_key_that_tls_has_no_scheme_for() {
    let (_bench, fault, token) = token();
    let fob = token.unlock(&PIN.into()).unwrap();
    let secp256k1 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
    fault.replace_attribute(CKA_EC_PARAMS, "class=3 id=hex:02", &secp256k1);
    let outcome = fob.key("p256").unwrap().tls_key();
    assert!(
        matches!(
            outcome,
            Err(Error::Tls {
                reason: TlsError::NoScheme {
                    key_type: KeyType::Other(_)
                },
                ..
            })
        ),
        "{outcome:?}"
    );
}
