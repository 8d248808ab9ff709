//! Every scheme, between keyfob on SoftHSM and OpenSSL; and what is refused before the token is
//! asked.

#[path = "support/fault.rs"]
mod fault;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;

use fault::Fault;
use keyfob::{
    DigestAlgorithm, Error, PrivateKey, PublicKey, Scheme, Search, SignError, Signature, Unlocked,
    VerifyError,
};
use softhsm::{Kind, PIN, SoftHsm};

const MESSAGE: &[u8] = b"The quick brown fox signs with a key that cannot leave its token.";

/// A token with a key of every type.
fn unlocked(bench: &SoftHsm) -> Unlocked {
    bench.token("schemes", |token| {
        token.identity(Kind::Rsa(2048), "rsa2048", &[1]);
        token.identity(Kind::Rsa(3072), "rsa3072", &[2]);
        token.identity(Kind::Rsa(4096), "rsa4096", &[3]);
        token.identity(Kind::P256, "p256", &[4]);
        token.identity(Kind::P384, "p384", &[5]);
        token.identity(Kind::P521, "p521", &[6]);
        token.identity(Kind::Ed25519, "ed25519", &[7]);
    });
    let found = Search::new().module(bench.module()).named_only().run();
    let token = found.unwrap().select("schemes").unwrap();
    token.unlock(&PIN.into()).unwrap()
}

#[test]
fn every_scheme_is_accepted_by_openssl_and_by_us() {
    let bench = SoftHsm::start();
    let fob = unlocked(&bench);
    let mut done = Vec::new();
    for identity in fob.identities().unwrap() {
        let key_type = identity.key_type();
        let public_key = identity.public_key().unwrap();
        let judge = openssl::Judge::new(bench.folder(), public_key);
        for scheme in Scheme::ALL.iter().filter(|scheme| scheme.fits(&key_type)) {
            let signature = identity.sign(*scheme, MESSAGE).unwrap();
            let certificate = identity.certificate().unwrap();
            certificate.verify(*scheme, MESSAGE, &signature).unwrap();
            assert!(
                judge.accepts(*scheme, MESSAGE, signature.as_bytes()),
                "{scheme} {key_type}"
            );
            refused_by_both(&judge, public_key, *scheme, &signature);

            let raw = Signature::from_raw(*scheme, &signature.to_raw()).unwrap();
            assert_eq!(raw, signature, "{scheme}");
            done.push(format!("{key_type} {scheme}"));
        }
    }
    // Six for each of the three RSA keys, three for each of the three curves, Ed25519.
    assert_eq!(done.len(), 3 * 6 + 3 * 3 + 1, "{done:#?}");
}

/// As tpm2-pkcs11 does.
#[test]
fn a_module_may_look_at_a_mechanism_again_when_it_signs() {
    let bench = SoftHsm::start();
    drop(unlocked(&bench));
    let fault = Fault::load();
    fault.late_mechanisms();
    let found = Search::new().module(Fault::path()).named_only().run();
    let token = found.unwrap().select("schemes").unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    for identity in fob.identities().unwrap() {
        let key_type = identity.key_type();
        for scheme in Scheme::ALL.iter().filter(|scheme| scheme.fits(&key_type)) {
            let signature = identity.sign(*scheme, MESSAGE);
            let signature = signature.unwrap_or_else(|error| panic!("{scheme}: {error}"));
            let certificate = identity.certificate().unwrap();
            certificate.verify(*scheme, MESSAGE, &signature).unwrap();
        }
    }
}

/// One changed byte, in the message or in the signature.
fn refused_by_both(
    judge: &openssl::Judge,
    public_key: &PublicKey,
    scheme: Scheme,
    signature: &Signature,
) {
    let mut message = MESSAGE.to_vec();
    message[10] ^= 1;
    let mut changed = signature.as_bytes().to_vec();
    *changed.last_mut().unwrap() ^= 1;
    for (message, signature) in [
        (message.as_slice(), signature.as_bytes()),
        (MESSAGE, &changed),
    ] {
        assert!(!judge.accepts(scheme, message, signature), "{scheme}");
        let verdict = public_key.verify(scheme, message, signature);
        assert!(
            matches!(
                verdict,
                Err(Error::Verify(VerifyError::BadSignature { .. }))
            ),
            "{scheme}: {verdict:?}"
        );
    }
}

#[test]
fn digests_and_streams_are_signed_like_messages() {
    let bench = SoftHsm::start();
    let fob = unlocked(&bench);
    for (label, scheme) in [
        ("rsa2048", Scheme::RsaPkcs1Sha384),
        ("rsa3072", Scheme::RsaPssSha512),
        ("p256", Scheme::EcdsaP256Sha512),
        ("p521", Scheme::EcdsaP521Sha256),
    ] {
        let key = fob.key(label).unwrap();
        let public_key = fob.identities().unwrap().label(label).only().unwrap();
        let public_key = public_key.public_key().unwrap();
        let digest = scheme.digest_algorithm().unwrap().digest(MESSAGE);
        let of_digest = key.sign_digest(scheme, &digest).unwrap();
        public_key.verify(scheme, MESSAGE, &of_digest).unwrap();
        let of_stream = key.sign_reader(scheme, MESSAGE).unwrap();
        public_key.verify(scheme, MESSAGE, &of_stream).unwrap();
        public_key
            .verify_digest(scheme, &digest, &of_stream)
            .unwrap();
        public_key
            .verify_reader(scheme, MESSAGE, &of_digest)
            .unwrap();
    }
}

/// 256 MiB are signed while the process grows by less than 8.
#[test]
fn a_stream_takes_constant_memory() {
    let bench = SoftHsm::start();
    let key = unlocked(&bench).key("p256").unwrap();
    key.sign(Scheme::EcdsaP256Sha256, MESSAGE).unwrap();
    let before = peak_memory();
    let stream = std::io::Read::take(std::io::repeat(7), 256 << 20);
    key.sign_reader(Scheme::EcdsaP256Sha256, stream).unwrap();
    let grown = peak_memory() - before;
    assert!(grown < 8 << 10, "{grown} KiB more for a stream");
}

/// In KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn ed25519_takes_whole_messages_only() {
    let bench = SoftHsm::start();
    let key = unlocked(&bench).key("ed25519").unwrap();
    let digest = DigestAlgorithm::Sha512.digest(MESSAGE);
    for outcome in [
        key.sign_digest(Scheme::Ed25519, &digest),
        key.sign_reader(Scheme::Ed25519, MESSAGE),
    ] {
        assert!(matches!(
            reason(outcome),
            SignError::WholeMessageNeeded { .. }
        ));
    }
    let limit = Scheme::Ed25519.message_limit().unwrap();
    key.sign(Scheme::Ed25519, &vec![1; limit]).unwrap();
    let too_long = key.sign(Scheme::Ed25519, &vec![1; limit + 1]);
    assert!(matches!(reason(too_long), SignError::MessageTooLong { .. }));
}

#[test]
fn what_does_not_fit_is_refused() {
    let bench = SoftHsm::start();
    let key = unlocked(&bench).key("p256").unwrap();
    for scheme in Scheme::ALL
        .iter()
        .filter(|scheme| !scheme.fits(&key.key_type()))
    {
        let outcome = key.sign(*scheme, MESSAGE);
        assert!(
            matches!(reason(outcome), SignError::SchemeDoesNotFit { .. }),
            "{scheme}"
        );
    }
    let weak = Scheme::EcdsaP256Sha1;
    assert!(weak.fits(&key.key_type()) && Scheme::WEAK.contains(&weak));
    for outcome in [key.sign(weak, MESSAGE), key.sign_digest(weak, &[0; 20])] {
        assert!(matches!(reason(outcome), SignError::WeakScheme { .. }));
    }
    let outcome = key.sign_digest(Scheme::EcdsaP256Sha256, &[0; 31]);
    let SignError::DigestLength { expected, found } = reason(outcome) else {
        panic!("a digest of 31 bytes is no SHA-256")
    };
    assert_eq!((expected, found), (32, 31));
}

#[test]
fn threads_share_a_key() {
    let bench = SoftHsm::start();
    let fob = unlocked(&bench);
    let identity = fob.identities().unwrap().label("p256").only().unwrap();
    drop(fob);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let identity = identity.clone();
            scope.spawn(move || {
                for number in 0..50u8 {
                    let message = [thread, number];
                    let signature = identity.sign(Scheme::EcdsaP256Sha256, &message).unwrap();
                    let certificate = identity.certificate().unwrap();
                    certificate
                        .verify(Scheme::EcdsaP256Sha256, &message, &signature)
                        .unwrap();
                }
            });
        }
    });
}

fn reason(outcome: Result<Signature, Error>) -> SignError {
    match outcome {
        Err(Error::Sign { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The other way round is in tests/verify.rs: OpenSSL signs, keyfob verifies.
#[test]
fn a_key_that_may_not_sign_says_so() {
    let bench = SoftHsm::start();
    bench.token("no-signing", |token| {
        let attribute = [cryptoki::object::Attribute::Sign(false)];
        token.key_with(Kind::P256, "derive-only", &[1], &attribute);
    });
    let found = Search::new().module(bench.module()).named_only().run();
    let token = found.unwrap().select("no-signing").unwrap();
    let key: PrivateKey = token
        .unlock(&PIN.into())
        .unwrap()
        .key("derive-only")
        .unwrap();
    let outcome = key.sign(Scheme::EcdsaP256Sha256, MESSAGE);
    assert!(matches!(reason(outcome), SignError::NotForSigning));
}
