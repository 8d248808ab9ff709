//! Our own documents, checked by us: every scheme and form, and what is added to a document.

#[path = "support/documents.rs"]
mod documents;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs::{self, File};
use std::path::Path;

use documents::{Case, Desk, Form};
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
