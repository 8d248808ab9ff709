//! Documents that are signed once more: by another signer, or over another's signature. What was there
//! stays byte for byte, and OpenSSL accepts what comes of it.

#[path = "support/cms_types.rs"]
mod cms_types;
#[path = "support/documents.rs"]
mod documents;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::process::Command;

use ::cms::signed_data::{SignedData, SignerInfo};
use cms::{SignDocumentError, Signer};
use der::{Decode, Encode};
use documents::{CONTENT, Desk, find};
use keyfob::{DigestAlgorithm, Error, Identity, Scheme, cms};

const COUNTER_SIGNATURE: &str = "1.2.840.113549.1.9.6";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";

#[test]
fn a_detached_document_gets_another_signer() {
    let desk = Desk::new("detached");
    let (ann, bob, eve) = people(&desk);
    let by_ann = cms::sign(&ann).detached().bytes(CONTENT).unwrap();
    let by_both = cms::sign(&bob).cosign(&by_ann).unwrap();
    let by_both = by_both.bytes(CONTENT).unwrap();
    let by_all = cms::sign(Signer::new(&eve).by_key_id())
        .cosign(&by_both)
        .unwrap();
    let by_all = by_all.path(desk.file("content", CONTENT)).unwrap();

    let before = cms_types::signed_data(&by_ann);
    let after = cms_types::signed_data(&by_all);
    assert_eq!((signers(&after), after.version as u8), (3, 3));
    assert_eq!(after.digest_algorithms.len(), 3);
    assert_eq!(after.certificates.as_ref().unwrap().0.len(), 3);
    assert_kept(&before, &by_all);
    accepted(&desk, &by_all, true);

    // The same content by its digests.
    let both = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384];
    let digests = both.map(|algorithm| (algorithm, algorithm.digest(CONTENT)));
    let digests = digests
        .each_ref()
        .map(|(algorithm, digest)| (*algorithm, digest.as_slice()));
    let cosigned = cms::sign(&bob).cosign(&by_ann).unwrap();
    accepted(&desk, &cosigned.digests(&digests).unwrap(), true);
}

#[test]
fn an_attached_document_gets_another_signer_in_der_and_in_ber() {
    let desk = Desk::new("attached");
    let (ann, bob, _) = people(&desk);
    let long: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    for content in [b"", CONTENT, &long] {
        let attached = cms::sign(&ann).attached();
        let der = attached.bytes(content).unwrap();
        let mut ber = Vec::new();
        attached.reader(content, &mut ber).unwrap();
        for by_ann in [&der, &ber] {
            let mut by_both = Vec::new();
            let source = Cursor::new(by_ann);
            cms::sign(&bob)
                .cosign_attached(source, &mut by_both)
                .unwrap();
            assert!(accepted(&desk, &by_both, false) == content);
        }
        let mut by_both = Vec::new();
        cms::sign(&bob)
            .cosign_attached(Cursor::new(&der), &mut by_both)
            .unwrap();
        assert_eq!(signers(&cms_types::signed_data(&by_both)), 2); // which has to be DER
        assert_kept(&cms_types::signed_data(&der), &by_both);
    }
}

#[test]
fn documents_of_openssl_get_another_signer() {
    let desk = Desk::new("openssl");
    let issuer = issuer::Bench::new("cosign");
    let key = issuer.key(keyfob::KeyType::Rsa { bits: 2048 });
    issuer.certificate(&key, Scheme::RsaPkcs1Sha256, &["-subj", "/CN=Ann"]);
    let certificate = issuer.folder.join("certificate.pem");
    let input = desk.file("content", CONTENT);
    let made = |options: &[&str]| {
        let output = desk.folder.join("theirs");
        let mut openssl = Command::new("openssl");
        openssl.args(["cms", "-sign", "-binary", "-in"]).arg(&input);
        openssl.args(options).arg("-signer").arg(&certificate);
        openssl.arg("-inkey").arg(&key).arg("-out").arg(&output);
        assert!(openssl.status().unwrap().success());
        fs::read(output).unwrap()
    };
    // Both authorities are trusted.
    let trusted = [fs::read(&desk.ca).unwrap(), fs::read(&certificate).unwrap()].concat();
    fs::write(&desk.ca, trusted).unwrap();
    let me = desk.identity("p384-1");

    for options in [
        &["-outform", "DER"][..],
        &["-outform", "PEM"],
        &["-outform", "DER", "-cades"],
    ] {
        let theirs = made(options);
        let ours = cms::sign(&me)
            .cosign(&theirs)
            .unwrap()
            .bytes(CONTENT)
            .unwrap();
        assert_eq!(signers(&cms_types::signed_data(&ours)), 2);
        accepted(&desk, &ours, true);
    }
    for options in [
        &["-nodetach", "-outform", "DER"][..],
        &["-nodetach", "-outform", "DER", "-stream"],
        &["-nodetach", "-outform", "PEM", "-stream"],
    ] {
        let theirs = Cursor::new(made(options));
        let mut ours = Vec::new();
        cms::sign(&me).cosign_attached(theirs, &mut ours).unwrap();
        assert_eq!(accepted(&desk, &ours, false), CONTENT);
    }
}

#[test]
fn a_signature_gets_a_signature() {
    let desk = Desk::new("counter");
    let (ann, bob, notary) = people(&desk);
    let made = cms::sign(&ann).and(&bob).detached().bytes(CONTENT).unwrap();
    let before = cms_types::signed_data(&made);

    let one = cms::countersign(&notary).only(1).bytes(&made).unwrap();
    let after = cms_types::signed_data(&one);
    assert!(unsigned_count(&after, 0) == 0 && unsigned_count(&after, 1) == 1);
    let every = cms::countersign(&notary).bytes(&made).unwrap();
    let after = cms_types::signed_data(&every);
    assert_eq!(after.certificates.as_ref().unwrap().0.len(), 3);
    let judge = openssl::Judge::new(&desk.folder, notary.public_key().unwrap());
    for (number, signer) in after.signer_infos.0.iter().enumerate() {
        let original = before.signer_infos.0.get(number).unwrap();
        assert!(unchanged(original, signer));
        let witness = cms_types::unsigned(signer, COUNTER_SIGNATURE);
        let witness = SignerInfo::from_der(&witness).unwrap();
        let attributes = witness.signed_attrs.as_ref().unwrap();
        // RFC 5652 section 11.4: no content type, and the digest is the signature's.
        assert!(
            attributes
                .iter()
                .all(|one| one.oid.to_string() != "1.2.840.113549.1.9.3")
        );
        let digest = DigestAlgorithm::Sha512.digest(signer.signature.as_bytes());
        assert_eq!(cms_types::signed(&witness, MESSAGE_DIGEST)[2..], digest);
        let signed = attributes.to_der().unwrap();
        let signature = witness.signature.as_bytes();
        assert!(judge.accepts(Scheme::EcdsaP521Sha512, &signed, signature));
        assert!(!judge.accepts(Scheme::EcdsaP521Sha512, CONTENT, signature));
    }
    accepted(&desk, &every, true);

    // Once more, beside the first; and an attached document, which goes by.
    let twice = cms::countersign(&ann).bytes(&every).unwrap();
    assert_eq!(unsigned_count(&cms_types::signed_data(&twice), 0), 2);
    accepted(&desk, &twice, true);
    let mut streamed = Vec::new();
    cms::sign(&ann)
        .attached()
        .reader(CONTENT, &mut streamed)
        .unwrap();
    let witnessed = cms::countersign(&notary).bytes(&streamed).unwrap();
    assert_eq!(accepted(&desk, &witnessed, false), CONTENT);

    for number in [2, usize::MAX] {
        let error = cms::countersign(&notary)
            .only(number)
            .bytes(&made)
            .unwrap_err();
        assert!(matches!(
            error,
            Error::SignDocument(SignDocumentError::NoSuchSigner { count: 2 })
        ));
    }
}

#[test]
fn another_content_is_not_signed_into_the_same_document() {
    let desk = Desk::new("other");
    let (ann, bob, _) = people(&desk);
    let by_ann = cms::sign(&ann).detached().bytes(CONTENT).unwrap();
    let cosign = cms::sign(&bob).cosign(&by_ann).unwrap();
    let error = cosign.bytes(b"another content").unwrap_err();
    assert!(
        matches!(error, Error::SignDocument(SignDocumentError::OtherContent)),
        "{error}"
    );
    let attached = cms::sign(&ann).attached().bytes(CONTENT).unwrap();
    let error = cms::sign(&bob).cosign(&attached).unwrap_err();
    assert!(matches!(
        error,
        Error::SignDocument(SignDocumentError::ContentInside)
    ));
    let error = cms::sign(&bob)
        .cosign_attached(Cursor::new(&by_ann), io::sink())
        .unwrap_err();
    assert!(matches!(
        error,
        Error::SignDocument(SignDocumentError::ContentMissing)
    ));
    let at = find(&attached, b"seven").unwrap();
    let mut changed = attached.clone();
    changed[at] ^= 1;
    let error = cms::sign(&bob)
        .cosign_attached(Cursor::new(&changed), io::sink())
        .unwrap_err();
    assert!(matches!(
        error,
        Error::SignDocument(SignDocumentError::OtherContent)
    ));
}

#[test]
fn a_document_that_changes_while_it_is_signed_is_an_error() {
    let desk = Desk::new("changes");
    let (ann, bob, _) = people(&desk);
    let document = cms::sign(&ann).attached().bytes(CONTENT).unwrap();
    let at = find(&document, b"seven").unwrap();
    let mut changed = document.clone();
    changed[at] ^= 1;
    let longer = [&document[..], b"\0"].concat();
    for again in [&changed[..], &longer, &document[..at], b""] {
        let changing = Changing {
            before: Cursor::new(&document),
            after: Cursor::new(again),
            again: false,
        };
        let error = cms::sign(&bob)
            .cosign_attached(changing, io::sink())
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::SignDocument(SignDocumentError::ContentChanged)
            ),
            "{error}"
        );
    }
}

#[test]
fn what_is_no_document_is_told_and_nothing_is_signed() {
    let desk = Desk::new("broken");
    let (ann, bob, _) = people(&desk);
    let document = cms::sign(&ann).detached().bytes(CONTENT).unwrap();
    for length in 0..document.len() {
        let cut = &document[..length];
        assert!(cms::sign(&bob).cosign(cut).is_err(), "{length}");
        assert!(cms::countersign(&bob).bytes(cut).is_err(), "{length}");
    }
    let error = cms::sign(&bob).cosign(b"neither").unwrap_err();
    assert!(
        matches!(error, Error::SignDocument(SignDocumentError::Document(_))),
        "{error}"
    );
}

/// Revocation lists, unsigned attributes and certificates of a kind that nobody here knows.
#[test]
fn what_is_not_understood_is_kept() {
    let desk = Desk::new("kept");
    let (ann, bob, notary) = people(&desk);
    let document = cms::sign(&ann).detached().bytes(CONTENT).unwrap();
    let mut parts = cms_types::signed_data(&document);
    let known = parts.certificates.take().unwrap().to_der().unwrap();
    // [2] is an attribute certificate, of which only the tag is looked at; [1] the lists.
    let strange = [0xa2, 3, 0x30, 1, 7];
    let list = [0xa1, 2, 0x30, 0];
    let certificates = [
        &known[2 + usize::from(known[1] >= 0x80) * usize::from(known[1] & 0x7f)..],
        &strange,
    ]
    .concat();
    let infos = parts.signer_infos.to_der().unwrap();
    let inside = [
        parts.version.to_der().unwrap(),
        parts.digest_algorithms.to_der().unwrap(),
        parts.encap_content_info.to_der().unwrap(),
        wrap(0xa0, &certificates),
        list.to_vec(),
        infos.clone(),
    ];
    let oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let explicit = wrap(0xa0, &wrap(0x30, &inside.concat()));
    let whole = wrap(0x30, &[&oid[..], &explicit].concat());

    let cosigned = cms::sign(&bob)
        .cosign(&whole)
        .unwrap()
        .bytes(CONTENT)
        .unwrap();
    let witnessed = cms::countersign(&notary).bytes(&cosigned).unwrap();
    for kept in [&strange[..], &list] {
        assert!(find(&cosigned, kept).is_some() && find(&witnessed, kept).is_some());
    }
    assert!(
        find(
            &cosigned,
            parts
                .signer_infos
                .0
                .get(0)
                .unwrap()
                .to_der()
                .unwrap()
                .as_slice()
        )
        .is_some()
    );
}

fn people(desk: &Desk) -> (Identity, Identity, Identity) {
    (
        desk.identity("p256-1"),
        desk.identity("p384-1"),
        desk.identity("p521-1"),
    )
}

fn signers(document: &SignedData) -> usize {
    document.signer_infos.0.len()
}

fn unsigned_count(document: &SignedData, number: usize) -> usize {
    let signer = document.signer_infos.0.get(number).unwrap();
    signer.unsigned_attrs.as_ref().map_or(0, |all| all.len())
}

/// All but the unsigned attributes.
fn unchanged(before: &SignerInfo, after: &SignerInfo) -> bool {
    let unsigned_attrs = before.unsigned_attrs.clone();
    *before
        == SignerInfo {
            unsigned_attrs,
            ..after.clone()
        }
}

/// That all signers and certificates of a document are in another, byte for byte.
fn assert_kept(before: &SignedData, after: &[u8]) {
    let certificates = before.certificates.as_ref().unwrap().0.iter();
    let certificates = certificates.map(|one| one.to_der().unwrap());
    let signers = before
        .signer_infos
        .0
        .iter()
        .map(|one| one.to_der().unwrap());
    for part in certificates.chain(signers) {
        assert!(find(after, &part).is_some());
    }
}

/// Has OpenSSL accept a document; returns the content.
#[track_caller]
fn accepted(desk: &Desk, document: &[u8], detached: bool) -> Vec<u8> {
    let document = desk.file("accepted.p7s", document);
    let content = desk.file("accepted.content", CONTENT);
    let mut openssl = Command::new("openssl");
    openssl
        .args(["cms", "-verify", "-binary", "-inform", "DER", "-in"])
        .arg(document);
    if detached {
        openssl.arg("-content").arg(content);
    }
    openssl.args(["-purpose", "any", "-CAfile"]).arg(&desk.ca);
    let output = openssl
        .output()
        .expect("openssl runs; ./softhsm-setup.sh installs it");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u32).to_be_bytes();
    [&[tag, 0x84][..], &length, contents].concat()
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
