//! Our own documents, checked by us: every scheme and form, and what is added to a document.

#[path = "support/documents.rs"]
mod documents;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs::{self, File};
use std::path::Path;

use ::cms::content_info::ContentInfo;
use ::cms::signed_data::{SignedData, SignerInfos};
use der::asn1::{Any, OctetString};
use der::{Decode, Encode};
use documents::{CONTENT, Case, Desk, Form};
use keyfob::Scheme;
use keyfob::cms::{self, Report, Verdict};
use keyfob::trust::Trust;

fn check(case: &Case, document: &Path, trust: &Trust) -> Report {
    let file = |path: &Path| File::open(path).expect("it is there");
    let mut check = cms::verify(file(document)).trust(trust);
    if case.form == Form::Detached {
        check = check.content(file(&case.content));
    }
    check.check().expect("a document that can be read")
}

#[test]
fn every_scheme_form_and_number_of_signers() {
    let desk = Desk::new("checked");
    let mut trust = Trust::new();
    trust.anchors_from(&desk.ca).expect("a certificate");
    for case in desk.all() {
        let what = format!("{} {:?} {}", case.scheme, case.form, case.signers);
        let report = check(&case, &case.document, &trust);
        assert_eq!(report.verdict(), Verdict::Valid, "{what}: {report}");
        assert_eq!(report.signers().len(), case.signers, "{what}");
        for signer in report.signers() {
            assert_eq!(signer.scheme(), Some(case.scheme), "{what}");
            assert!(
                signer.is_cades() && signer.warnings().is_empty(),
                "{what}: {report}"
            );
            assert!(signer.claimed_time().is_some(), "{what}");
        }
        let changed = case.with_changed_content();
        let report = check(&changed, &changed.document, &trust);
        assert_eq!(report.verdict(), Verdict::Invalid, "{what}: {report}");
        let forged = case.with_changed_signature();
        let report = check(&forged, &forged.document, &trust);
        assert_eq!(report.verdict(), Verdict::Invalid, "{what}: {report}");
        if case.form != Form::Detached {
            let mut content = Vec::new();
            let report = check(&case, &case.document, &trust);
            let again = File::open(&case.document).expect("it is there");
            report.extract(again, &mut content).expect("it is valid");
            assert_eq!(content, fs::read(&case.content).expect("it is there"));
        }
    }
}

/// A signer without attributes signs the content itself, and with Ed25519 not a digest of it (RFC 8419
/// section 3).
#[test]
fn ed25519_of_the_content_itself() {
    let desk = Desk::new("bare");
    let me = desk.identity("ed25519-1");
    let made = cms::sign(&me).attached().bytes(CONTENT).unwrap();
    let outer = ContentInfo::from_der(&made).unwrap();
    let mut signed: SignedData = outer.content.decode_as().unwrap();
    let mut signer = signed.signer_infos.0.get(0).unwrap().clone();
    signer.signed_attrs = None;
    let signature = me.sign(Scheme::Ed25519, CONTENT).unwrap();
    signer.signature = OctetString::new(signature.into_bytes()).unwrap();
    signed.signer_infos = SignerInfos([signer].into_iter().collect::<Vec<_>>().try_into().unwrap());
    let content = Any::encode_from(&signed).unwrap();
    let document = ContentInfo { content, ..outer }.to_der().unwrap();

    let mut trust = Trust::new();
    trust.anchors_from(&desk.ca).unwrap();
    let check = |document: &[u8]| cms::verify(document).trust(&trust).check().unwrap();
    let report = check(&document);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    assert_eq!(report.signers()[0].scheme(), Some(Scheme::Ed25519));
    assert!(!report.signers()[0].is_cades());
    let at = document.windows(5).position(|bytes| bytes == b"seven");
    let mut changed = document.clone();
    changed[at.expect("the content is there")] ^= 1;
    assert_eq!(check(&changed).verdict(), Verdict::Invalid);
}
