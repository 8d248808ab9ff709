//! What it costs to check small documents, beside the OpenSSL library:
//! `./softhsm-setup.sh cargo bench --bench verify_documents`.
//!
//! Both check the same 1,000 documents (attached, CAdES-BES, one authority above the signer) in this
//! process, in turn. A line `ratio NAME VALUE` is the median of keyfob's rate over OpenSSL's; more is
//! better. A line `share NAME VALUE` is the part of keyfob's time that is neither hashing nor the two
//! signatures, the document's and the certificate's: reading, path building, the report.
//!
//! OpenSSL's side is C, built with `cc` against its headers (Debian: `libssl-dev`).

#[path = "support/c_library.rs"]
mod c_library;
#[path = "../tests/support/issuer.rs"]
mod issuer;
#[path = "support/pairs.rs"]
mod pairs;
#[path = "../tests/support/signers.rs"]
mod signers;

use std::ffi::{CString, c_char, c_int};
use std::hint::black_box;
use std::path::Path;
use std::ptr;

use issuer::{Bench, text};
use keyfob::cms::{self, Verdict};
use keyfob::trust::{Purpose, Trust};
use keyfob::{Certificate, Curve, DigestAlgorithm, KeyType, Scheme};
use libloading::Library;
use signers::{Authority, Issued, Wanted};

const DOCUMENTS: usize = 1_000;

fn main() {
    let bench = Bench::new("verify-documents");
    let library = c_library::build("openssl_cms", &bench.folder);
    let authority = Authority::new(&bench, "Bench CA");
    let mut lines = Vec::new();
    for (name, key_type, scheme) in [
        (
            "rsa2048",
            KeyType::Rsa { bits: 2048 },
            Scheme::RsaPkcs1Sha256,
        ),
        ("p256", KeyType::Ec(Curve::P256), Scheme::EcdsaP256Sha256),
    ] {
        let issued = authority.issue(name, &bench.key(key_type), &Wanted::default());
        let openssl = OpenSsl::prepare(&library, &authority.certificate, &issued);
        let trust = authority.trust();
        let ours = || verify_all(openssl.documents(), &trust);
        let other = || assert_eq!(openssl.verify_all(), DOCUMENTS);
        lines.push(pairs::ratio_of_long_calls(
            &format!("verify-{name}-vs-openssl"),
            &ours,
            other,
        ));
        lines.push(share(name, scheme, &openssl, &authority, &issued));
    }
    println!("{}", lines.join("\n"));
}

fn verify_all(documents: &[&[u8]], trust: &Trust) {
    for document in documents {
        let report = cms::verify(*document).trust(trust).check();
        let verdict = report.expect("it can be read").verdict();
        assert_eq!(verdict, Verdict::Valid);
    }
}

/// Where the time goes, of one document.
fn share(
    name: &str,
    scheme: Scheme,
    openssl: &OpenSsl<'_>,
    authority: &Authority<'_>,
    issued: &Issued,
) -> String {
    let trust = authority.trust();
    let document = &openssl.documents()[..1];
    let report = cms::verify(document[0])
        .trust(&trust)
        .check()
        .expect("it can be read");
    let signer = Certificate::read(&issued.certificate).expect("a certificate");
    let authority = Certificate::read(&authority.certificate).expect("a certificate");
    let leaf = signer.public_key().expect("a key");
    let root = authority.public_key().expect("a key");
    let now = std::time::SystemTime::now();

    let whole = pairs::nanoseconds(|| verify_all(document, &trust));
    // A wrong signature costs as much as a right one, and these are of something else.
    let digest = DigestAlgorithm::Sha256.digest(b"something else");
    let signature = report.signers()[0].signature();
    let of_document = pairs::nanoseconds(|| {
        let _ = black_box(leaf.verify_digest(scheme, &digest, signature));
    });
    let x509 = signer.as_x509();
    let of_certificate = pairs::nanoseconds(|| {
        let bytes = x509.signature().raw_bytes();
        let _ = black_box(root.verify_digest(Scheme::EcdsaP256Sha256, &digest, bytes));
    });
    let hashing = pairs::nanoseconds(|| {
        // The content, the attributes, and the certificate twice: for its signature and its binding.
        for length in [30, 300, signer.der().len(), signer.der().len()] {
            black_box(DigestAlgorithm::Sha256.digest(&[0; 4096][..length]));
        }
    });
    let chain = pairs::nanoseconds(|| {
        let chain = trust.check(&signer, &[], Purpose::Signing, now);
        black_box(chain.expect("it is trusted"));
    });
    let untrusted = pairs::nanoseconds(|| {
        let report = cms::verify(document[0]).check();
        black_box(report.expect("it can be read"));
    });
    let rest = whole - of_document - of_certificate - hashing;
    for (what, time) in [
        ("whole", whole),
        ("the document's signature", of_document),
        ("the certificate's signature", of_certificate),
        ("hashing", hashing),
        (
            "path building, without the signature",
            chain - of_certificate,
        ),
        (
            "reading and report, without signature and hashing",
            untrusted - of_document - hashing,
        ),
    ] {
        println!(
            "{name}: {what}: {:.1} us, {:.1} %",
            time / 1e3,
            100.0 * time / whole
        );
    }
    format!("share reading-and-path-{name} {:.3}", rest / whole)
}

/// The documents, and OpenSSL's way of checking them.
struct OpenSsl<'a> {
    library: &'a Library,
    documents: Vec<&'a [u8]>,
}

impl<'a> OpenSsl<'a> {
    fn prepare(library: &'a Library, authority: &Path, signer: &Issued) -> Self {
        type Prepare = unsafe extern "C" fn(*const c_char, *const c_char, *const c_char) -> c_int;
        type Document = unsafe extern "C" fn(c_int, *mut *const u8) -> c_int;
        let path = |path: &Path| CString::new(text(path)).expect("a path");
        let [ca, certificate, key] = [authority, &signer.certificate, &signer.key].map(path);
        // SAFETY: the symbols have these types in support/openssl_cms.c.
        let (prepare, document) = unsafe {
            (
                library.get::<Prepare>(b"prepare\0").expect("it is there"),
                library.get::<Document>(b"document\0").expect("it is there"),
            )
        };
        // SAFETY: the paths are strings that end with zero.
        let prepared = unsafe { prepare(ca.as_ptr(), certificate.as_ptr(), key.as_ptr()) };
        assert_eq!(prepared, 1, "OpenSSL signs");
        let documents = (0..DOCUMENTS).map(|number| {
            let mut bytes = ptr::null();
            // SAFETY: there are so many documents, and `bytes` outlives the call.
            let length = unsafe { document(number as c_int, &mut bytes) };
            // SAFETY: OpenSSL keeps the documents of each `prepare` for as long as it is loaded.
            unsafe { std::slice::from_raw_parts(bytes, length as usize) }
        });
        Self {
            library,
            documents: documents.collect(),
        }
    }

    fn documents(&self) -> &[&'a [u8]] {
        &self.documents
    }

    fn verify_all(&self) -> usize {
        type VerifyAll = unsafe extern "C" fn() -> c_int;
        // SAFETY: the symbol has this type in support/openssl_cms.c.
        let verify_all = unsafe { self.library.get::<VerifyAll>(b"verify_all\0") };
        // SAFETY: it takes nothing, and was prepared.
        unsafe { verify_all.expect("it is there")() as usize }
    }
}
