//! Many signatures at once, and signatures that are verified before they are given out.

#[path = "support/fault.rs"]
mod fault;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::num::NonZero;
use std::sync::Mutex;

use cryptoki_sys::*;
use fault::Fault;
use keyfob::{Error, Identity, Scheme, Search, SignError, Unlocked};
use softhsm::{Kind, PIN, SoftHsm};

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("batch", |token| {
        token.identity(Kind::P256, "p256", &[1]);
        token.identity(Kind::Ed25519, "ed25519", &[2]);
        token.key(Kind::P256, "no certificate", &[3]);
        token.identity(Kind::Rsa(1024), "rsa", &[4]);
    });
    (bench, Fault::load())
}

fn unlock() -> Unlocked {
    let found = Search::new().module(Fault::path()).named_only().run();
    let token = found.unwrap().select("batch").unwrap();
    token.unlock(&PIN.into()).unwrap()
}

fn identity(fob: &Unlocked, label: &str) -> Identity {
    fob.identities().unwrap().label(label).only().unwrap()
}

fn threads(count: usize) -> NonZero<usize> {
    NonZero::new(count).unwrap()
}

#[test]
fn answers_have_the_order_of_the_messages() {
    let (_bench, fault) = bench();
    let fob = unlock();
    let me = identity(&fob, "p256");
    me.sign(SCHEME, b"the mechanism is known").unwrap();
    let messages: Vec<String> = (0..300).map(|number| format!("message {number}")).collect();
    for count in [1, 4, 8] {
        fault.reset_counts();
        let told = Mutex::new(Vec::new());
        let progress = |done| told.lock().unwrap().push(done);
        let batch = me.batch(SCHEME).unwrap().threads(threads(count));
        let answers = batch.progress(&progress).sign(&messages);
        assert_eq!(answers.len(), messages.len());
        for (message, signature) in messages.iter().zip(answers) {
            let certificate = me.certificate().unwrap();
            certificate
                .verify(SCHEME, message.as_bytes(), signature.unwrap())
                .unwrap();
        }
        let mut told = told.into_inner().unwrap();
        told.sort();
        assert_eq!(told, (1..=300).collect::<Vec<_>>());
        // Two calls for each, and no more than a session for each thread.
        assert_eq!(fault.count("C_SignInit"), 300);
        assert_eq!(fault.count("C_Sign"), 300);
        assert!(fault.total() <= 600 + count as u64, "{}", fault.total());
    }
    let none: [&[u8]; 0] = [];
    assert!(me.batch(SCHEME).unwrap().sign(none).is_empty());
}

#[test]
fn one_that_fails_hides_no_other() {
    let (_bench, fault) = bench();
    let fob = unlock();
    let key = fob.key("p256").unwrap();
    fault.fail("C_Sign").nth(3).with(CKR_FUNCTION_FAILED);
    let messages = (0..10u8).map(|number| vec![number]);
    let batch = key.batch(SCHEME).threads(threads(1));
    let answers = batch.sign(messages);
    let failed: Vec<usize> = (0..10).filter(|index| answers[*index].is_err()).collect();
    assert_eq!(failed, [2]);
    // All of them, once the token is gone.
    let slot = fault.slot_of("batch");
    fault.token(slot).remove();
    for answer in key.batch(SCHEME).sign([b"a", b"b", b"c"]) {
        assert!(
            matches!(answer, Err(Error::TokenRemoved { .. })),
            "{answer:?}"
        );
    }
}

#[test]
fn a_wrong_signature_is_not_given_out() {
    let (_bench, fault) = bench();
    let fob = unlock();
    for (label, scheme) in [("p256", SCHEME), ("ed25519", Scheme::Ed25519)] {
        let me = identity(&fob, label);
        let checked = me.clone().checked().unwrap();
        let digest = [7; 32];
        checked.sign(scheme, b"message").unwrap();
        fault.wrong_signatures();
        me.sign(scheme, b"nobody looks").unwrap();
        let mut wrong = vec![checked.sign(scheme, b"message")];
        if scheme == SCHEME {
            wrong.push(checked.sign_digest(scheme, &digest));
            wrong.push(checked.sign_reader(scheme, &digest[..]));
        }
        for wrong in wrong {
            let error = wrong.unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Sign {
                        reason: SignError::WrongSignature(_),
                        ..
                    }
                ),
                "{error:?}"
            );
        }
        fault.reset();
        checked.sign(scheme, b"message").unwrap();
    }
    // What is not known cannot be checked with.
    let key = fob.key("no certificate").unwrap();
    assert!(matches!(
        key.checked(),
        Err(Error::Sign {
            reason: SignError::NoPublicKey,
            ..
        })
    ));
}

/// Seen without a public key, and so of every signature.
#[test]
fn an_answer_that_cannot_be_a_signature_is_none() {
    let (_bench, fault) = bench();
    let fob = unlock();
    for (label, scheme, length) in [
        ("p256", SCHEME, 64),
        ("ed25519", Scheme::Ed25519, 64),
        ("rsa", Scheme::RsaPkcs1Sha256, 128),
        ("rsa", Scheme::RsaPssSha256, 128),
    ] {
        let key = fob.key(label).unwrap();
        let is_bad = || {
            let error = key.sign(scheme, b"message").unwrap_err();
            let is_bad = |reason: &SignError| matches!(reason, SignError::BadSignature(_));
            let is_bad = matches!(&error, Error::Sign { reason, .. } if is_bad(reason));
            assert!(is_bad, "{label}: {error:?}");
        };
        for wrong in [0, 1, length - 1, length / 2] {
            fault.signature_length(wrong);
            is_bad();
        }
        fault.reset();
        // It says that it has signed, and has not.
        fault.fail("C_Sign").nth(1).with(CKR_OK);
        is_bad();
        key.sign(scheme, b"message").unwrap();
    }
}
