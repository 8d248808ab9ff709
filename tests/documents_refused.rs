//! Bad documents, made one by one: each is refused for its own reason, and for no other.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::sync::LazyLock;

use forge::{
    COUNTER_SIGNATURE, DATA, Document, Forger, MESSAGE_DIGEST, SIGNING_CERTIFICATE_V2, algorithm,
    attribute, content_type, message_digest, oid, sequence, set, signing_certificate, tlv,
    usual_attributes,
};
use issuer::Bench;
use keyfob::cms::{self, Policy, Problem, Report, Verdict, Warning};
use keyfob::trust::{ChainReason, Trust, Weakness};
use keyfob::{Certificate, Curve, DigestAlgorithm, KeyType, Scheme};
use signers::{Authority, Issued, NOT_FOR_SIGNING, Wanted};

const CONTENT: &[u8] = b"I owe you a hundred roubles.";

/// An authority that is trusted, and a signer of its.
struct Desk {
    trust: Trust,
    signer: Forger,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let bench = bench();
    let authority = Authority::new(bench, "The CA");
    let issued = authority.issue("signer", &p256(bench, "signer"), &Wanted::default());
    Desk {
        trust: authority.trust(),
        signer: forger(&issued),
    }
});

fn bench() -> &'static Bench {
    static BENCH: LazyLock<Bench> = LazyLock::new(|| Bench::new("refused"));
    &BENCH
}

fn p256(bench: &Bench, name: &str) -> std::path::PathBuf {
    bench.genpkey(
        name,
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    )
}

fn forger(issued: &Issued) -> Forger {
    Forger::new(&issued.key, &issued.certificate)
}

fn check(document: &[u8]) -> Report {
    let check = cms::verify(document).trust(&DESK.trust);
    check.check().expect("a document that can be read")
}

/// Its one signer is refused for this one reason.
#[track_caller]
fn refused(report: &Report, reason: impl Fn(&Problem) -> bool) {
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    let [signer] = report.signers() else {
        panic!("{report}");
    };
    let [problem] = signer.problems() else {
        panic!("{report}");
    };
    assert!(reason(problem), "{report}");
}

/// With these attributes, signed as they are.
fn with_attributes(attributes: &[Vec<u8>]) -> Report {
    let signer = &DESK.signer;
    let document = Document {
        signers: vec![signer.signer(attributes, &[])],
        ..signer.document(CONTENT)
    };
    check(&document.der())
}

fn usual() -> Vec<Vec<u8>> {
    usual_attributes(CONTENT, &DESK.signer.certificate)
}

/// The usual attributes, without the one of this type.
fn usual_without(name: &str) -> Vec<Vec<u8>> {
    let start = oid(name);
    let mut attributes = usual();
    attributes.retain(|one| !one.windows(start.len()).any(|bytes| bytes == start));
    assert_eq!(attributes.len(), 3);
    attributes
}

#[test]
fn the_good_document_is_valid() {
    let document = DESK.signer.document(CONTENT);
    for bytes in [document.der(), document.ber()] {
        let report = check(&bytes);
        assert_eq!(report.verdict(), Verdict::Valid, "{report}");
        let [signer] = report.signers() else {
            panic!("{report}");
        };
        assert!(signer.is_cades());
        assert!(signer.warnings().is_empty(), "{report}");
        assert_eq!(signer.certificate(), Some(&DESK.signer.certificate));
        assert_eq!(signer.scheme(), Some(Scheme::EcdsaP256Sha256));
        assert_eq!(signer.digest_is_right(), Some(true));
        assert_eq!(signer.signature_is_right(), Some(true));
        assert!(signer.claimed_time().is_some());
        assert!(signer.chain().is_some());
        assert_eq!(report.content_len(), Some(CONTENT.len() as u64));
    }
}

#[test]
fn another_content() {
    let signer = &DESK.signer;
    let changed = Document {
        content: Some(tlv(4, b"I owe you a thousand roubles")),
        ..signer.document(CONTENT)
    };
    let report = check(&changed.der());
    refused(&report, |problem| {
        matches!(problem, Problem::DigestMismatch { .. })
    });
    let one = &report.signers()[0];
    assert_eq!(
        (one.digest_is_right(), one.signature_is_right()),
        (Some(false), Some(true))
    );

    let detached = Document {
        content: None,
        ..signer.document(CONTENT)
    };
    let check = |content: &'static [u8]| {
        let check = cms::verify(detached.der().leak() as &[u8]).trust(&DESK.trust);
        check.content(content).check().expect("it can be read")
    };
    assert_eq!(check(CONTENT).verdict(), Verdict::Valid);
    refused(&check(b""), |problem| {
        matches!(problem, Problem::DigestMismatch { .. })
    });
}

#[test]
fn another_digest_attribute() {
    let mut attributes = usual_without(MESSAGE_DIGEST);
    attributes.push(message_digest(&DigestAlgorithm::Sha256.digest(b"other")));
    // Signed with it: the digest is wrong and the signature right.
    refused(&with_attributes(&attributes), |problem| {
        matches!(problem, Problem::DigestMismatch { .. })
    });

    // Put in afterwards for another content: the digest is right and the signature wrong.
    let signer = &DESK.signer;
    let other = usual_attributes(b"other", &signer.certificate);
    let mut sorted = usual();
    sorted.sort();
    let signature = signer.sign(&set(&sorted));
    let swapped = Document {
        signers: vec![signer.signer_info(Some(&other.concat()), &signature, &[])],
        ..signer.document(b"other")
    };
    let report = check(&swapped.der());
    refused(&report, |problem| {
        matches!(problem, Problem::BadSignature { .. })
    });
    let one = &report.signers()[0];
    assert_eq!(
        (one.digest_is_right(), one.signature_is_right()),
        (Some(true), Some(false))
    );
}

#[test]
fn another_signature() {
    let signer = &DESK.signer;
    let attributes = usual().concat();
    for signature in [signer.sign(b"something else"), vec![0; 70], vec![]] {
        let document = Document {
            signers: vec![signer.signer_info(Some(&attributes), &signature, &[])],
            ..signer.document(CONTENT)
        };
        refused(&check(&document.der()), |problem| {
            matches!(
                problem,
                Problem::BadSignature {
                    scheme: Scheme::EcdsaP256Sha256
                }
            )
        });
    }
}

/// A certificate of another key that has the name and number which the signer gives.
#[test]
fn a_swapped_certificate_of_the_same_issuer_and_serial() {
    let bench = bench();
    let authority = Authority::new(bench, "Swapper");
    let wanted = Wanted {
        serial: Some("0ABC"),
        ..Wanted::default()
    };
    let real = forger(&authority.issue("real", &p256(bench, "real"), &wanted));
    let decoy = forger(&authority.issue("decoy", &p256(bench, "decoy"), &wanted));
    assert_eq!(real.id(), decoy.id());
    let trust = authority.trust();
    let check = |document: &Document| {
        let der = document.der();
        cms::verify(der.as_slice())
            .trust(&trust)
            .check()
            .expect("it can be read")
    };

    let swapped = Document {
        certificates: vec![decoy.certificate.der().to_vec()],
        ..real.document(CONTENT)
    };
    let report = check(&swapped);
    assert_eq!(report.verdict(), Verdict::Invalid);
    let problems = report.signers()[0].problems();
    assert!(
        matches!(
            problems,
            [
                Problem::OtherCertificate { .. },
                Problem::BadSignature { .. }
            ]
        ),
        "{report}"
    );

    // Where nothing but the signature tells them apart.
    let attributes = &usual_attributes(CONTENT, &real.certificate)[..3];
    let plain = Document {
        signers: vec![real.signer(attributes, &[])],
        ..swapped.clone()
    };
    refused(&check(&plain), |problem| {
        matches!(problem, Problem::BadSignature { .. })
    });

    // Both of them there: the right one is found, in either order.
    for plain in [plain, swapped] {
        for certificates in [[&decoy, &real], [&real, &decoy]] {
            let both = Document {
                certificates: certificates
                    .map(|one| one.certificate.der().to_vec())
                    .to_vec(),
                ..plain.clone()
            };
            let report = check(&both);
            assert_eq!(report.verdict(), Verdict::Valid, "{report}");
            assert_eq!(report.signers()[0].certificate(), Some(&real.certificate));
        }
    }
}

/// Another certificate for the same key: the signature is right, and the signer meant another.
#[test]
fn a_swapped_certificate_of_the_same_key() {
    let bench = bench();
    let authority = Authority::new(bench, "Twice");
    let key = p256(bench, "twice");
    let wanted = Wanted {
        serial: Some("0ABC"),
        ..Wanted::default()
    };
    let meant = forger(&authority.issue("meant", &key, &wanted));
    let other = forger(&authority.issue("other", &key, &wanted));
    let document = Document {
        certificates: vec![other.certificate.der().to_vec()],
        ..meant.document(CONTENT)
    };
    let trust = authority.trust();
    let report = cms::verify(document.der().as_slice()).trust(&trust).check();
    let report = report.expect("it can be read");
    refused(&report, |problem| {
        matches!(problem, Problem::OtherCertificate { .. })
    });
    assert_eq!(report.signers()[0].signature_is_right(), Some(true));
}

#[test]
fn another_signing_certificate() {
    let bench = bench();
    let authority = Authority::new(bench, "Another");
    let other = authority.issue("another", &p256(bench, "another"), &Wanted::default());
    let other = Certificate::read(other.certificate).expect("a certificate");
    let mut attributes = usual_without(SIGNING_CERTIFICATE_V2);
    attributes.push(signing_certificate(&other));
    refused(&with_attributes(&attributes), |problem| {
        matches!(problem, Problem::OtherCertificate { .. })
    });

    // The digest is right, issuer and serial number beside it are another's.
    let mut attributes = usual_without(SIGNING_CERTIFICATE_V2);
    let digest = tlv(
        4,
        &DigestAlgorithm::Sha256.digest(DESK.signer.certificate.der()),
    );
    let issuer_serial = sequence(&[&sequence(&[&tlv(0xa4, &sequence(&[]))]), &[2, 1, 1]]);
    let ids = sequence(&[&sequence(&[&sequence(&[&digest, &issuer_serial])])]);
    attributes.push(attribute(SIGNING_CERTIFICATE_V2, &[ids]));
    refused(&with_attributes(&attributes), |problem| {
        matches!(problem, Problem::OtherCertificate { .. })
    });
}

fn chain_reason(report: &Report) -> &ChainReason {
    match report.signers()[0].problems() {
        [Problem::Chain(error)] => &error.reason,
        _ => panic!("{report}"),
    }
}

#[test]
fn certificates_that_do_not_hold() {
    let bench = bench();
    let authority = Authority::new(bench, "Strict");
    let issue = |name: &str, wanted: Wanted<'_>| {
        forger(&authority.issue(name, &p256(bench, name), &wanted))
    };
    let expired = issue(
        "expired",
        Wanted {
            until: "20240601000000Z",
            ..Wanted::default()
        },
    );
    let early = issue(
        "early",
        Wanted {
            from: "20450101000000Z",
            ..Wanted::default()
        },
    );
    let cipher = issue(
        "cipher",
        Wanted {
            extensions: NOT_FOR_SIGNING,
            ..Wanted::default()
        },
    );
    let trust = authority.trust();
    let check = |signer: &Forger| {
        let der = signer.document(CONTENT).der();
        let report = cms::verify(der.as_slice()).trust(&trust).check();
        let report = report.expect("it can be read");
        assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
        report
    };
    let report = check(&expired);
    assert!(matches!(chain_reason(&report), ChainReason::Expired { .. }));
    let report = check(&early);
    assert!(matches!(
        chain_reason(&report),
        ChainReason::NotYetValid { .. }
    ));
    let report = check(&cipher);
    assert!(matches!(
        chain_reason(&report),
        ChainReason::WrongPurpose { .. }
    ));

    // At a time when it was valid, it is.
    let der = expired.document(CONTENT).der();
    let then = expired.certificate.not_before();
    let report = cms::verify(der.as_slice()).trust(&trust).at(then).check();
    assert_eq!(report.expect("it can be read").verdict(), Verdict::Valid);
}

#[test]
fn revoked() {
    let bench = bench();
    let authority = Authority::new(bench, "Revoker");
    let issued = authority.issue("revoked", &p256(bench, "revoked"), &Wanted::default());
    let der = forger(&issued).document(CONTENT).der();
    let trust = authority.trust_with_crl();
    let check = |trust: &Trust| {
        let report = cms::verify(der.as_slice()).trust(trust).check();
        report.expect("it can be read")
    };
    let report = check(&trust);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    authority.revoke(&issued);
    let report = check(&authority.trust_with_crl());
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    assert!(matches!(chain_reason(&report), ChainReason::Revoked { .. }));
}

#[test]
fn another_authority() {
    let bench = bench();
    let wrong = Authority::new(bench, "Wrong CA");
    let der = DESK.signer.document(CONTENT).der();
    let trust = wrong.trust();
    let report = cms::verify(der.as_slice()).trust(&trust).check();
    let report = report.expect("it can be read");
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    assert!(matches!(
        chain_reason(&report),
        ChainReason::NoIssuer { .. }
    ));

    // One that has the same name as the right one, and another key.
    let namesake = Authority::new(&Bench::new("refused-namesake"), "The CA").trust();
    let report = cms::verify(der.as_slice()).trust(&namesake).check();
    let report = report.expect("it can be read");
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");

    // Nobody to trust: that is an open question.
    let report = cms::verify(der.as_slice()).check().expect("it can be read");
    assert_eq!(report.verdict(), Verdict::CouldNotTell);
    assert!(matches!(report.signers()[0].problems(), [Problem::NoTrust]));
}

#[test]
fn nobody_signed() {
    let document = Document {
        signers: vec![],
        ..DESK.signer.document(CONTENT)
    };
    let report = check(&document.der());
    assert_eq!(report.verdict(), Verdict::Invalid);
    assert!(matches!(report.problems(), [Problem::NoSigners]));
}

#[test]
fn attributes_missing_or_twice() {
    for name in ["content-type", "message-digest"] {
        let oid = match name {
            "content-type" => forge::CONTENT_TYPE,
            _ => MESSAGE_DIGEST,
        };
        refused(
            &with_attributes(&usual_without(oid)),
            |problem| matches!(problem, Problem::AttributeMissing { attribute } if *attribute == name),
        );
    }
    let twice = [
        ("content-type", content_type(DATA)),
        (
            "message-digest",
            message_digest(&DigestAlgorithm::Sha256.digest(CONTENT)),
        ),
        ("signing-time", forge::signing_time("240601120001Z")),
        (
            "signing-certificate-v2",
            signing_certificate(&DESK.signer.certificate),
        ),
    ];
    for (name, attribute) in twice {
        let mut attributes = usual();
        attributes.push(attribute);
        refused(
            &with_attributes(&attributes),
            |problem| matches!(problem, Problem::AttributeRepeated { attribute } if *attribute == name),
        );
    }

    // Two values in one attribute are as bad, and none is no better.
    let digest = tlv(4, &DigestAlgorithm::Sha256.digest(CONTENT));
    let mut attributes = usual_without(MESSAGE_DIGEST);
    attributes.push(attribute(MESSAGE_DIGEST, &[tlv(4, b"other"), digest]));
    refused(&with_attributes(&attributes), |problem| {
        matches!(problem, Problem::AttributeRepeated { .. })
    });
    let mut attributes = usual_without(MESSAGE_DIGEST);
    attributes.push(attribute(MESSAGE_DIGEST, &[]));
    refused(&with_attributes(&attributes), |problem| {
        matches!(problem, Problem::AttributeMalformed { .. })
    });
}

#[test]
fn attributes_in_the_wrong_place() {
    let signer = &DESK.signer;
    let unsigned = [content_type(DATA)];
    let document = Document {
        signers: vec![signer.signer(&usual(), &unsigned)],
        ..signer.document(CONTENT)
    };
    refused(&check(&document.der()), |problem| {
        matches!(
            problem,
            Problem::AttributeMisplaced {
                attribute: "content-type"
            }
        )
    });
    let mut attributes = usual();
    attributes.push(attribute(COUNTER_SIGNATURE, &[signer.bare_signer(b"x")]));
    refused(&with_attributes(&attributes), |problem| {
        matches!(
            problem,
            Problem::AttributeMisplaced {
                attribute: "counter-signature"
            }
        )
    });
}

#[test]
fn another_content_type() {
    let signer = &DESK.signer;
    let document = Document {
        content_type: "1.2.3.4".into(),
        ..signer.document(CONTENT)
    };
    refused(&check(&document.der()), |problem| {
        matches!(problem, Problem::ContentTypeMismatch { .. })
    });
    // Without attributes nothing is said of the type, so that it must be plain data.
    let document = Document {
        content_type: "1.2.3.4".into(),
        signers: vec![signer.bare_signer(CONTENT)],
        ..signer.document(CONTENT)
    };
    refused(&check(&document.der()), |problem| {
        matches!(problem, Problem::AttributesNeeded { .. })
    });
}

#[test]
fn without_attributes_it_is_valid_and_no_cades() {
    let signer = &DESK.signer;
    let document = Document {
        signers: vec![signer.bare_signer(CONTENT)],
        ..signer.document(CONTENT)
    };
    let report = check(&document.der());
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    let one = &report.signers()[0];
    assert!(!one.is_cades());
    assert!(matches!(one.warnings(), [Warning::NoSignedAttributes]));

    let policy = Policy::new().require_cades();
    let der = document.der();
    let report = cms::verify(der.as_slice())
        .trust(&DESK.trust)
        .policy(policy)
        .check();
    refused(&report.expect("it can be read"), |problem| {
        matches!(problem, Problem::AttributeMissing { .. })
    });
}

/// The attributes of a good document made the content of another: the signature is right.
#[test]
fn attributes_passed_off_as_content() {
    let signer = &DESK.signer;
    let mut attributes = usual();
    attributes.sort();
    let content = set(&attributes);
    let signature = signer.sign(&content);
    let document = Document {
        signers: vec![signer.signer_info(None, &signature, &[])],
        ..signer.document(&content)
    };
    let report = check(&document.der());
    assert_eq!(report.signers()[0].signature_is_right(), Some(true));
    refused(&report, |problem| {
        matches!(problem, Problem::AttributesAsContent)
    });
}

#[test]
fn weak_algorithms() {
    let bench = bench();
    let authority = Authority::new(bench, "Lenient");
    let rsa = bench.key(KeyType::Rsa { bits: 2048 });
    let short = bench.genpkey(
        "short",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
    );
    let rsa = authority.issue("rsa", &rsa, &Wanted::default());
    let short = authority.issue("short", &short, &Wanted::default());
    let p256 = authority.issue(
        "weak-p256",
        &bench.key(KeyType::Ec(Curve::P256)),
        &Wanted::default(),
    );
    let mut trust = authority.trust();
    trust.allow(Weakness::ShortRsa);
    let check = |der: &[u8], policy: Policy| {
        let report = cms::verify(der).trust(&trust).policy(policy).check();
        report.expect("it can be read")
    };
    for (signer, digest, options, weakness) in [
        (&rsa, "md5", &[][..], Weakness::Md5),
        (&rsa, "sha1", &[], Weakness::Sha1),
        (&rsa, "sha1", &["-noattr"], Weakness::Sha1),
        (
            &rsa,
            "sha1",
            &["-keyopt", "rsa_padding_mode:pss"],
            Weakness::Sha1,
        ),
        (&p256, "sha1", &[], Weakness::Sha1),
        (&short, "sha256", &[], Weakness::ShortRsa),
    ] {
        let der = signers::openssl_cms(
            bench,
            CONTENT,
            &[signer],
            &[&["-md", digest, "-nodetach"], options].concat(),
        );
        let report = check(&der, Policy::new());
        refused(
            &report,
            |problem| matches!(problem, Problem::TooWeak { weakness: found, .. } if *found == weakness),
        );
        let report = check(&der, Policy::new().allow(weakness));
        assert_eq!(
            report.verdict(),
            Verdict::Valid,
            "{digest} {options:?}: {report}"
        );
        let warnings = report.signers()[0].warnings();
        assert!(
            warnings.iter().any(
                |one| matches!(one, Warning::Weak { weakness: found, .. } if *found == weakness)
            ),
            "{report}"
        );
        // Another is not allowed by that.
        let other = Weakness::ShortRsa;
        if other != weakness {
            assert_eq!(
                check(&der, Policy::new().allow(other)).verdict(),
                Verdict::Invalid
            );
        }
    }
}

/// The certificate is signed with SHA-1, and all else is sound.
#[test]
fn a_weak_signature_in_the_chain() {
    let bench = bench();
    let authority = Authority::new(bench, "Old");
    let wanted = Wanted {
        digest: "sha1",
        ..Wanted::default()
    };
    let signer = forger(&authority.issue("old", &p256(bench, "old"), &wanted));
    let der = signer.document(CONTENT).der();
    let check = |trust: &Trust| {
        let report = cms::verify(der.as_slice()).trust(trust).check();
        report.expect("it can be read")
    };
    let mut trust = authority.trust();
    let report = check(&trust);
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    assert_eq!(chain_reason(&report), &ChainReason::Weak(Weakness::Sha1));
    trust.allow(Weakness::Md5);
    assert_eq!(check(&trust).verdict(), Verdict::Invalid);
    trust.allow(Weakness::Sha1);
    let report = check(&trust);
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
}

#[test]
fn algorithms_that_contradict_each_other() {
    let signer = &DESK.signer;
    let swap = |signer_info: &[u8], from: &str, to: &str| {
        let (from, to) = (algorithm(from), algorithm(to));
        let at = signer_info
            .windows(from.len())
            .position(|bytes| bytes == from);
        let at = at.expect("it is there");
        [&signer_info[..at], &to, &signer_info[at + from.len()..]].concat()
    };
    let good = signer.signer(&usual(), &[]);
    let sha384 = "1.2.840.10045.4.3.3";
    let document = Document {
        signers: vec![swap(&good, forge::ECDSA_SHA256, sha384)],
        ..signer.document(CONTENT)
    };
    refused(&check(&document.der()), |problem| {
        matches!(problem, Problem::AlgorithmsDiffer { .. })
    });
    // The digest is not among those that the document announces.
    let document = Document {
        digest_algorithms: vec![algorithm("2.16.840.1.101.3.4.2.3")],
        ..signer.document(CONTENT)
    };
    let report = check(&document.der());
    assert_eq!(report.verdict(), Verdict::CouldNotTell);
    assert!(matches!(
        report.signers()[0].problems(),
        [Problem::DigestNotAnnounced { .. }]
    ));
}

#[test]
fn a_signer_without_a_certificate() {
    let signer = &DESK.signer;
    let document = Document {
        certificates: vec![],
        ..signer.document(CONTENT)
    };
    let der = document.der();
    let report = check(&der);
    assert_eq!(report.verdict(), Verdict::CouldNotTell);
    assert!(matches!(
        report.signers()[0].problems(),
        [Problem::CertificateMissing { .. }]
    ));
    let given = cms::verify(der.as_slice())
        .certificates([signer.certificate.clone()])
        .trust(&DESK.trust)
        .check();
    assert_eq!(given.expect("it can be read").verdict(), Verdict::Valid);
}

#[test]
fn a_missing_content() {
    let document = Document {
        content: None,
        ..DESK.signer.document(CONTENT)
    };
    let report = check(&document.der());
    assert_eq!(report.verdict(), Verdict::CouldNotTell);
    assert!(matches!(
        report.signers()[0].problems(),
        [Problem::ContentMissing]
    ));
    assert_eq!(report.signers()[0].signature_is_right(), Some(true));
}

/// One bad signer among good ones, and counter-signatures of both kinds.
#[test]
fn the_worst_signature_is_the_verdict() {
    let signer = &DESK.signer;
    let good = signer.signer(&usual(), &[]);
    let bad = signer.signer_info(Some(&usual().concat()), &signer.sign(b"x"), &[]);
    let mixed = Document {
        signers: vec![good.clone(), bad],
        ..signer.document(CONTENT)
    };
    let report = check(&mixed.der());
    assert_eq!(report.verdict(), Verdict::Invalid);
    let verdicts: Vec<_> = report.signers().iter().map(|one| one.verdict()).collect();
    assert_eq!(verdicts, [Verdict::Valid, Verdict::Invalid]);

    let counter = |over: &[u8]| {
        signer.signer(
            &[
                message_digest(&DigestAlgorithm::Sha256.digest(over)),
                signing_certificate(&signer.certificate),
            ],
            &[],
        )
    };
    let mut sorted = usual();
    sorted.sort();
    let signature = signer.sign(&set(&sorted));
    let with = |value: Vec<u8>| {
        let unsigned = [attribute(COUNTER_SIGNATURE, &[value])];
        let one = signer.signer_info(Some(&sorted.concat()), &signature, &unsigned);
        let document = Document {
            signers: vec![one],
            ..signer.document(CONTENT)
        };
        check(&document.der())
    };
    let report = with(counter(&signature));
    assert_eq!(report.verdict(), Verdict::Valid, "{report}");
    assert_eq!(report.signers()[0].counter_signatures().len(), 1);
    refused(&with(counter(b"another signature")), |problem| {
        matches!(problem, Problem::CounterSignature(Verdict::Invalid))
    });
    refused(&with(sequence(&[])), |problem| {
        matches!(problem, Problem::MalformedCounterSignature { .. })
    });
}
