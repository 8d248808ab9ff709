//! Documents that are cut, nested, longer than they are, or have too many of something: each is an
//! error, and none a panic.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::sync::LazyLock;

use forge::{Document, Forger, attribute, indefinite, tlv, usual_attributes};
use issuer::Bench;
use keyfob::Error;
use keyfob::cms::{self, ReadError, Report, Verdict};
use keyfob::trust::Trust;
use signers::{Authority, Wanted};

const CONTENT: &[u8] = b"small";

struct Desk {
    trust: Trust,
    signer: Forger,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let bench = Bench::new("bounds");
    let authority = Authority::new(&bench, "The CA");
    let key = bench.genpkey(
        "signer",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    let issued = authority.issue("signer", &key, &Wanted::default());
    Desk {
        trust: authority.trust(),
        signer: Forger::new(&issued.key, &issued.certificate),
    }
});

fn check(document: &[u8]) -> Result<Report, ReadError> {
    match cms::verify(document).trust(&DESK.trust).check() {
        Ok(report) => Ok(report),
        Err(Error::Document(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn cut_at_every_byte() {
    let document = DESK.signer.document(CONTENT);
    for bytes in [document.der(), document.ber()] {
        assert_eq!(
            check(&bytes).expect("it is whole").verdict(),
            Verdict::Valid
        );
        for length in 0..bytes.len() {
            let cut = check(&bytes[..length]);
            assert!(
                matches!(cut, Err(ReadError::Truncated { at }) if at == length as u64),
                "{length}: {cut:?}"
            );
        }
        let more = [&bytes[..], &[0]].concat();
        assert!(matches!(check(&more), Err(ReadError::Malformed { .. })));
    }
}

/// Whatever byte is another, the document is no longer valid, or says and is what it was.
#[test]
fn every_byte_changed() {
    let document = DESK.signer.document(CONTENT);
    let good = check(&document.der()).expect("it is whole");
    let mut still_valid = 0;
    for (bytes, bit) in [(document.der(), 1), (document.ber(), 0x10)] {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            let Ok(report) = check(&changed) else {
                continue;
            };
            if report.verdict() == Verdict::Valid {
                still_valid += 1;
                let mut content = Vec::new();
                report
                    .extract(changed.as_slice(), &mut content)
                    .expect("it is valid");
                assert_eq!(content, CONTENT, "{at}");
                assert_eq!(report.signers()[0].name(), good.signers()[0].name());
                assert_eq!(
                    report.signers()[0].claimed_time(),
                    good.signers()[0].claimed_time()
                );
            }
        }
    }
    // Versions, and digest algorithms that nobody uses.
    assert!(still_valid < 20, "{still_valid}");
}

#[test]
fn nesting() {
    let signer = &DESK.signer;
    let content = |levels: usize, wrap: fn(u8, &[u8]) -> Vec<u8>| Document {
        content: Some((0..levels).fold(tlv(4, CONTENT), |inner, _| wrap(0x24, &inner))),
        ..signer.document(CONTENT)
    };
    for wrap in [tlv, indefinite] {
        for levels in [1, 10, 50] {
            let report = check(&content(levels, wrap).der()).expect("not deep");
            assert_eq!(report.verdict(), Verdict::Valid, "{levels}: {report}");
        }
        for levels in [100, 10_000] {
            let deep = check(&content(levels, wrap).der());
            assert!(matches!(deep, Err(ReadError::Nesting { .. })), "{levels}");
        }
    }

    // In an attribute, in a certificate, and without an end.
    let usual = usual_attributes(CONTENT, &signer.certificate);
    for wrap in [tlv, indefinite] {
        let deep = (0..100).fold(vec![5, 0], |inner, _| wrap(0x30, &inner));
        let unsigned = [attribute("1.2.3.4", std::slice::from_ref(&deep))];
        let attribute = Document {
            signers: vec![signer.signer(&usual, &unsigned)],
            ..signer.document(CONTENT)
        };
        assert!(matches!(
            check(&attribute.der()),
            Err(ReadError::Nesting { .. })
        ));
    }
    let endless = Document {
        certificates: vec![[0x30, 0x80].repeat(1_000_000)],
        ..signer.document(CONTENT)
    };
    assert!(matches!(
        check(&endless.der()),
        Err(ReadError::Nesting { .. })
    ));
}

/// Every length in the document made 2^63, 2^64 - 1, and more than 64 bits.
#[test]
fn lengths() {
    let der = DESK.signer.document(CONTENT).der();
    let huge = [
        &[0x88, 0x80, 0, 0, 0, 0, 0, 0, 0][..],
        &[0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xff],
        &[0x84, 0x7f, 0xff, 0xff, 0xff],
    ];
    for at in headers(&der) {
        let length = match der[at + 1] {
            long @ 0x81.. => 1 + usize::from(long & 0x7f),
            _ => 1,
        };
        for huge in huge {
            let changed = [&der[..=at], huge, &der[at + 1 + length..]].concat();
            let valid = check(&changed).is_ok_and(|report| report.verdict() == Verdict::Valid);
            assert!(!valid, "{at}");
        }
    }
}

#[test]
fn too_many() {
    let signer = &DESK.signer;
    let certificate = signer.certificate.der().to_vec();
    let with = |certificates: usize, signers: usize| {
        let good = signer.document(CONTENT);
        let document = Document {
            certificates: vec![certificate.clone(); certificates],
            signers: vec![good.signers[0].clone(); signers],
            ..good
        };
        check(&document.der())
    };
    assert_eq!(
        with(1_000, 1).expect("not too many").verdict(),
        Verdict::Valid
    );
    for certificates in [1_001, 10_000] {
        let refused = with(certificates, 1);
        assert!(matches!(
            refused,
            Err(ReadError::TooMany {
                what: "certificates",
                limit: 1_000
            })
        ));
    }
    assert!(matches!(
        with(1, 1_001),
        Err(ReadError::TooMany {
            what: "signers",
            ..
        })
    ));

    let large = Document {
        certificates: vec![tlv(0x30, &vec![0; 5 * 1024 * 1024])],
        ..signer.document(CONTENT)
    };
    assert!(matches!(
        check(&large.der()),
        Err(ReadError::TooLarge { .. })
    ));
}

#[test]
fn what_is_no_signed_document() {
    let enveloped = forge::sequence(&[&forge::oid("1.2.840.113549.1.7.3"), &tlv(0xa0, &[5, 0])]);
    assert!(matches!(
        check(&enveloped),
        Err(ReadError::NotSignedData { .. })
    ));
    for (bytes, says) in [
        (&b"%PDF-1.4 and so on"[..], "PEM"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "PEM",
        ),
        (b"!", "PEM"),
    ] {
        let error = check(bytes).expect_err("no document");
        assert!(error.to_string().contains(says), "{error}");
    }
    let attached = DESK.signer.document(CONTENT).der();
    let twice = cms::verify(attached.as_slice()).content(CONTENT).check();
    assert!(matches!(
        twice,
        Err(Error::Document(ReadError::ContentTwice))
    ));
}

/// Nothing is given out but the content of a valid document, and only if it is still the same.
#[test]
fn the_content_comes_with_the_verdict() {
    let signer = &DESK.signer;
    let good = signer.document(CONTENT).der();
    let report = check(&good).expect("it is whole");
    let extract = |report: &Report, document: &[u8]| {
        let mut content = Vec::new();
        let result = report.extract(document, &mut content);
        (result, content)
    };
    let (result, content) = extract(&report, &good);
    result.expect("it is valid");
    assert_eq!(content, CONTENT);

    let other = signer.document(b"other").der();
    let (changed, _) = extract(&report, &other);
    assert!(matches!(changed, Err(Error::Document(ReadError::Changed))));

    let untrusted = cms::verify(good.as_slice()).check().expect("it is whole");
    let (refused, content) = extract(&untrusted, &good);
    assert!(matches!(
        refused,
        Err(Error::Document(ReadError::NotValid { .. }))
    ));
    assert!(content.is_empty());

    let detached = Document {
        content: None,
        ..signer.document(CONTENT)
    };
    let der = detached.der();
    let report = cms::verify(der.as_slice())
        .content(CONTENT)
        .trust(&DESK.trust)
        .check();
    let (none, _) = extract(&report.expect("it is whole"), &der);
    assert!(matches!(none, Err(Error::Document(ReadError::NoContent))));

    let mut streamed = Vec::new();
    let check = cms::verify(good.as_slice())
        .output(&mut streamed)
        .trust(&DESK.trust);
    assert_eq!(
        check.check().expect("it is whole").verdict(),
        Verdict::Valid
    );
    assert_eq!(streamed, CONTENT);
}

/// Where each element within this one begins, as far as the constructed ones go.
fn headers(der: &[u8]) -> Vec<usize> {
    fn walk(der: &[u8], mut at: usize, end: usize, found: &mut Vec<usize>) {
        while at < end {
            found.push(at);
            let (length, header) = match der[at + 1] {
                long @ 0x81.. => {
                    let bytes = usize::from(long & 0x7f);
                    let digits = &der[at + 2..at + 2 + bytes];
                    let length = digits
                        .iter()
                        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                    (length, 2 + bytes)
                }
                short => (usize::from(short), 2),
            };
            if der[at] & 0x20 != 0 {
                walk(der, at + header, at + header + length, found);
            }
            at += header + length;
        }
    }
    let mut found = Vec::new();
    walk(der, 0, der.len(), &mut found);
    found
}
