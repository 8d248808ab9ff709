//! What a document costs in memory while it is checked, counted byte by byte. Alone in its binary,
//! since the whole process is counted.

#[path = "support/forge.rs"]
mod forge;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/signers.rs"]
mod signers;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use forge::{DATA, Document, Forger, content_type, message_digest, signing_certificate, tlv};
use issuer::Bench;
use keyfob::DigestAlgorithm;
use keyfob::cms::{self, Report, Verdict};
use keyfob::trust::Trust;
use signers::{Authority, Wanted};

const MIB: usize = 1024 * 1024;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: everything is the system allocator's; it is only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), SeqCst) + layout.size(), SeqCst);
        // SAFETY: the caller's layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), SeqCst);
        // SAFETY: the caller's pointer and layout are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that were allocated at once during a check, beyond those that were before.
fn peak(
    document: impl Read,
    content: Option<&mut dyn Read>,
    trust: &Trust,
) -> (usize, Option<Report>) {
    let before = NOW.load(SeqCst);
    PEAK.store(before, SeqCst);
    let mut check = cms::verify(document).trust(trust);
    if let Some(content) = content {
        check = check.content(content);
    }
    let report = check.check().ok();
    (PEAK.load(SeqCst) - before, report)
}

#[test]
fn memory_is_bounded() {
    let bench = Bench::new("memory");
    let authority = Authority::new(&bench, "The CA");
    let key = bench.genpkey(
        "signer",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    );
    let issued = authority.issue("signer", &key, &Wanted::default());
    let signer = Forger::new(&issued.key, &issued.certificate);
    let trust = authority.trust();

    // However long the content is: attached in one piece, attached in pieces, detached.
    for length in [MIB, 64 * MIB] {
        let content = || io::repeat(b'k').take(length as u64);
        let digest = DigestAlgorithm::Sha256
            .digest_reader(content())
            .expect("it can be read");
        let attributes = [
            content_type(DATA),
            message_digest(&digest),
            signing_certificate(&signer.certificate),
        ];
        let mut document = Document {
            content: Some(b"HERE".to_vec()),
            certificates: vec![signer.certificate.der().to_vec()],
            signers: vec![signer.signer(&attributes, &[])],
            ..Document::default()
        };
        let ber = document.ber();
        let at = ber
            .windows(4)
            .position(|bytes| bytes == b"HERE")
            .expect("its place");
        let (head, tail) = (&ber[..at], &ber[at + 4..]);
        let header = [
            &[4, 0x84][..],
            &u32::try_from(length).expect("it fits").to_be_bytes(),
        ]
        .concat();
        let whole = head.chain(header.as_slice()).chain(content()).chain(tail);
        let (used, report) = peak(whole, None, &trust);
        assert_eq!(report.expect("it can be read").verdict(), Verdict::Valid);
        assert!(used < MIB, "attached, {length} bytes: {used}");

        let pieces = Pieces {
            left: length / 1024,
            given: 0,
        };
        let whole = head
            .chain(&[0x24, 0x80][..])
            .chain(pieces)
            .chain(&[0, 0][..])
            .chain(tail);
        let (used, report) = peak(whole, None, &trust);
        assert_eq!(report.expect("it can be read").verdict(), Verdict::Valid);
        assert!(used < MIB, "in pieces, {length} bytes: {used}");

        document.content = None;
        let der = document.der();
        let (used, report) = peak(der.as_slice(), Some(&mut content()), &trust);
        assert_eq!(report.expect("it can be read").verdict(), Verdict::Valid);
        assert!(used < MIB, "detached, {length} bytes: {used}");
        println!("{length} bytes of content: {used} bytes of memory");
    }

    // Whatever lengths say.
    let huge = [0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0];
    let start = [
        &[0x30, 0x80][..],
        &forge::oid(forge::SIGNED_DATA),
        &[0xa0, 0x80, 0x30, 0x80],
    ]
    .concat();
    for tag in [0x02, 0x30, 0x31, 0x04] {
        let document = [&start[..], &[tag], &huge, &[0; 64]].concat();
        let (used, report) = peak(document.as_slice(), None, &trust);
        assert!(report.is_none());
        assert!(used < MIB, "{used}");
    }

    // Everything else has limits, and takes no more than some times what it has in the document.
    let name = tlv(0x31, &forge::sequence(&[&[6, 1, 42], &[12, 1, 65]]));
    let dense = tlv(0x30, &name.repeat(5_000));
    let fat = fattened(signer.certificate.der(), &dense);
    let values = forge::attribute("1.2.3", &vec![vec![5, 0]; 200]);
    for document in [
        Document {
            certificates: vec![signer.certificate.der().to_vec(); 1_000],
            ..signer.document(b"x")
        },
        Document {
            certificates: vec![fat; 30],
            ..signer.document(b"x")
        },
        Document {
            signers: vec![signer.signer(&[], &[values]); 1_000],
            ..signer.document(b"x")
        },
    ] {
        let der = document.der();
        let (used, report) = peak(der.as_slice(), None, &trust);
        assert!(report.is_some());
        let times = used / der.len();
        println!("a document of {} bytes: {used} bytes of memory", der.len());
        assert!(times < 64, "{} bytes: {used}, {times} times", der.len());
    }
}

/// A content in OCTET STRINGs of 1,024 bytes each.
struct Pieces {
    left: usize,
    given: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut piece = vec![b'k'; 1028];
        piece[..4].copy_from_slice(&[4, 0x82, 4, 0]);
        let count = match self.left {
            0 => 0,
            _ => (&piece[self.given..]).read(buffer)?,
        };
        self.given += count;
        if self.given == piece.len() {
            (self.left, self.given) = (self.left - 1, 0);
        }
        Ok(count)
    }
}

/// A certificate with this subject in place of its own.
fn fattened(certificate: &[u8], name: &[u8]) -> Vec<u8> {
    use der::{Decode, Encode};
    let x509 = x509_cert::Certificate::from_der(certificate).expect("a certificate");
    let subject = x509.tbs_certificate().subject().to_der().expect("a name");
    let at = certificate
        .windows(subject.len())
        .rposition(|bytes| bytes == subject);
    let at = at.expect("its subject");
    let tbs = der::asn1::AnyRef::from_der(certificate)
        .expect("DER")
        .value();
    let mut reader = der::SliceReader::new(tbs).expect("DER");
    let tbs_tlv = der::Reader::tlv_bytes(&mut reader).expect("DER");
    let rest = &tbs[tbs_tlv.len()..];
    let inside = der::asn1::AnyRef::from_der(tbs_tlv).expect("DER").value();
    let offset = certificate.len() - rest.len() - inside.len();
    let changed = [
        &inside[..at - offset],
        name,
        &inside[at - offset + subject.len()..],
    ]
    .concat();
    tlv(0x30, &[tlv(0x30, &changed), rest.to_vec()].concat())
}
