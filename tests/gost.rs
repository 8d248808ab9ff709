//! GOST R 34.10-2012 by the standards: vectors, the examples of RFC 9215, how keys are written, and
//! what Kazakhstan has otherwise.

#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;
use std::io::Cursor;
use std::process::Command;
use std::time::{Duration, SystemTime};

use der::asn1::ObjectIdentifier;
use der::{Decode, DecodePem, Encode};
use keyfob::cms::{self, Report, Verdict};
use keyfob::trust::{Purpose, Trust};
use keyfob::{
    Certificate, DigestAlgorithm, Error, GostParameterSet, KeyType, PublicKey, Scheme, VerifyError,
};
use softhsm::{SoftHsm, example, unhex};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoRef};

fn path(name: &str) -> String {
    format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::read(path(name)).expect("a certificate")
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// A signature of `signed`, as an object of X.509 has it.
fn holds(key: &PublicKey, algorithm: &AlgorithmIdentifierOwned, signed: &[u8], signature: &[u8]) {
    let scheme = Scheme::from_algorithm_identifier(algorithm, &key.key_type()).expect("known");
    assert_eq!(&scheme.algorithm_identifier(), algorithm);
    key.verify(scheme, signed, signature).expect("it is right");
    let other = flipped(signed, signed.len() / 2);
    let refused = key.verify(scheme, &other, signature);
    assert!(matches!(
        refused,
        Err(Error::Verify(VerifyError::BadSignature { .. }))
    ));
    let refused = key.verify(scheme, signed, flipped(signature, 7));
    assert!(matches!(
        refused,
        Err(Error::Verify(VerifyError::BadSignature { .. }))
    ));
}

/// The certificates, requests and revocation lists of RFC 9215 appendix D.
#[test]
fn all_nine_objects_of_rfc_9215() {
    let sets = [
        KeyType::Gost256(GostParameterSet::Test256),
        KeyType::Gost256(GostParameterSet::Tc26A256),
        KeyType::Gost512(GostParameterSet::Test512),
    ];
    for (number, key_type) in (1..).zip(sets) {
        let certificate = certificate(&format!("rfc9215/D{number}_cert.pem"));
        let key = certificate.public_key().expect("a sound key");
        assert_eq!(key.key_type(), key_type);
        let x509 = certificate.as_x509();
        let info = x509.tbs_certificate().subject_public_key_info();
        assert_eq!(
            key.spki_der(),
            info.to_der().expect("encodes"),
            "written as it was"
        );
        let signed = x509.tbs_certificate().to_der().expect("encodes");
        let signature = x509.signature().raw_bytes();
        holds(&key, x509.signature_algorithm(), &signed, signature);

        let pem = fs::read(path(&format!("rfc9215/D{number}_csr.pem"))).expect("it is there");
        let request = x509_cert::request::CertReq::from_pem(&pem).expect("a request");
        let signed = request.info.to_der().expect("encodes");
        holds(
            &key,
            &request.algorithm,
            &signed,
            request.signature.raw_bytes(),
        );

        let pem = fs::read(path(&format!("rfc9215/D{number}_crl.pem"))).expect("it is there");
        let list =
            x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_pem(&pem);
        let list = list.expect("a revocation list");
        let signed = list.tbs_cert_list.to_der().expect("encodes");
        holds(
            &key,
            &list.signature_algorithm,
            &signed,
            list.signature.raw_bytes(),
        );
    }
}

/// RFC 7091 section 7 and the same of 512 bits, through a token's attributes. The numbers are in
/// `src/gost`, where all that can be wrong with them is tried; this is that nothing is turned round on
/// the way to it.
#[test]
fn a_vector_through_the_attributes_of_a_token() {
    let reversed = |text: &str| -> Vec<u8> { unhex(text).into_iter().rev().collect() };
    let x = reversed("7F2B49E270DB6D90D8595BEC458B50C58585BA1D4E9B788F6689DBD8E56FD80B");
    let y = reversed("26F1B489D6701DD185C8413A977B3CBBAF64D1C593D26627DFFB101A87FF77DA");
    let digest = reversed("2DFBC1B372D89A1188C09C52E0EEC61FCE52032AB1022E8E67ECE6672B043EE5");
    let r = unhex("41AA28D2F1AB148280CD9ED56FEDA41974053554A42767B83AD043FD39DC0493");
    let s = unhex("01456C64BA4642A1653C235A98A60249BCD6D3F746B631DF928014F6C5BF9C40");

    let parameters = GostParameterSet::Test256.oid().to_der().expect("encodes");
    let point = [x, y].concat();
    let wrapped = [&[0x04, 0x40][..], &point].concat();
    let key = PublicKey::from_gost(&parameters, &point).expect("a sound key");
    assert_eq!(PublicKey::from_gost(&parameters, &wrapped), Ok(key.clone()));
    assert_eq!(PublicKey::from_spki_der(key.spki_der()), Ok(key.clone()));

    let usual = [s, r].concat();
    key.verify_digest(Scheme::Gost256, &digest, &usual)
        .expect("it is right");
    let turned: Vec<u8> = usual.iter().rev().copied().collect();
    key.verify_digest(Scheme::GostKz256, &digest, &turned)
        .expect("it is right");
    assert!(
        key.verify_digest(Scheme::GostKz256, &digest, &usual)
            .is_err()
    );
    assert!(
        key.verify_digest(Scheme::Gost256, &digest, &turned)
            .is_err()
    );
    for at in [0, 32] {
        let mut zero = usual.clone();
        zero[at..at + 32].fill(0);
        assert!(key.verify_digest(Scheme::Gost256, &digest, &zero).is_err());
    }
    for wrong in [&usual[..63], &[&usual[..], &[0]].concat(), &[]] {
        assert!(key.verify_digest(Scheme::Gost256, &digest, wrong).is_err());
    }
}

/// Public keys of twelve parameter sets as OpenSSL's engine writes them, which names the digest with
/// every one.
#[test]
fn keys_are_written_by_rfc_9215_however_they_were_read() {
    let pem = fs::read_to_string(path("gost/public_keys.pem")).expect("it is there");
    let blocks = pem.split_inclusive("-----END PUBLIC KEY-----\n");
    let mut seen = Vec::new();
    for block in blocks {
        let key = PublicKey::from_pem(block).expect("a sound key");
        let (KeyType::Gost256(set) | KeyType::Gost512(set)) = key.key_type() else {
            panic!("{:?}", key.key_type())
        };
        let written = SubjectPublicKeyInfoRef::from_der(key.spki_der()).expect("DER");
        let parameters = written
            .algorithm
            .parameters
            .expect("there are some")
            .value();
        let set_oid = set.oid().to_der().expect("encodes");
        assert!(parameters.starts_with(&set_oid));
        // RFC 9215 section 4.2: with the sets of 2001, and with no other.
        let digest = &parameters[set_oid.len()..];
        match set.oid().to_string().starts_with("1.2.643.2.2.") {
            true => {
                let streebog = DigestAlgorithm::Streebog256
                    .oid()
                    .to_der()
                    .expect("encodes");
                assert_eq!(digest, streebog, "{set}");
            }
            false => assert!(digest.is_empty(), "{set}"),
        }
        assert_eq!(PublicKey::from_spki_der(key.spki_der()), Ok(key.clone()));

        // As a token has it.
        let bits = written.subject_public_key.raw_bytes();
        let point = &bits[bits.len() - 2 * set.field_len()..];
        assert_eq!(PublicKey::from_gost(&set_oid, bits), Ok(key.clone()));
        assert_eq!(PublicKey::from_gost(&set_oid, point), Ok(key.clone()));
        for twin in GostParameterSet::ALL {
            let other = PublicKey::from_gost(&twin.oid().to_der().expect("encodes"), point);
            let is_twin = TWINS
                .iter()
                .any(|twins| twins.contains(&set) && twins.contains(twin));
            assert_eq!(
                other.is_ok_and(|other| other == key),
                is_twin || set == *twin,
                "{twin}"
            );
        }
        for damaged in [0, point.len() / 2, point.len() - 1] {
            let off = PublicKey::from_gost(&set_oid, &flipped(point, damaged));
            assert!(off.is_err(), "{set}");
        }
        seen.push(set);
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

/// The same curve by several names.
const TWINS: [&[GostParameterSet]; 3] = [
    &[
        GostParameterSet::CryptoProA,
        GostParameterSet::CryptoProXchA,
        GostParameterSet::Tc26B256,
    ],
    &[GostParameterSet::CryptoProB, GostParameterSet::Tc26C256],
    &[
        GostParameterSet::CryptoProC,
        GostParameterSet::CryptoProXchB,
        GostParameterSet::Tc26D256,
    ],
];

/// A digest that does not go with the key makes it one that nothing is verified with.
#[test]
fn parameters_that_make_no_sense() {
    let pem = fs::read_to_string(path("gost/public_keys.pem")).expect("it is there");
    let key = PublicKey::from_pem(&pem).expect("a sound key");
    let with = |from: ObjectIdentifier, to: ObjectIdentifier| {
        let (from, to) = (
            from.to_der().expect("encodes"),
            to.to_der().expect("encodes"),
        );
        let spki = key.spki_der();
        let at = spki
            .windows(from.len())
            .position(|window| window == from)
            .expect("it is there");
        let changed = [&spki[..at], &to, &spki[at + from.len()..]].concat();
        PublicKey::from_spki_der(&changed)
            .expect("DER as before")
            .key_type()
    };
    let (short, long) = (
        DigestAlgorithm::Streebog256.oid(),
        DigestAlgorithm::Streebog512.oid(),
    );
    assert!(matches!(with(short, long), KeyType::Other(_)));
    let set = GostParameterSet::CryptoProA.oid();
    let unknown = ObjectIdentifier::new_unwrap("1.2.643.2.2.35.9");
    assert!(matches!(with(set, unknown), KeyType::Other(_)));
}

const KAZAKH_TIME: u64 = 1_664_319_600; // 2022-09-28

/// A person's documents, and the authority above: the test authority of Kazakhstan has issued them all.
fn kazakh(document: &[u8], content: Option<&[u8]>) -> Report {
    let authority = certificate("kazakhstan/authority.cer");
    let mut trust = Trust::new();
    trust.anchor(&authority);
    let mut check = cms::verify(Cursor::new(document)).trust(&trust);
    check = check.at(SystemTime::UNIX_EPOCH + Duration::from_secs(KAZAKH_TIME));
    if let Some(content) = content {
        check = check.content(content);
    }
    check.check().expect("a document that can be read")
}

#[test]
fn documents_of_kazakhstan() {
    let read = |name: &str| fs::read(path(name)).expect("it is there");
    let attached = read("kazakhstan/attached.p7s");
    let detached = read("kazakhstan/detached.p7s");
    for (document, content) in [(&attached, None), (&detached, Some(&b"test123"[..]))] {
        let report = kazakh(document, content);
        // The other signer is of another authority, with RSA.
        let signer = &report.signers()[0];
        assert_eq!(signer.verdict(), Verdict::Valid, "{report}");
        assert_eq!(signer.scheme(), Some(Scheme::GostKz512));
        let key = signer
            .certificate()
            .expect("it is there")
            .public_key()
            .expect("known");
        assert_eq!(key.key_type(), KeyType::Gost512(GostParameterSet::Tc26A512));
        let refused = key.verify(Scheme::Gost512, b"", signer.signature());
        assert!(matches!(
            refused,
            Err(Error::Verify(VerifyError::SchemeForbidden { .. }))
        ));

        let at = document
            .windows(16)
            .position(|window| signer.signature().starts_with(window));
        let report = kazakh(&flipped(document, at.expect("it is in there")), content);
        assert_eq!(report.signers()[0].signature_is_right(), Some(false));
    }
    let report = kazakh(&detached, Some(b"test124"));
    assert_eq!(report.signers()[0].digest_is_right(), Some(false));
}

/// A revocation list by the same key.
#[test]
fn a_revocation_list_of_kazakhstan() {
    let authority = certificate("kazakhstan/authority.cer");
    let der = fs::read(path("kazakhstan/authority.crl")).expect("it is there");
    let list = x509_cert::crl::CertificateList::<x509_cert::certificate::Rfc5280>::from_der(&der);
    let list = list.expect("a revocation list");
    let key = authority.public_key().expect("a sound key");
    let scheme = Scheme::from_algorithm_identifier(&list.signature_algorithm, &key.key_type());
    assert_eq!(scheme, Ok(Scheme::GostKz512));
    let signed = list.tbs_cert_list.to_der().expect("encodes");
    let signature = list.signature.raw_bytes();
    key.verify(Scheme::GostKz512, &signed, signature)
        .expect("it is right");
    assert!(
        key.verify(Scheme::GostKz512, &flipped(&signed, 9), signature)
            .is_err()
    );

    let mut trust = Trust::new();
    trust.anchor(&authority);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(KAZAKH_TIME);
    let itself = trust.check(&authority, &[], Purpose::Any, time);
    itself.expect("an anchor is trusted");
}

/// What the example prints of certificates with national attributes and keys of GOST, on a token that
/// has no more of them.
#[test]
fn whose_certificates_they_are_is_listed() {
    let detached = fs::read(path("kazakhstan/detached.p7s")).expect("it is there");
    let report = kazakh(&detached, Some(b"test123"));
    let person = report.signers()[0]
        .certificate()
        .expect("it is there")
        .clone();
    let company = certificate("gost/company.cer");
    let bench = SoftHsm::start();
    bench.token("gost", |token| {
        token.certificate(company.der(), "company", &[1]);
        token.certificate(person.der(), "person", &[2]);
    });
    let output = Command::new(example("list"))
        .args(["--token", "gost"])
        .envs(bench.environment())
        .output()
        .expect("it runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    for wanted in [
        "GOST-512 (tc26-512-A)",
        "ООО Ромашка",
        "INN 500100732259",
        "INNLE 7707083893",
        "OGRN 1027700132195",
        "SNILS 11223344595",
        "ТЕСТТОВ ТЕСТТ",
        "IIN 123456789012",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}
