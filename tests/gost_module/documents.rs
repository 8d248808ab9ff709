//! Documents that are signed with such keys, checked by keyfob.

use std::fs;

use cryptoki_sys::CKA_VALUE;
use keyfob::cms::{self, Verdict};
use keyfob::trust::Trust;
use keyfob::{Certificate, Error, Scheme};

use crate::bench::{HASHING, bench, both, certificate, identity, key, offer, scheme, unlocked};
use crate::gost::Set;
use crate::softhsm::{Leaf, SoftHsm, ca};

const CONTENT: &[u8] = b"I owe you a hundred roubles.\n";
const OTHER: &[u8] = b"I owe you a hundred dollars.\n";

fn trust(bench: &SoftHsm) -> Trust {
    let path = bench.folder().join("ca.der");
    fs::write(&path, ca()).unwrap();
    let mut trust = Trust::new();
    trust.anchors_from(&path).unwrap();
    trust
}

#[track_caller]
fn check(document: &[u8], content: Option<&[u8]>, trust: &Trust, scheme: Scheme) -> Verdict {
    let mut check = cms::verify(document).trust(trust);
    if let Some(content) = content {
        check = check.content(content);
    }
    let report = check.check().unwrap();
    let [signer] = report.signers() else {
        panic!("{report}");
    };
    assert_eq!(signer.scheme(), Some(scheme), "{report}");
    assert!(signer.is_cades(), "{report}");
    report.verdict()
}

#[test]
fn detached_and_attached() {
    let (bench, fault) = bench();
    let trust = trust(&bench);
    for manners in ["", "swapped"] {
        fault.gost(manners);
        let fob = unlocked();
        for set in both() {
            let (me, scheme) = (identity(&fob, set), scheme(set));
            let detached = cms::sign(&me).detached().bytes(CONTENT).unwrap();
            let verdict = |content| check(&detached, Some(content), &trust, scheme);
            assert_eq!(verdict(CONTENT), Verdict::Valid);
            assert_eq!(verdict(OTHER), Verdict::Invalid);

            let mut attached = cms::sign(&me).attached().bytes(CONTENT).unwrap();
            let verdict = |document: &[u8]| check(document, None, &trust, scheme);
            assert_eq!(verdict(&attached), Verdict::Valid);
            *attached.last_mut().unwrap() ^= 1;
            assert_eq!(verdict(&attached), Verdict::Invalid);
        }
    }
}

/// Whatever the content's length, what is signed are the attributes.
#[test]
fn by_a_token_that_only_hashes_by_itself() {
    let (bench, fault) = bench();
    let trust = trust(&bench);
    offer(&fault, &HASHING);
    let fob = unlocked();
    for set in both() {
        let me = identity(&fob, set);
        let detached = cms::sign(&me).detached().reader(CONTENT).unwrap();
        let verdict = check(&detached, Some(CONTENT), &trust, scheme(set));
        assert_eq!(verdict, Verdict::Valid);
    }
}

#[test]
fn of_signers_with_different_digests() {
    let (bench, _fault) = bench();
    let trust = trust(&bench);
    let fob = unlocked();
    let [ann, bob] = both().map(|set| identity(&fob, set));
    let together = cms::sign(&ann).and(&bob).detached().bytes(CONTENT).unwrap();
    let first = cms::sign(&ann).detached().bytes(CONTENT).unwrap();
    let one_by_one = cms::sign(&bob).cosign(&first).unwrap();
    for document in [together, one_by_one.bytes(CONTENT).unwrap()] {
        let check = |content| {
            let check = cms::verify(&document[..]).trust(&trust).content(content);
            check.check().unwrap()
        };
        let report = check(CONTENT);
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
        assert_eq!(report.signers().len(), 2);
        assert_eq!(check(OTHER).verdict(), Verdict::Invalid);
    }
}

/// The certificate says by whose standard its key signs.
#[test]
fn of_kazakhstan() {
    let (bench, fault) = bench();
    let trust = trust(&bench);
    let sets = [
        (Set::named(256, "TCA"), "06", Scheme::GostKz256),
        (Set::named(512, "A"), "0a", Scheme::GostKz512),
    ];
    for (set, id, _) in sets {
        let spki = set.kazakh_spki(&key(set).public());
        let certificate = Leaf::new("CN=Of Kazakhstan").issue(&spki);
        let of = format!("class=1 id=hex:{id}");
        fault.replace_attribute(CKA_VALUE, &of, &certificate);
    }
    let fob = unlocked();
    for (set, _, kazakh) in sets {
        let me = identity(&fob, set);
        let document = cms::sign(&me).attached().bytes(CONTENT).unwrap();
        let verdict = check(&document, None, &trust, kazakh);
        assert_eq!(verdict, Verdict::Valid);
        let of_russia = cms::Signer::new(&me).scheme(scheme(set));
        let refused = cms::sign(of_russia).attached().bytes(CONTENT);
        use cms::SignDocumentError::SchemeForbidden;
        let is_forbidden = matches!(refused, Err(Error::SignDocument(SchemeForbidden { .. })));
        assert!(is_forbidden, "{refused:?}");
    }
}

#[test]
fn with_a_certificate_that_the_token_does_not_have() {
    let (bench, fault) = bench();
    let trust = trust(&bench);
    fault.command("find hide class=1");
    let fob = unlocked();
    for set in both() {
        let certificate = Certificate::from_der(&certificate(set)).unwrap();
        let me = identity(&fob, set).with_certificate(certificate).unwrap();
        let document = cms::sign(&me).attached().bytes(CONTENT).unwrap();
        let verdict = check(&document, None, &trust, scheme(set));
        assert_eq!(verdict, Verdict::Valid);
    }
}
