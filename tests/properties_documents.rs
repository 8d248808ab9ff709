//! The reader of documents, with whatever bytes there are.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::io::{self, Read};
use std::sync::LazyLock;

use forge::{Document, Forger, indefinite, tlv};
use issuer::Bench;
use keyfob::cms::{self, Verdict};
use keyfob::trust::Trust;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use signers::{Authority, Wanted};

const CONTENT: &[u8] = b"I owe you a hundred roubles, and shall pay them back some day.";

struct Desk {
    trust: Trust,
    document: Document,
    /// With a time stamp of nobody's and a counter-signature of nothing's in it.
    laden: Vec<u8>,
}

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let bench = Bench::new("properties");
    let authority = Authority::new(&bench, "The CA");
    let key = bench.genpkey(
        "signer",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    let issued = authority.issue("signer", &key, &Wanted::default());
    let signer = Forger::new(&issued.key, &issued.certificate);
    let document = signer.document(CONTENT);
    let unsigned = [
        forge::attribute(forge::TIME_STAMP, &[signer.document(b"no TSTInfo").der()]),
        forge::attribute(forge::COUNTER_SIGNATURE, &[document.signers[0].clone()]),
    ];
    let usual = forge::usual_attributes(CONTENT, &signer.certificate);
    let laden = Document {
        signers: vec![signer.signer(&usual, &unsigned)],
        ..document.clone()
    };
    Desk {
        trust: authority.trust(),
        document,
        laden: laden.der(),
    }
});

fn verdict(document: impl Read) -> Option<Verdict> {
    let report = cms::verify(document).trust(&DESK.trust).check().ok()?;
    // The text for people has to bear everything too.
    let text = report.to_string();
    assert!(!text.is_empty());
    Some(report.verdict())
}

/// What is done to a document.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            return bytes;
        }
        match change {
            Change::Replace(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Change::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + count));
            }
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let piece = bytes[at..bytes.len().min(at + count)].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// The content in pieces of these lengths, some of them in elements of their own.
fn pieces(lengths: &[(usize, bool, bool)]) -> Vec<u8> {
    let mut left = CONTENT;
    let mut encoded = Vec::new();
    for (length, nested, endless) in lengths {
        let (piece, rest) = left.split_at(left.len().min(*length));
        left = rest;
        let piece = tlv(4, piece);
        encoded.extend(match (nested, endless) {
            (false, _) => piece,
            (true, false) => tlv(0x24, &piece),
            (true, true) => indefinite(0x24, &piece),
        });
    }
    encoded.extend(tlv(4, left));
    encoded
}

/// Gives as many bytes at a time as it is told.
struct Slow<'a>(&'a [u8], Vec<usize>, usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1[self.2 % self.1.len()];
        self.2 += 1;
        if most == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = most.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_ne!(verdict(bytes.as_slice()), Some(Verdict::Valid));
        let with_start = [&DESK.laden[..30], &bytes].concat();
        prop_assert_ne!(verdict(with_start.as_slice()), Some(Verdict::Valid));
    }

    #[test]
    fn changed_documents(changes in vec(change(), 1..6)) {
        let changed = apply(DESK.laden.clone(), &changes);
        prop_assert_ne!(verdict(changed.as_slice()), Some(Verdict::Valid));

        // A valid one has the content that was signed.
        let changed = apply(DESK.document.ber(), &changes);
        let report = cms::verify(changed.as_slice()).trust(&DESK.trust).check();
        if let Ok(report) = report && report.verdict() == Verdict::Valid {
            let mut content = Vec::new();
            report.extract(changed.as_slice(), &mut content).unwrap();
            prop_assert_eq!(content, CONTENT);
        }
    }

    #[test]
    fn content_in_pieces(
        lengths in vec((0..40_usize, any::<bool>(), any::<bool>()), 0..8),
        endless in any::<bool>(),
        reads in vec(0..60_usize, 1..8),
    ) {
        let wrap = if endless { indefinite } else { tlv };
        let document = Document {
            content: Some(wrap(0x24, &pieces(&lengths))),
            ..DESK.document.clone()
        };
        for bytes in [document.der(), document.ber()] {
            prop_assert_eq!(verdict(bytes.as_slice()), Some(Verdict::Valid));
            if reads.iter().any(|most| *most > 0) {
                let slow = Slow(&bytes, reads.clone(), 0);
                prop_assert_eq!(verdict(slow), Some(Verdict::Valid));
            }
        }
    }

    #[test]
    fn base64_in_lines(width in 1..200_usize, ends in "(\r\n|\n|\n\n| )", text in "[ -~]{0,40}") {
        use base64ct::{Base64, Encoding};
        let base64 = Base64::encode_string(&DESK.document.der());
        let lines: Vec<_> = base64.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
        let body = lines.join(&ends);
        prop_assert_eq!(verdict(body.as_bytes()), Some(Verdict::Valid));
        let pem = format!("Dear {text}\n-----BEGIN CMS-----\n{body}\n-----END CMS-----\n{text}");
        prop_assert_eq!(verdict(pem.as_bytes()), Some(Verdict::Valid));
    }
}
