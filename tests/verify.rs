//! OpenSSL signs, keyfob verifies.

#[path = "support/issuer.rs"]
mod issuer;

use der::{Decode, Reader, SliceReader};
use issuer::{Bench, text};
use keyfob::{Certificate, Curve, Error, KeyType, PublicKey, Scheme, Signature, VerifyError};

const MESSAGE: &[u8] = b"The quick brown fox jumps over the lazy dog";

#[test]
fn every_scheme_through_key_and_certificate() {
    let bench = Bench::new("schemes");
    for scheme in issuer::schemes() {
        let key = bench.key(key_for(scheme));
        let signature = bench.sign(scheme, &key, MESSAGE);
        assert!(bench.openssl_accepts(scheme, &key, MESSAGE, &signature));

        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
        assert!(scheme.fits(&public.key_type()), "{scheme}");
        assert_eq!(public.to_pem(), bench.public_pem(&key), "{scheme}");
        let certificate = bench.certificate(&key, scheme, &["-subj", "/CN=Signer"]);
        assert_eq!(certificate.public_key().expect("a sound key"), public);

        public.verify(scheme, MESSAGE, &signature).expect("signed");
        public
            .verify_reader(scheme, MESSAGE, &signature)
            .expect("signed");
        certificate
            .verify(scheme, MESSAGE, &signature)
            .expect("signed");
        certificate
            .verify_reader(scheme, MESSAGE, &signature)
            .expect("signed");
        if let Some(algorithm) = scheme.digest_algorithm() {
            let digest = algorithm.digest(MESSAGE);
            public
                .verify_digest(scheme, &digest, &signature)
                .expect("signed");
            certificate
                .verify_digest(scheme, &digest, &signature)
                .expect("signed");
        }

        // Raw and back is the same signature.
        let parsed = Signature::from_bytes(scheme, signature.clone()).expect("well formed");
        let again = Signature::from_raw(scheme, &parsed.to_raw()).expect("well formed");
        assert_eq!(again.as_bytes(), signature);
    }
}

#[test]
fn one_changed_byte_is_refused_by_both() {
    let bench = Bench::new("changed");
    for scheme in issuer::schemes() {
        let key = bench.key(key_for(scheme));
        let signature = bench.sign(scheme, &key, MESSAGE);
        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");

        for position in [0, MESSAGE.len() / 2, MESSAGE.len() - 1] {
            let changed = flipped(MESSAGE, position);
            refused(public.verify(scheme, &changed, &signature));
            refused(public.verify_reader(scheme, changed.as_slice(), &signature));
        }
        for position in 0..signature.len() {
            refused(public.verify(scheme, MESSAGE, flipped(&signature, position)));
        }
        refused(public.verify(scheme, MESSAGE, &signature[..signature.len() - 1]));
        refused(public.verify(scheme, MESSAGE, [&signature[..], &[0]].concat()));
        refused(public.verify(scheme, MESSAGE, b""));

        // OpenSSL is slow to start: once for each is enough.
        let last = signature.len() - 1;
        assert!(!bench.openssl_accepts(scheme, &key, &flipped(MESSAGE, 0), &signature));
        assert!(!bench.openssl_accepts(scheme, &key, MESSAGE, &flipped(&signature, last)));

        // Another scheme for the same key is refused too.
        for other in issuer::schemes().filter(|other| *other != scheme) {
            if other.fits(&public.key_type()) {
                refused(public.verify(other, MESSAGE, &signature));
            } else {
                let mismatch = public.verify(other, MESSAGE, &signature);
                let Err(Error::Verify(VerifyError::SchemeMismatch { .. })) = mismatch else {
                    panic!("{scheme} as {other}: {mismatch:?}");
                };
            }
        }
    }
}

/// What certificates say of their signature is byte for byte what we would say, and true.
#[test]
fn algorithm_identifiers_are_as_openssl_writes_them() {
    let bench = Bench::new("identifiers");
    for scheme in issuer::schemes() {
        let key = bench.key(key_for(scheme));
        let certificate = bench.certificate(&key, scheme, &["-subj", "/CN=Signer"]);
        let x509 = certificate.as_x509();
        assert_eq!(*x509.signature_algorithm(), scheme.algorithm_identifier());
        let public = certificate.public_key().expect("a sound key");
        let read =
            Scheme::from_algorithm_identifier(x509.signature_algorithm(), &public.key_type());
        assert_eq!(read, Ok(scheme));
        let signature = x509.signature().raw_bytes();
        public
            .verify(scheme, &tbs(&certificate), signature)
            .expect("self-signed");
    }
}

/// A key marked for RSA-PSS verifies PSS alone, and with the digest it names (RFC 4055).
#[test]
fn keys_for_rsa_pss_alone() {
    let bench = Bench::new("pss");
    let plain = bench.genpkey("pss", &["-algorithm", "RSA-PSS"]);
    let sha384 = bench.genpkey(
        "pss-sha384",
        &[
            "-algorithm",
            "RSA-PSS",
            "-pkeyopt",
            "rsa_pss_keygen_md:sha384",
            "-pkeyopt",
            "rsa_pss_keygen_mgf1_md:sha384",
            "-pkeyopt",
            "rsa_pss_keygen_saltlen:48",
        ],
    );
    for (key, schemes) in [
        (
            plain,
            &[
                Scheme::RsaPssSha256,
                Scheme::RsaPssSha384,
                Scheme::RsaPssSha512,
            ][..],
        ),
        (sha384, &[Scheme::RsaPssSha384]),
    ] {
        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
        assert_eq!(public.key_type(), KeyType::Rsa { bits: 2048 });
        assert_eq!(public.to_pem(), bench.public_pem(&key));
        for scheme in issuer::schemes() {
            if !scheme.fits(&public.key_type()) {
                continue;
            }
            if schemes.contains(&scheme) {
                let signature = bench.sign(scheme, &key, MESSAGE);
                public.verify(scheme, MESSAGE, &signature).expect("signed");
                refused(public.verify(scheme, b"", &signature));
            } else {
                let forbidden = public.verify(scheme, MESSAGE, [1; 256]);
                assert!(
                    matches!(
                        forbidden,
                        Err(Error::Verify(VerifyError::SchemeForbidden { .. }))
                    ),
                    "{scheme}: {forbidden:?}"
                );
            }
        }
    }
}

/// The same key is equal however it is written.
#[test]
fn one_key_in_several_spellings() {
    let bench = Bench::new("spellings");
    for key_type in [
        KeyType::Ec(Curve::P256),
        KeyType::Ec(Curve::P384),
        KeyType::Ec(Curve::P521),
    ] {
        let key = bench.key(key_type);
        let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
        let compressed = bench.run(&[
            "ec",
            "-in",
            text(&key),
            "-pubout",
            "-conv_form",
            "compressed",
        ]);
        let compressed = PublicKey::from_pem(&String::from_utf8_lossy(&compressed.stdout));
        assert_eq!(compressed.as_ref(), Ok(&public));
        assert_eq!(compressed.expect("equal").spki_der(), public.spki_der());
    }

    // An rsaEncryption key rewritten: first without its parameters, then as id-RSASSA-PSS.
    let key = bench.key(KeyType::Rsa { bits: 2048 });
    let public = PublicKey::from_pem(&bench.public_pem(&key)).expect("a sound key");
    let mut spki = public.spki_der().to_vec();
    let oid = [
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    ];
    let at = spki
        .windows(oid.len())
        .position(|bytes| bytes == oid)
        .expect("its algorithm");
    // Without the two bytes of NULL: the lengths around it shrink.
    spki.drain(at + 9..at + 11);
    spki[3] -= 2;
    spki[5] -= 2;
    let outer = u16::from_be_bytes([spki[2], spki[3]]);
    assert_eq!(usize::from(outer), spki.len() - 4);
    assert_eq!(
        PublicKey::from_spki_der(&spki),
        Ok(public.clone()),
        "parameters absent"
    );
    spki[at + 8] = 0x0a;
    let pss = PublicKey::from_spki_der(&spki).expect("a sound key");
    assert_eq!(pss, public);
    assert_eq!(pss.spki_der(), spki);
}

/// A message that both must refuse with a signature, and say so.
#[track_caller]
fn refused(result: Result<(), Error>) {
    match result {
        Err(Error::Verify(VerifyError::BadSignature { .. })) => {}
        other => panic!("{other:?}"),
    }
}

fn flipped(bytes: &[u8], position: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[position] ^= 1;
    changed
}

fn key_for(scheme: Scheme) -> KeyType {
    let kinds = [
        KeyType::Rsa { bits: 2048 },
        KeyType::Ec(Curve::P256),
        KeyType::Ec(Curve::P384),
        KeyType::Ec(Curve::P521),
        KeyType::Ed25519,
    ];
    kinds
        .into_iter()
        .find(|kind| scheme.fits(kind))
        .expect("one fits")
}

/// The signed part of a certificate.
fn tbs(certificate: &Certificate) -> Vec<u8> {
    let whole = der::asn1::AnyRef::from_der(certificate.der()).expect("DER");
    let mut contents = SliceReader::new(whole.value()).expect("DER");
    contents.tlv_bytes().expect("DER").to_vec()
}
