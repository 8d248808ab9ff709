//! An identity as a signer of the `signature` crate: `x509-cert`'s builder takes it, and OpenSSL
//! accepts what comes out.

#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;
use std::process::Command;
use std::str::FromStr;

use der::Encode;
use keyfob::{Error, Scheme, Search, SignError, Signature};
use signature::{Keypair, Signer};
use softhsm::{Kind, PIN, SoftHsm, run};
use spki::EncodePublicKey;
use x509_cert::builder::{Builder, RequestBuilder};
use x509_cert::name::Name;

#[test]
fn certificate_requests_of_every_scheme() {
    let bench = SoftHsm::start();
    bench.token("signers", |token| {
        token.key(Kind::Rsa(2048), "rsa2048", &[1]);
        token.key(Kind::P256, "p256", &[2]);
        token.key(Kind::P384, "p384", &[3]);
        token.key(Kind::P521, "p521", &[4]);
        token.key(Kind::Ed25519, "ed25519", &[5]);
    });
    let found = Search::new().module(bench.module()).named_only().run();
    let token = found.unwrap().select("signers").unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    let mut requests = 0;
    for identity in fob.identities().unwrap() {
        let key_type = identity.key_type();
        for scheme in Scheme::ALL.iter().filter(|scheme| scheme.fits(&key_type)) {
            let signer = identity.signer(*scheme).unwrap();
            let name = Name::from_str(&format!("CN=Ann,O={scheme}")).unwrap();
            let request = RequestBuilder::new(name).unwrap();
            let request = request.build::<_, Signature>(&signer).unwrap();
            let file = bench.folder().join("request.der");
            fs::write(&file, request.to_der().unwrap()).unwrap();
            let text = run(Command::new("openssl")
                .args([
                    "req", "-inform", "DER", "-verify", "-noout", "-subject", "-in",
                ])
                .arg(&file));
            assert!(text.contains("Ann"), "{scheme}: {text}");
            requests += 1;
        }
    }
    assert_eq!(requests, softhsm::schemes().count());
}

#[test]
fn a_signer_is_its_key() {
    let bench = SoftHsm::start();
    bench.token("one", |token| {
        token.identity(Kind::P256, "p256", &[1]);
    });
    let found = Search::new().module(bench.module()).named_only().run();
    let token = found.unwrap().select("one").unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    let me = fob.identities().unwrap().only().unwrap();
    let signer = me.signer(Scheme::EcdsaP256Sha256).unwrap();
    let signature: Signature = signer.sign(b"message");
    let verifying = signer.verifying_key();
    verifying
        .verify(Scheme::EcdsaP256Sha256, b"message", &signature)
        .unwrap();
    assert_eq!(&verifying, me.public_key().unwrap());
    let der = verifying.to_public_key_der().unwrap();
    assert_eq!(der.as_bytes(), verifying.spki_der());

    let wrong = me.signer(Scheme::Ed25519).map(|_| ());
    assert!(
        matches!(
            wrong,
            Err(Error::Sign {
                reason: SignError::SchemeDoesNotFit { .. },
                ..
            })
        ),
        "{wrong:?}"
    );
    // A private EC key alone does not tell its public key.
    let bare = fob.key("p256").unwrap().signer(Scheme::EcdsaP256Sha256);
    assert!(
        matches!(
            bare,
            Err(Error::Sign {
                reason: SignError::NoPublicKey,
                ..
            })
        ),
        "{bare:?}"
    );
}
