//! Checks signed documents: who signed, and whether it can be believed.

mod algorithms;
mod certificates;
mod content;
mod named;
mod policy;
mod problem;
mod report;
mod signer;
mod text;
mod timestamp;

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::time::SystemTime;

use super::DATA;
use super::read::{MOST_SIGNERS, ReadError, Rest, SignedData, SignerInfo};
use crate::trust::{Trust, Weakness};
use crate::{Certificate, DigestAlgorithm, Error};
use content::{Hashed, Hashing, Subject};
pub use policy::Policy;
pub use problem::{Problem, Warning};
pub use report::{Report, SignerReport, TimestampReport, Verdict};
use signer::Context;

/// What is kept of a content for a signer that signs it whole: Ed25519 without signed attributes.
const WHOLE_LEN: usize = 1024 * 1024;
const CHUNK: usize = 64 * 1024;

/// Begins to check a signed document (CMS SignedData, RFC 5652): DER or BER, PEM, or base64.
///
/// # Example
/// ```no_run
/// use std::fs::File;
/// use keyfob::cms::{self, Verdict};
/// use keyfob::trust::Trust;
///
/// let mut trust = Trust::new();
/// trust.anchors_from("authorities.pem")?;
/// let report = cms::verify(File::open("contract.pdf.p7s")?)
///     .content(File::open("contract.pdf")?)
///     .trust(&trust)
///     .check()?;
/// println!("{report}");
/// assert_eq!(report.verdict(), Verdict::Valid);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify<'a>(document: impl Read + 'a) -> Verify<'a> {
    Verify {
        document: Box::new(document),
        content: None,
        output: None,
        certificates: Vec::new(),
        trust: None,
        at: None,
        policy: Policy::new(),
    }
}

/// A document to be checked; from [`verify`].
#[must_use]
pub struct Verify<'a> {
    document: Box<dyn Read + 'a>,
    content: Option<Box<dyn Read + 'a>>,
    output: Option<Box<dyn Write + 'a>>,
    certificates: Vec<Certificate>,
    trust: Option<&'a Trust>,
    at: Option<SystemTime>,
    policy: Policy,
}

impl<'a> Verify<'a> {
    /// The content that was signed, where it is not in the document. It is read once, after the
    /// document, in constant memory.
    ///
    /// # Example
    /// ```
    /// let check = keyfob::cms::verify(&b""[..]).content(&b"what was signed"[..]);
    /// ```
    pub fn content(mut self, content: impl Read + 'a) -> Self {
        self.content = Some(Box::new(content));
        self
    }

    /// Where the content of an attached document is written while it is checked.
    ///
    /// **It must not be used before the report is there and its verdict is
    /// [valid](Verdict::Valid)**: until then it may be anybody's. [`Report::extract`] writes nothing
    /// of a document that is not valid, and reads it twice.
    ///
    /// # Example
    /// ```
    /// let mut content = Vec::new();
    /// let check = keyfob::cms::verify(&b""[..]).output(&mut content);
    /// ```
    pub fn output(mut self, output: impl Write + 'a) -> Self {
        self.output = Some(Box::new(output));
        self
    }

    /// Certificates beside those in the document: signers' and intermediate ones. They are not
    /// trusted by that.
    ///
    /// # Example
    /// ```no_run
    /// let signer = keyfob::Certificate::read("ivanov.crt")?;
    /// let check = keyfob::cms::verify(&b""[..]).certificates([signer]);
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn certificates(mut self, certificates: impl IntoIterator<Item = Certificate>) -> Self {
        self.certificates.extend(certificates);
        self
    }

    /// Whom to trust. Without it no verdict is valid: whoever made a document can put any
    /// certificate into it.
    ///
    /// # Example
    /// ```
    /// let trust = keyfob::trust::Trust::new();
    /// let check = keyfob::cms::verify(&b""[..]).trust(&trust);
    /// ```
    pub fn trust(mut self, trust: &'a Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// When to check: now, if it is not said. A valid time stamp goes before it for the chain of the
    /// signer, not for that of the time stamp's authority.
    ///
    /// # Example
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let last_year = SystemTime::now() - Duration::from_secs(365 * 24 * 60 * 60);
    /// let check = keyfob::cms::verify(&b""[..]).at(last_year);
    /// ```
    pub fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// What to demand and what to allow: [`Policy::new`], if it is not said.
    ///
    /// # Example
    /// ```
    /// let policy = keyfob::cms::Policy::new().require_cades();
    /// let check = keyfob::cms::verify(&b""[..]).policy(policy);
    /// ```
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Checks it. Of the content no more than some kilobytes are in memory at once (1 MiB where an
    /// Ed25519 signer may need it whole), of certificates 2 MiB, of signers and revocation
    /// lists 16 MiB each. More than 1,000 certificates or signers are refused.
    ///
    /// A document that can be read gives a report, right or wrong.
    ///
    /// # Errors
    /// [`Error::Document`] where it cannot be read: see [`ReadError`].
    ///
    /// # Example
    /// ```
    /// use keyfob::Error;
    /// use keyfob::cms::{self, ReadError};
    ///
    /// let cut = cms::verify(&[0x30, 0x80, 0x06][..]).check();
    /// assert!(matches!(cut, Err(Error::Document(ReadError::Truncated { at: 3 }))));
    /// ```
    pub fn check(mut self) -> Result<Report, Error> {
        let document = SignedData::open(&mut self.document)?;
        let (content_type, attached) = (document.content_type, document.attached);
        if attached && self.content.is_some() {
            return Err(ReadError::ContentTwice.into());
        }
        let mut content = None;
        let rest = match attached {
            true => {
                let mut hashing = announced(&document, &self.policy);
                let mut output = self.output.take();
                let rest = document.read(&mut |piece| {
                    hashing.update(piece);
                    match &mut output {
                        Some(output) => output.write_all(piece).map_err(ReadError::Write),
                        None => Ok(()),
                    }
                })?;
                if let Some(mut output) = output {
                    output.flush().map_err(ReadError::Write)?;
                }
                content = Some(hashing.finish());
                rest
            }
            false => document.read(&mut |_| Ok(()))?,
        };
        let Rest {
            certificates,
            crls,
            signers,
        } = rest;
        let signers: Vec<_> = signers
            .iter()
            .map(|signer| SignerInfo::from_ber(signer))
            .collect::<Result<_, _>>()?;
        if let Some(file) = self.content.take() {
            content = Some(hash(file, &signers, &self.policy)?);
        }

        let mut warnings = Vec::new();
        let all = self.all_certificates(&certificates, &mut warnings);
        let trust = self.trust.filter(|trust| trust.anchors() > 0);
        let trust = trust.map(|trust| with_crls(trust, &crls));
        let context = Context {
            policy: &self.policy,
            trust: trust.as_deref(),
            at: self.at.unwrap_or_else(SystemTime::now),
            certificates: &all,
            left: &Cell::new(MOST_SIGNERS),
        };
        let subject = Subject::Content(content_type, content.as_ref());
        let reports: Vec<_> = signers
            .iter()
            .map(|signer| context.check(signer, &subject))
            .collect();
        if let Some(content) = &mut content {
            content.forget_whole();
        }
        let problems = match reports.is_empty() {
            true => vec![Problem::NoSigners],
            false => Vec::new(),
        };
        Ok(Report {
            content_type,
            attached,
            content,
            signers: reports,
            problems,
            warnings,
        })
    }

    /// The document's certificates, and the caller's.
    fn all_certificates(
        &mut self,
        ders: &[Vec<u8>],
        warnings: &mut Vec<Warning>,
    ) -> Vec<Certificate> {
        let mut all = read_certificates(ders, warnings);
        all.append(&mut self.certificates);
        all
    }
}

/// Those that can be read. One that cannot is no signer's, or will be missed.
fn read_certificates(ders: &[Vec<u8>], warnings: &mut Vec<Warning>) -> Vec<Certificate> {
    let read = ders.iter().map(|der| Certificate::from_der(der));
    let all: Vec<_> = read.flatten().collect();
    let count = ders.len() - all.len();
    if count > 0 {
        warnings.push(Warning::UnreadableCertificates { count });
    }
    all
}

/// The caller's trust, and the revocation lists of the document beside it: they are signed by those
/// who are trusted, or say nothing. One that cannot be read says nothing either.
fn with_crls<'a>(trust: &'a Trust, crls: &[Vec<u8>]) -> Cow<'a, Trust> {
    let mut trust = Cow::Borrowed(trust);
    for crl in crls {
        let _ = trust.to_mut().crl(crl);
    }
    trust
}

/// Hashes with what the document announces, so far as the policy allows it.
fn announced<R: Read>(document: &SignedData<R>, policy: &Policy) -> Hashing {
    let announced = document.digest_algorithms.iter();
    let digests: Vec<_> = announced
        .filter_map(|one| algorithms::digest(one).ok())
        .filter(|digest| is_allowed(*digest, policy))
        .collect();
    // RFC 8419 section 3: Ed25519 is announced as SHA-512.
    let may_be_ed25519 = digests.contains(&DigestAlgorithm::Sha512);
    Hashing::new(digests, may_be_ed25519.then_some(WHOLE_LEN))
}

/// Hashes a file with what the signers want.
fn hash(mut file: impl Read, signers: &[SignerInfo], policy: &Policy) -> Result<Hashed, ReadError> {
    let digests = signers
        .iter()
        .filter_map(|signer| algorithms::digest(&signer.digest_algorithm).ok())
        .filter(|digest| is_allowed(*digest, policy));
    let without_attributes = signers.iter().any(|signer| signer.signed.is_none());
    let mut hashing = Hashing::new(digests, without_attributes.then_some(WHOLE_LEN));
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hashing.finish()),
            Ok(count) => hashing.update(buffer.get(..count).unwrap_or(&buffer)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Content(error)),
        }
    }
}

fn is_allowed(digest: DigestAlgorithm, policy: &Policy) -> bool {
    weakness(digest).is_none_or(|weakness| policy.allows(weakness))
}

fn weakness(digest: DigestAlgorithm) -> Option<Weakness> {
    Weakness::of_digest(digest.oid())
}
