//! Documents that keyfob signs, judged by OpenSSL; and what is refused.

#[path = "support/cms_types.rs"]
mod cms_types;
#[path = "support/documents.rs"]
mod documents;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ::cms::signed_data::SignerIdentifier;
use cms::{Encoding, SignDocumentError, Signer};
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use documents::{CONTENT, Case, Desk, Form, find};
use keyfob::{Certificate, DigestAlgorithm, Error, Scheme, SignError, cms};
use softhsm::{Kind, SoftHsm};
use x509_cert::time::Time;

const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const SIGNING_TIME: &str = "1.2.840.113549.1.9.5";
const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

#[test]
fn openssl_accepts_every_document_and_refuses_a_changed_byte() {
    let desk = Desk::new("all");
    for case in desk.all() {
        let name = case.name();
        if case.scheme == Scheme::Ed25519 {
            continue; // before OpenSSL 3.2; see below
        }
        for options in [&[][..], &["-cades"]] {
            let verified = verify(&desk, &case, options);
            assert!(
                verified.status.success(),
                "{name} {options:?}: {verified:?}"
            );
            assert!(verified.stdout == CONTENT, "{name}");
        }
        for (changed, by_content) in [
            (case.with_changed_content(), true),
            (case.with_changed_signature(), false),
        ] {
            let refused = verify(&desk, &changed, &[]);
            let said = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success(), "{name}");
            // The one reason or the other, and not that it could not be read.
            assert!(said.contains("CMS Verification failure"), "{name}: {said}");
            let content = said.contains("content verify error");
            assert_eq!(content, by_content, "{name}: {said}");
        }
    }
}

/// OpenSSL before 3.2 does not verify Ed25519 in CMS. It does verify what is signed: the attributes, as
/// a SET.
#[test]
fn ed25519_signs_the_attributes_whole() {
    let desk = Desk::new("ed25519");
    let me = desk.identity("ed25519-1");
    let p7s = cms::sign(&me).detached().bytes(CONTENT).unwrap();
    let document = cms_types::signed_data(&p7s);
    let signer = document.signer_infos.0.get(0).unwrap();
    // RFC 8419 section 3.1: the digest is SHA-512.
    assert_eq!(signer.digest_alg.oid, DigestAlgorithm::Sha512.oid());
    let digest = DigestAlgorithm::Sha512.digest(CONTENT);
    assert_eq!(cms_types::signed(signer, MESSAGE_DIGEST)[2..], digest);
    let attributes = signer.signed_attrs.as_ref().unwrap().to_der().unwrap();
    let signature = signer.signature.as_bytes();
    let judge = openssl::Judge::new(&desk.folder, me.public_key().unwrap());
    assert!(judge.accepts(Scheme::Ed25519, &attributes, signature));
    assert!(!judge.accepts(Scheme::Ed25519, CONTENT, signature));
}

#[test]
fn signers_of_different_kinds_and_digests_sign_one_document() {
    let desk = Desk::new("mixed");
    let [ann, bob, eve] = ["rsa-1", "p384-1", "p521-2"].map(|label| desk.identity(label));
    let pss = Signer::new(&ann).scheme(Scheme::RsaPssSha256);
    let p7s = cms::sign(pss)
        .and(&bob)
        .and(&eve)
        .attached()
        .bytes(CONTENT)
        .unwrap();
    let document = cms_types::signed_data(&p7s);
    assert_eq!(document.signer_infos.0.len(), 3);
    assert_eq!(document.digest_algorithms.len(), 3);
    assert_eq!(document.certificates.unwrap().0.len(), 3);
    accepted(&desk, &p7s, &[]);
}

#[test]
fn contents_of_every_length_from_readers_of_every_kind() {
    let desk = Desk::new("lengths");
    let me = desk.identity("p256-1");
    for length in [0, 1, 255, 65_536, 262_144, 1_000_000] {
        let content: Vec<u8> = (0..length).map(|i: u32| (i % 251) as u8).collect();
        let path = desk.file("long", &content);
        let signing = || cms::sign(Signer::new(&me).without_signing_time());
        let mut streamed = Vec::new();
        let drips = Drips(&content);
        signing().attached().reader(drips, &mut streamed).unwrap();
        let mut der = Vec::new();
        signing().attached().path(&path, &mut der).unwrap();
        assert!(content.is_empty() || find(&der, &content).is_some());
        for document in [&streamed, &der] {
            assert!(accepted(&desk, document, &[]) == content, "{length}");
        }
        let p7s = signing().detached().reader(Drips(&content)).unwrap();
        let content = path.to_str().unwrap();
        accepted(&desk, &p7s, &["-content", content]);
    }
}

#[test]
fn a_reader_is_signed_from_where_it_stands() {
    let desk = Desk::new("position");
    let me = desk.identity("p256-1");
    let mut content = Cursor::new(
        b"passed over"
            .iter()
            .chain(CONTENT)
            .copied()
            .collect::<Vec<_>>(),
    );
    content.set_position(b"passed over".len() as u64);
    let mut document = Vec::new();
    cms::sign(&me)
        .attached()
        .seekable(content, &mut document)
        .unwrap();
    assert_eq!(accepted(&desk, &document, &[]), CONTENT);
}

#[test]
fn what_is_signed_beside_the_content() {
    let desk = Desk::new("attributes");
    let me = desk.identity("p384-2");
    let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    // A content-hint, and a private attribute with two values in the wrong order.
    let hint = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.4");
    let private = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1");
    let value = b"\x30\x14\x0c\x07invoice\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
    let signer = Signer::new(&me)
        .signing_time(time)
        .attribute(hint, &[value])
        .attribute(private, &[&[2, 1, 7], &[2, 1, 5]])
        .unsigned_attribute(private, &[&[5, 0]]);
    let p7s = cms::sign(signer).attached().bytes(CONTENT).unwrap();
    accepted(&desk, &p7s, &["-cades"]);

    let document = cms_types::signed_data(&p7s);
    let signer = document.signer_infos.0.get(0).unwrap();
    assert_eq!(cms_types::signed(signer, &hint.to_string()), value);
    assert_eq!(cms_types::unsigned(signer, &private.to_string()), [5, 0]);
    let told = Time::from_der(&cms_types::signed(signer, SIGNING_TIME)).unwrap();
    assert_eq!(told.to_system_time(), time);
    // SEQUENCE { SEQUENCE OF { ESSCertIDv2 { digestAlgorithm, certHash, issuerSerial } } }
    let certificate = me.certificate().unwrap();
    let digest = DigestAlgorithm::Sha384.digest(certificate.der());
    let id = cms_types::signed(signer, SIGNING_CERTIFICATE_V2);
    assert!(find(&id, &digest).is_some());

    let silent = Signer::new(&me).without_signing_time();
    let p7s = cms::sign(silent).attached().bytes(CONTENT).unwrap();
    let signer = &cms_types::signed_data(&p7s).signer_infos.0;
    let attributes = signer.get(0).unwrap().signed_attrs.as_ref().unwrap();
    assert!(
        attributes
            .iter()
            .all(|one| one.oid.to_string() != SIGNING_TIME)
    );
    // What says nothing of the time and is signed alike is the same, but for the signature.
    accepted(&desk, &p7s, &["-cades"]);
}

#[test]
fn attributes_that_cannot_stand_are_refused_before_anything_is_signed() {
    let desk = Desk::new("refused-attributes");
    let me = desk.identity("p256-1");
    let private = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1");
    let digest = MESSAGE_DIGEST.parse().unwrap();
    let stamp = "1.2.840.113549.1.9.16.2.14".parse().unwrap();
    let null: &[&[u8]] = &[&[5, 0]];
    for (signer, word) in [
        (Signer::new(&me).attribute(digest, null), "made here"),
        (
            Signer::new(&me).unsigned_attribute(stamp, null),
            "made here",
        ),
        (Signer::new(&me).attribute(private, &[]), "no value"),
        (
            Signer::new(&me).attribute(private, &[&[5]]),
            "one DER encoding",
        ),
        (
            Signer::new(&me).attribute(private, &[&[5, 0, 5, 0]]),
            "one DER encoding",
        ),
        (
            Signer::new(&me)
                .attribute(private, null)
                .attribute(private, null),
            "twice",
        ),
    ] {
        let error = cms::sign(signer).detached().reader(Unread).unwrap_err();
        assert!(
            matches!(
                error,
                Error::SignDocument(SignDocumentError::Attribute { .. })
            ),
            "{error}"
        );
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

#[test]
fn the_signer_is_named_and_the_certificates_are_there_as_asked() {
    let desk = Desk::new("certificates");
    let me = desk.identity("p256-1");
    let own = me.certificate().unwrap();
    let ca = Certificate::read(&desk.ca).unwrap();
    let made = |signer| {
        let p7s = cms::sign(signer).attached().bytes(CONTENT).unwrap();
        let document = cms_types::signed_data(&p7s);
        let certificates = document.certificates.iter().flat_map(|set| set.0.iter());
        let certificates: Vec<_> = certificates.map(|one| one.to_der().unwrap()).collect();
        let signer = document.signer_infos.0.get(0).unwrap();
        let by_key = matches!(signer.sid, SignerIdentifier::SubjectKeyIdentifier(_));
        (p7s, certificates, by_key, document.version as u8)
    };

    let (_, certificates, by_key, version) = made(Signer::new(&me));
    assert_eq!(
        (certificates, by_key, version),
        (vec![own.der().to_vec()], false, 1)
    );

    let (p7s, certificates, ..) = made(Signer::new(&me).chain(&[ca.clone(), own.clone()]));
    let mut both = vec![own.der().to_vec(), ca.der().to_vec()];
    both.sort();
    assert_eq!(certificates, both);
    accepted(&desk, &p7s, &[]);

    let (p7s, certificates, ..) = made(Signer::new(&me).without_certificate());
    assert!(certificates.is_empty());
    let refused = openssl_verify(&desk, &desk.file("bare.p7s", &p7s), &[]);
    assert!(!refused.status.success());
    let known = desk.file("own.pem", own.to_pem().as_bytes());
    accepted(&desk, &p7s, &["-certfile", known.to_str().unwrap()]);

    // RFC 5652 section 5.1: version 3 where a signer is named by its key identifier.
    let (p7s, _, by_key, version) = made(Signer::new(&me).by_key_id());
    assert_eq!((by_key, version), (true, 3));
    accepted(&desk, &p7s, &["-cades"]);
}

#[test]
fn documents_as_text() {
    let desk = Desk::new("text");
    let me = desk.identity("p256-1");
    let content = desk.file("content", CONTENT);
    let content = ["-content", content.to_str().unwrap()];
    let sign = |encoding| cms::sign(&me).encoding(encoding);

    let pem = sign(Encoding::Pem).detached().bytes(CONTENT).unwrap();
    assert!(pem.starts_with(b"-----BEGIN CMS-----\n"));
    let path = desk.file("document.pem", &pem);
    let verified = openssl_verify(&desk, &path, &[&content[..], &["-inform", "PEM"]].concat());
    assert!(verified.status.success(), "{verified:?}");
    let mut pem = Vec::new();
    sign(Encoding::Pem)
        .attached()
        .reader(CONTENT, &mut pem)
        .unwrap();
    let path = desk.file("document.pem", &pem);
    let verified = openssl_verify(&desk, &path, &["-inform", "PEM"]);
    assert_eq!(verified.stdout, CONTENT, "{verified:?}");

    let base64 = sign(Encoding::Base64).detached().bytes(CONTENT).unwrap();
    let path = desk.file("document.b64", &base64);
    let decoded = Command::new("openssl")
        .args(["base64", "-d", "-in"])
        .arg(path)
        .output();
    accepted(&desk, &decoded.unwrap().stdout, &content);
}

#[test]
fn a_content_that_was_hashed_elsewhere() {
    let desk = Desk::new("digests");
    let content = desk.file("content", CONTENT);
    let content = ["-content", content.to_str().unwrap()];
    let (ann, bob) = (desk.identity("p256-1"), desk.identity("p384-1"));
    let [sha256, sha384] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384];
    let (short, long) = (sha256.digest(CONTENT), sha384.digest(CONTENT));
    let both = cms::sign(&ann).and(&bob).detached();
    let p7s = both.digests(&[(sha256, &short), (sha384, &long)]).unwrap();
    accepted(&desk, &p7s, &content);

    let missing = both.digests(&[(sha256, &short)]).unwrap_err();
    assert!(missing.to_string().contains("SHA-384"), "{missing}");
    let wrong = both
        .digests(&[(sha256, &short), (sha384, &short)])
        .unwrap_err();
    assert!(matches!(
        wrong,
        Error::SignDocument(SignDocumentError::DigestLength { found: 32, .. })
    ));
}

#[test]
fn a_file_that_changes_while_it_is_signed_is_an_error() {
    let desk = Desk::new("changes");
    let me = desk.identity("p256-1");
    let long = vec![7; 1_000_000];
    for (before, after) in [
        (CONTENT, &CONTENT[1..]),
        (&CONTENT[1..], CONTENT),
        (b"one content", b"two content"),
        (&long, &long[1..]),
        (&long[1..], &long),
        (&long, &[&long[1..], b"8"].concat()),
    ] {
        let changing = Changing {
            before: Cursor::new(before),
            after: Cursor::new(after),
            again: false,
        };
        let error = cms::sign(&me).attached().seekable(changing, io::sink());
        assert!(matches!(
            error,
            Err(Error::SignDocument(SignDocumentError::ContentChanged))
        ));
    }
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let desk = Desk::new("io");
    let me = desk.identity("p256-1");
    let missing = Path::new("/no/such/file");
    let (detached, attached) = (cms::sign(&me).detached(), cms::sign(&me).attached());
    for error in [
        detached.path(missing).unwrap_err(),
        attached.path(missing, io::sink()).unwrap_err(),
        detached.path(&desk.folder).unwrap_err(), // a folder opens, and is not read
    ] {
        let named = [missing, &desk.folder].map(|path| path.display().to_string());
        assert!(
            named.iter().any(|name| error.to_string().contains(name)),
            "{error}"
        );
    }
    let error = detached.reader(Unread).unwrap_err();
    assert!(matches!(
        error,
        Error::SignDocument(SignDocumentError::Read(_))
    ));
    for length in [10, 10_000_000] {
        let full = Full(100);
        let content = vec![7; length];
        let error = attached.reader(content.as_slice(), full).unwrap_err();
        assert!(matches!(
            error,
            Error::SignDocument(SignDocumentError::Write(_))
        ));
        let error = attached
            .seekable(Cursor::new(&content), Full(100))
            .unwrap_err();
        assert!(matches!(
            error,
            Error::SignDocument(SignDocumentError::Write(_))
        ));
    }
}

/// Nothing is read for a signer that cannot sign.
#[test]
fn who_cannot_sign_a_document_is_told_first() {
    let bench = SoftHsm::start();
    bench.token("bare", |token| {
        token.key(Kind::P256, "no-certificate", &[1]);
        token.identity(Kind::P256, "no-key-id", &[2]);
    });
    let found = keyfob::Search::new()
        .module(bench.module())
        .named_only()
        .run();
    let token = found.unwrap().select("bare").unwrap();
    let locked = token
        .identities()
        .unwrap()
        .label("no-key-id")
        .only()
        .unwrap();
    let error = cms::sign(&locked).detached().reader(Unread).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Sign {
                reason: SignError::KeyHidden,
                ..
            }
        ),
        "{error}"
    );

    let fob = token.unlock(&softhsm::PIN.into()).unwrap();
    let identity = |label| fob.identities().unwrap().label(label).only().unwrap();
    let bare = identity("no-certificate");
    let error = cms::sign(&bare).detached().reader(Unread).unwrap_err();
    assert!(
        matches!(
            error,
            Error::SignDocument(SignDocumentError::NoCertificate { .. })
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains("object=no-certificate"),
        "{error}"
    );
    let signer = Signer::new(&identity("no-key-id")).by_key_id();
    let error = cms::sign(signer).detached().reader(Unread).unwrap_err();
    assert!(
        matches!(
            error,
            Error::SignDocument(SignDocumentError::NoKeyId { .. })
        ),
        "{error}"
    );
    let signer = Signer::new(&identity("no-key-id")).scheme(Scheme::RsaPssSha256);
    let error = cms::sign(signer).detached().reader(Unread).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Sign {
                reason: SignError::SchemeDoesNotFit { .. },
                ..
            }
        ),
        "{error}"
    );
    let early =
        Signer::new(&identity("no-key-id")).signing_time(UNIX_EPOCH - Duration::from_secs(1));
    let error = cms::sign(early).detached().bytes(CONTENT).unwrap_err();
    assert!(
        matches!(error, Error::SignDocument(SignDocumentError::SigningTime)),
        "{error}"
    );
    assert!(SystemTime::now() > UNIX_EPOCH);
}

fn verify(desk: &Desk, case: &Case, options: &[&str]) -> Output {
    let content = ["-content", case.content.to_str().unwrap()];
    let content = match case.form {
        Form::Detached => &content[..],
        _ => &[],
    };
    openssl_verify(desk, &case.document, &[options, content].concat())
}

/// Has OpenSSL accept a document in DER or BER; returns the content.
#[track_caller]
fn accepted(desk: &Desk, document: &[u8], options: &[&str]) -> Vec<u8> {
    let path = desk.file("accepted.p7s", document);
    let verified = openssl_verify(desk, &path, options);
    assert!(verified.status.success(), "{verified:?}");
    verified.stdout
}

fn openssl_verify(desk: &Desk, document: &PathBuf, options: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command
        .args(["cms", "-verify", "-binary", "-inform", "DER", "-in"])
        .arg(document);
    command
        .args(["-purpose", "any", "-CAfile"])
        .arg(&desk.ca)
        .args(options);
    command
        .output()
        .expect("openssl runs; ./softhsm-setup.sh installs it")
}

/// Gives a few bytes at a time.
struct Drips<'a>(&'a [u8]);

impl Read for Drips<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1_234);
        self.0.read(&mut buffer[..most])
    }
}

/// Nobody gets anything from it.
struct Unread;

impl Read for Unread {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::PermissionDenied.into())
    }
}

/// Has room for so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {
            0 => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

/// Is another when it is read again.
struct Changing<'a> {
    before: Cursor<&'a [u8]>,
    after: Cursor<&'a [u8]>,
    again: bool,
}

impl Read for Changing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.again {
            false => self.before.read(buffer),
            true => self.after.read(buffer),
        }
    }
}

impl Seek for Changing<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.again |= matches!(to, SeekFrom::Start(_));
        match self.again {
            false => self.before.seek(to),
            true => self.after.seek(to),
        }
    }
}
