use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use keyfob::{
    Error, Identity, KeyType, Pin, PinPurpose, PinRequest, Scheme, SignError, Signature,
    VerifyError,
};

use crate::bench::{Bench, Key};
use crate::openssl::Judge;

const MESSAGE: &[u8] = b"the message";

pub fn rsa_pkcs1(bench: &Bench<'_>) {
    each_scheme(bench, "rsa-pkcs1");
}

pub fn rsa_pss(bench: &Bench<'_>) {
    each_scheme(bench, "rsa-pss");
}

pub fn ecdsa_p256(bench: &Bench<'_>) {
    each_scheme(bench, "ecdsa-p256");
}

pub fn ecdsa_p384(bench: &Bench<'_>) {
    each_scheme(bench, "ecdsa-p384");
}

pub fn ecdsa_p521(bench: &Bench<'_>) {
    each_scheme(bench, "ecdsa-p521");
}

pub fn ed25519(bench: &Bench<'_>) {
    each_scheme(bench, "ed25519");
}

/// The schemes of this family, with each key that they are for.
fn each_scheme(bench: &Bench<'_>, family: &str) {
    let schemes = || {
        Scheme::ALL
            .iter()
            .filter(|scheme| scheme.name().starts_with(family))
    };
    let mut signed = 0;
    for identity in bench.everybody() {
        for scheme in schemes() {
            if scheme.fits(&identity.key_type()) {
                let signature = identity.sign(*scheme, MESSAGE);
                let signature = signature.unwrap_or_else(|error| panic!("{scheme}: {error}"));
                is_right(&identity, &signature, MESSAGE);
                signed += 1;
            } else {
                let refused = identity.sign(*scheme, MESSAGE).unwrap_err();
                let does_not_fit =
                    |reason: &SignError| matches!(reason, SignError::SchemeDoesNotFit { .. });
                assert!(is_sign_error(&refused, does_not_fit), "{refused:?}");
            }
        }
    }
    assert!(signed > 0 && signed % schemes().count() == 0, "{signed}");
}

/// keyfob and OpenSSL accept it, and neither does for another message.
#[track_caller]
fn is_right(identity: &Identity, signature: &Signature, message: &[u8]) {
    let scheme = signature.scheme();
    let public_key = identity.public_key().expect("it was found by that");
    public_key.verify(scheme, message, signature).unwrap();
    let another = public_key.verify(scheme, b"another", signature);
    assert!(matches!(
        another,
        Err(Error::Verify(VerifyError::BadSignature { .. }))
    ));
    let judge = Judge::new(&folder(), public_key);
    assert!(judge.accepts(scheme, message, signature.as_bytes()));
    assert!(!judge.accepts(scheme, b"another", signature.as_bytes()));
}

/// For the files of one test, since those of a binary may run side by side.
fn folder() -> PathBuf {
    let test = thread::current().name().unwrap_or("nameless").to_owned();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("conformance")
        .join(test);
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    folder
}

fn default_scheme(identity: &Identity) -> Scheme {
    Scheme::default_for(&identity.key_type()).expect("a key that signs")
}

/// Those that sign digests.
fn hashing(bench: &Bench<'_>) -> Vec<Identity> {
    let mut identities = bench.unlocked();
    identities.retain(|one| one.key_type() != KeyType::Ed25519);
    assert!(!identities.is_empty());
    identities
}

pub fn digests_and_streams(bench: &Bench<'_>) {
    for identity in hashing(bench) {
        let scheme = default_scheme(&identity);
        let algorithm = scheme.digest_algorithm().expect("it hashes");
        let digest = algorithm.digest(MESSAGE);
        let signature = identity.sign_digest(scheme, &digest).unwrap();
        is_right(&identity, &signature, MESSAGE);
        let long = vec![0x5A; 1 << 20];
        let signature = identity.sign_reader(scheme, long.as_slice()).unwrap();
        is_right(&identity, &signature, &long);
        let short = identity.sign_digest(scheme, &digest[1..]).unwrap_err();
        let length = |reason: &SignError| matches!(reason, SignError::DigestLength { .. });
        assert!(is_sign_error(&short, length), "{short:?}");
    }
}

pub fn checked(bench: &Bench<'_>) {
    for identity in hashing(bench) {
        let scheme = default_scheme(&identity);
        let identity = identity.checked().unwrap();
        let signature = identity.sign(scheme, MESSAGE).unwrap();
        is_right(&identity, &signature, MESSAGE);
    }
}

/// In the messages' order, each signed, each told of.
pub fn batches(bench: &Bench<'_>) {
    const MESSAGES: usize = 12;
    for identity in hashing(bench) {
        let scheme = default_scheme(&identity);
        let messages: Vec<_> = (0..MESSAGES).map(|number| number.to_be_bytes()).collect();
        let told = AtomicUsize::new(0);
        let progress = |_| {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let batch = identity.batch(scheme).unwrap().progress(&progress);
        let signatures = batch.threads(NonZero::new(3).unwrap()).sign(&messages);
        assert_eq!(signatures.len(), MESSAGES);
        for (message, signature) in messages.iter().zip(signatures) {
            verified(&identity, message, &signature.unwrap());
        }
        assert_eq!(told.into_inner(), MESSAGES);
    }
}

#[track_caller]
fn verified(identity: &Identity, message: &[u8], signature: &Signature) {
    let public_key = identity.public_key().expect("it was found by that");
    let verified = public_key.verify(signature.scheme(), message, signature);
    verified.unwrap();
}

/// Threads that sign with all keys at once.
pub fn threads(bench: &Bench<'_>) {
    const THREADS: u8 = 4;
    const EACH: u8 = 4;
    let identities = hashing(bench);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let identities = &identities;
            scope.spawn(move || {
                for number in 0..EACH {
                    for identity in identities {
                        let message = [thread, number];
                        let signature = identity.sign(default_scheme(identity), &message);
                        verified(identity, &message, &signature.unwrap());
                    }
                }
            });
        }
    });
}

/// A person is asked once for each signature of such a key, and nothing is signed without.
pub fn pin_for_each_signature(bench: &Bench<'_>) {
    let fob = bench.token().unlock(&bench.pin.into()).unwrap();
    let identities = fob.identities().unwrap();
    let keys: Vec<&Key> = bench.keys.iter().filter(|key| key.always_asks).collect();
    assert!(!keys.is_empty(), "no such key");
    for key in keys {
        let identity = key.among(identities.iter());
        let scheme = default_scheme(&identity);
        assert!(identity.key().unwrap().protection().always_authenticate);
        let unasked = identity.sign(scheme, MESSAGE).unwrap_err();
        let prompt = |reason: &SignError| matches!(reason, SignError::PromptNeeded);
        assert!(is_sign_error(&unasked, prompt), "{unasked:?}");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let asking = identity.with_prompt({
            let (asked, pin) = (Arc::clone(&asked), bench.pin.to_owned());
            Arc::new(move |request: &PinRequest| {
                asked.lock().unwrap().push(request.purpose.clone());
                Ok(Pin::from(pin.as_str()))
            })
        });
        for number in 1..=2 {
            let signature = asking.sign(scheme, MESSAGE).unwrap();
            is_right(&asking, &signature, MESSAGE);
            assert_eq!(asked.lock().unwrap().len(), number);
        }
        let is_for_it = |purpose: &PinPurpose| matches!(purpose, PinPurpose::Signature { .. });
        assert!(asked.lock().unwrap().iter().all(is_for_it));
    }
    // The token is unlocked still.
    let plain = bench.keys.iter().find(|key| !key.always_asks);
    let plain = plain
        .expect("the token has others")
        .among(identities.iter());
    plain.sign(default_scheme(&plain), MESSAGE).unwrap();
}

/// The proof that a token lacks a scheme although it has a key for it: the mechanism is not in its
/// list, and the error says so.
#[track_caller]
pub fn mechanism_is_missing(bench: &Bench<'_>, scheme: Scheme, mechanism: u64) {
    let mut tried = 0;
    for identity in bench.unlocked() {
        if scheme.fits(&identity.key_type()) {
            let missing = identity.sign(scheme, MESSAGE).unwrap_err();
            let is_missing =
                |reason: &SignError| matches!(reason, SignError::MechanismMissing { .. });
            assert!(is_sign_error(&missing, is_missing), "{missing:?}");
            tried += 1;
        }
    }
    assert!(tried > 0, "no key for {scheme}");
    assert!(!bench.token().mechanisms().unwrap().contains(&mechanism));
}

/// The proof that a token can have no such keys: it has no mechanism to make or use them with.
#[track_caller]
pub fn no_mechanism(bench: &Bench<'_>, mechanisms: &[u64]) {
    let there = bench.token().mechanisms().unwrap();
    let has = there.iter().find(|one| mechanisms.contains(one));
    assert_eq!(has, None, "it has it after all");
}

fn is_sign_error(error: &Error, is: impl Fn(&SignError) -> bool) -> bool {
    matches!(error, Error::Sign { reason, .. } if is(reason))
}
