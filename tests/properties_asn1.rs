//! Whatever bytes a token or a file holds: no panic, and what is read is written back the same.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use der::asn1::Any;
use der::{Decode, Encode, Tag};
use keyfob::{Certificate, Curve, GostParameterSet, KeyType, PublicKey, Scheme, Signature};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use spki::{AlgorithmIdentifierOwned, DecodePublicKey, EncodePublicKey};

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];
const ED25519_OID: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_certificates(bytes in der_like()) {
        read_all(&bytes);
    }

    #[test]
    fn truncated_certificates(sample in sample(), end in any::<Index>()) {
        let end = end.index(sample.len());
        prop_assert!(Certificate::from_der(&sample[..end]).is_err());
        read_all(&sample[..end]);
    }

    #[test]
    fn damaged_certificates(
        sample in sample(),
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
        zeros in 0..40_usize,
    ) {
        let mut bytes = sample;
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        bytes.resize(bytes.len() + zeros, 0);
        read_all(&bytes);
    }

    #[test]
    fn certificates_survive_padding_and_pem(sample in sample(), zeros in 0..5_000_usize) {
        let certificate = Certificate::from_der(&sample).expect("a sound certificate");
        let padded = [&sample[..], &vec![0; zeros]].concat();
        prop_assert_eq!(&Certificate::from_bytes(&padded).expect("padding is dropped"), &certificate);
        prop_assert_eq!(&Certificate::from_pem(&certificate.to_pem()).expect("PEM"), &certificate);
        prop_assert_eq!(certificate.der(), sample);
    }

    #[test]
    fn random_texts(text in "(-----BEGIN CERTIFICATE-----)?.{0,80}(\n-----END CERTIFICATE-----)?") {
        let _ = Certificate::from_pem(&text);
        let _ = PublicKey::from_pem(&text.replace("CERTIFICATE", "PUBLIC KEY"));
        let _ = text.parse::<Scheme>();
    }

    #[test]
    fn points_bare_wrapped_and_compressed(key in ec_key()) {
        let (curve, point) = key;
        let params = curve.oid().to_der().expect("encodes");
        let key = PublicKey::from_ec(&params, &point).expect("on the curve");
        prop_assert_eq!(key.key_type(), KeyType::Ec(curve));
        prop_assert!(key.spki_der().ends_with(&point));

        let octets = Any::new(Tag::OctetString, &point[..]).expect("short").to_der().expect("short");
        let bits = Any::new(Tag::BitString, [&[0], &point[..]].concat()).expect("short");
        let y_is_odd = point.last().expect("a point") & 1;
        let compressed = [&[2 + y_is_odd], &point[1..=curve.field_len()]].concat();
        for spelling in [octets, bits.to_der().expect("short"), compressed] {
            prop_assert_eq!(&PublicKey::from_ec(&params, &spelling).expect("the same point"), &key);
        }
        prop_assert_eq!(&PublicKey::from_spki_der(key.spki_der()).expect("its own"), &key);
        prop_assert_eq!(&PublicKey::from_pem(&key.to_pem()).expect("its own"), &key);

        // Off the curve: no key.
        let mut off = point;
        *off.last_mut().expect("a point") ^= 2;
        prop_assert!(PublicKey::from_ec(&params, &off).is_err());
    }

    #[test]
    fn random_points(params in params(), point in point_like()) {
        if let Ok(key) = PublicKey::from_ec(&params, &point) {
            let again = PublicKey::from_spki_der(key.spki_der());
            prop_assert_eq!(again.as_ref(), Ok(&key));
            prop_assert_eq!(again.expect("equal").key_type(), key.key_type());
        }
        let _ = KeyType::from_ec_params(&point);
    }

    #[test]
    fn rsa_numbers(
        modulus in vec(any::<u8>(), 0..600),
        exponent in vec(any::<u8>(), 0..9),
        zeros in 0..5_usize,
    ) {
        if let Ok(key) = PublicKey::from_rsa(&modulus, &exponent) {
            let padded = |number: &[u8]| [&vec![0; zeros], number].concat();
            let again = PublicKey::from_rsa(&padded(&modulus), &padded(&exponent));
            prop_assert_eq!(again.as_ref(), Ok(&key));
            prop_assert_eq!(PublicKey::from_spki_der(key.spki_der()), Ok(key.clone()));
            let through_traits = key.to_public_key_der().expect("DER");
            prop_assert_eq!(PublicKey::from_public_key_der(through_traits.as_bytes()), Ok(key.clone()));
            let _ = key.verify(Scheme::RsaPssSha512, b"", &modulus);
        }
    }

    #[test]
    fn damaged_public_keys(
        sample in sample(),
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        random in der_like(),
    ) {
        let certificate = Certificate::from_der(&sample).expect("a sound certificate");
        let mut spki = certificate.public_key().expect("a sound key").spki_der().to_vec();
        for (position, byte) in damage {
            let position = position.index(spki.len());
            spki[position] = byte;
        }
        for bytes in [spki, random] {
            if let Ok(key) = PublicKey::from_spki_der(&bytes) {
                prop_assert_eq!(PublicKey::from_spki_der(key.spki_der()), Ok(key));
            }
        }
    }

    #[test]
    fn signatures_raw_and_der(
        scheme in select(Scheme::ALL),
        mut raw in vec(any::<u8>(), 132),
        zeros in (0..40_usize, 0..40_usize),
    ) {
        // Leading zeros are what the conversion gets wrong, so there are many.
        let width = raw_len(scheme);
        raw.truncate(width);
        raw[..zeros.0.min(width / 2)].fill(0);
        raw[width / 2..][..zeros.1.min(width / 2)].fill(0);
        if let Ok(signature) = Signature::from_raw(scheme, &raw) {
            prop_assert_eq!(signature.to_raw(), raw);
            let again = Signature::from_bytes(scheme, signature.as_bytes().to_vec());
            prop_assert_eq!(again, Ok(signature));
        } else {
            let (r, s) = raw.split_at(width / 2);
            prop_assert!([r, s].iter().any(|half| half.iter().all(|byte| *byte == 0)));
        }
    }

    #[test]
    fn random_signatures(scheme in select(Scheme::ALL), bytes in signature_like(), key in ec_key()) {
        if let Ok(signature) = Signature::from_bytes(scheme, bytes.clone()) {
            prop_assert_eq!(signature.as_bytes(), &bytes);
            // There is one DER for the two numbers: what is accepted is it.
            let again = Signature::from_raw(scheme, &signature.to_raw());
            prop_assert_eq!(again, Ok(signature));
        }
        let _ = Signature::from_raw(scheme, &bytes);
        let params = key.0.oid().to_der().expect("encodes");
        let key = PublicKey::from_ec(&params, &key.1).expect("on the curve");
        prop_assert!(key.verify(scheme, b"message", &bytes).is_err());
    }

    #[test]
    fn random_algorithm_identifiers(
        scheme in select(Scheme::ALL),
        damage in vec((any::<Index>(), any::<u8>()), 0..3),
        random in der_like(),
    ) {
        let mut bytes = scheme.algorithm_identifier().to_der().expect("encodes");
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        for bytes in [bytes, random] {
            let Ok(algorithm) = AlgorithmIdentifierOwned::from_der(&bytes) else {
                continue;
            };
            for key in key_types() {
                if let Ok(read) = Scheme::from_algorithm_identifier(&algorithm, &key) {
                    prop_assert!(read.fits(&key));
                    let canonical = read.algorithm_identifier();
                    prop_assert_eq!(Scheme::from_algorithm_identifier(&canonical, &key), Ok(read));
                }
            }
        }
    }
}

/// Asks a certificate all there is to ask.
fn read_all(bytes: &[u8]) {
    let _ = PublicKey::from_spki_der(bytes);
    let Ok(certificate) = Certificate::from_bytes(bytes) else {
        return;
    };
    let _ = (certificate.subject(), certificate.issuer());
    let _ = (certificate.common_name(), certificate.serial_hex());
    let _ = (certificate.key_usage(), certificate.allows_signing());
    let _ = certificate.is_valid_at(std::time::SystemTime::now());
    let _ = certificate.verify(Scheme::EcdsaP256Sha256, b"", [0; 8]);
    if let Ok(key) = certificate.public_key() {
        for scheme in Scheme::ALL {
            let algorithm = certificate.as_x509().signature_algorithm();
            let _ = Scheme::from_algorithm_identifier(algorithm, &key.key_type());
            let _ = key.verify(*scheme, b"", certificate.as_x509().signature().raw_bytes());
        }
    }
    assert_eq!(
        Certificate::from_der(certificate.der()).expect("its own"),
        certificate
    );
}

/// Certificates by OpenSSL, one for each kind of key, made once.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("properties_asn1");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    let file = |name: &str| folder.join(name).display().to_string();
    let kinds = [
        &["rsa:1024"][..],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
        &["ed25519"],
    ];
    let made = kinds.map(|kind| {
        let output = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-utf8",
                "-subj",
                "/C=RU/O=Рога+OU=x/CN=Иван",
            ])
            .args([
                "-nodes",
                "-addext",
                "keyUsage=digitalSignature",
                "-outform",
                "DER",
            ])
            .args([
                "-keyout",
                &file("key.pem"),
                "-out",
                &file("certificate.der"),
                "-newkey",
            ])
            .args(kind)
            .output()
            .unwrap_or_else(|error| {
                panic!("openssl does not run ({error}); ./softhsm-setup.sh installs it")
            });
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl req {kind:?}: {said}");
        fs::read(file("certificate.der")).expect("a certificate")
    });
    made.to_vec()
});

fn sample() -> impl Strategy<Value = Vec<u8>> {
    (0..SAMPLES.len()).prop_map(|index| SAMPLES[index].clone())
}

/// Bytes that get past the first check: nested SEQUENCEs and the like.
fn der_like() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        vec(any::<u8>(), 0..60),
        Just(ED25519_OID.to_vec()),
        select(&CURVES[..]).prop_map(|curve| curve.oid().to_der().expect("encodes")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let tags = [0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0xa0, 0xa3];
        (select(tags.to_vec()), vec(inner, 0..4)).prop_map(|(tag, parts)| {
            let contents = parts.concat();
            let mut bytes = vec![tag];
            match u8::try_from(contents.len()) {
                Ok(short @ 0..0x80) => bytes.push(short),
                Ok(length) => bytes.extend([0x81, length]),
                Err(_) => bytes.extend(
                    [
                        &[0x82][..],
                        &u16::try_from(contents.len()).unwrap_or(0).to_be_bytes(),
                    ]
                    .concat(),
                ),
            }
            bytes.extend(contents);
            bytes
        })
    })
}

/// A curve and an uncompressed point on it: the base point times some number.
fn ec_key() -> impl Strategy<Value = (Curve, Vec<u8>)> {
    (select(&CURVES[..]), 1..u64::MAX).prop_map(|(curve, number)| {
        let mut scalar = vec![0; curve.field_len()];
        let at = scalar.len() - 8;
        scalar[at..].copy_from_slice(&number.to_be_bytes());
        let point = match curve {
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(&scalar)
                .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            Curve::P384 => p384::ecdsa::SigningKey::from_slice(&scalar)
                .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
            _ => p521::ecdsa::SigningKey::from_slice(&scalar)
                .map(|key| key.verifying_key().to_sec1_point(false).as_bytes().to_vec()),
        };
        (curve, point.expect("a number below the order"))
    })
}

fn params() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(&CURVES[..]).prop_map(|curve| curve.oid().to_der().expect("encodes")),
        Just(ED25519_OID.to_vec()),
        Just(b"\x13\x0cedwards25519".to_vec()),
        // secp256k1 and X25519: kept, not verified with.
        Just(vec![0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a]),
        Just(vec![0x06, 0x03, 0x2b, 0x65, 0x6e]),
        der_like(),
    ]
}

/// Right lengths and first bytes are likelier than chance would have them.
fn point_like() -> impl Strategy<Value = Vec<u8>> {
    let lengths = vec![31, 32, 33, 34, 35, 49, 65, 67, 97, 99, 133, 136];
    prop_oneof![
        vec(any::<u8>(), 0..140),
        (select(lengths), vec(any::<u8>(), 140), 2..5_u8).prop_map(|(length, mut bytes, first)| {
            bytes.truncate(length);
            bytes[0] = first;
            bytes
        }),
        der_like(),
    ]
}

fn signature_like() -> impl Strategy<Value = Vec<u8>> {
    let integer = vec(any::<u8>(), 0..67).prop_map(|mut bytes| {
        bytes.insert(0, u8::try_from(bytes.len()).expect("short"));
        bytes.insert(0, 0x02);
        bytes
    });
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(integer, 0..4).prop_map(|integers| {
            let contents = integers.concat();
            match u8::try_from(contents.len()) {
                Ok(short @ 0..0x80) => [&[0x30, short], &contents[..]].concat(),
                _ => [&[0x30, 0x81, contents.len() as u8], &contents[..]].concat(),
            }
        }),
        der_like(),
    ]
}

fn raw_len(scheme: Scheme) -> usize {
    let width = |curve: &&Curve| scheme.fits(&KeyType::Ec(**curve));
    match (CURVES.iter().find(width), scheme) {
        (Some(curve), _) => 2 * curve.field_len(),
        (None, Scheme::Ed25519 | Scheme::Gost256 | Scheme::GostKz256) => 64,
        (None, _) => 128,
    }
}

fn key_types() -> Vec<KeyType> {
    let mut types = CURVES.map(KeyType::Ec).to_vec();
    types.extend([KeyType::Rsa { bits: 2048 }, KeyType::Ed25519]);
    let gost = GostParameterSet::ALL.iter();
    types.extend(gost.map(|set| match set.field_len() {
        32 => KeyType::Gost256(*set),
        _ => KeyType::Gost512(*set),
    }));
    types
}
