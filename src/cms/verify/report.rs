//! What was found, for the document and for each signer.

use std::fmt;
use std::io::{Read, Write};
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;

use super::content::Hashed;
use super::{Problem, Warning};
use crate::cms::read::{ReadError, SignedData};
use crate::trust::Chain;
use crate::{Certificate, Error, Scheme};

/// What a document, a signature or a time stamp is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// All that was asked holds.
    Valid,
    /// Something is missing or not known here: the problems say what to give.
    CouldNotTell,
    /// Something is wrong.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::CouldNotTell => "undecided",
            Self::Invalid => "invalid",
        })
    }
}

/// The worst of all.
pub(super) fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().max().unwrap_or(Verdict::Valid)
}

/// What was found in a document. Its `Display` is a text for people.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) content_type: ObjectIdentifier,
    pub(super) attached: bool,
    pub(super) content: Option<Hashed>,
    pub(super) signers: Vec<SignerReport>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Report {
    /// The verdict: that of the worst signature, and never valid without one.
    ///
    /// # Example
    /// ```no_run
    /// use keyfob::cms::{self, Verdict};
    ///
    /// # let trust = keyfob::trust::Trust::new();
    /// let p7s = std::fs::File::open("contract.pdf.p7s")?;
    /// let contract = std::fs::File::open("contract.pdf")?;
    /// let report = cms::verify(p7s).content(contract).trust(&trust).check()?;
    /// match report.verdict() {
    ///     Verdict::Valid => println!("signed by {}", report.signers()[0].name()),
    ///     Verdict::Invalid => println!("NOT valid:\n{report}"),
    ///     Verdict::CouldNotTell => println!("could not tell:\n{report}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verdict(&self) -> Verdict {
        let own = self.problems.iter().map(Problem::verdict);
        worst(own.chain(self.signers.iter().map(SignerReport::verdict)))
    }

    /// Who signed, in the order of the document.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// for signer in report.signers() {
    ///     println!("{}: {}", signer.name(), signer.verdict());
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn signers(&self) -> &[SignerReport] {
        &self.signers
    }

    /// What is wrong with the document as a whole.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let unsigned = !report.problems().is_empty();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What is odd about the document as a whole.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// for warning in report.warnings() {
    ///     eprintln!("warning: {warning}");
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether the content is in the document.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let needs_file = !report.is_attached();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// The type of the content (RFC 5652 section 4): 1.2.840.113549.1.7.1 for plain data.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// println!("{}", report.content_type());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn content_type(&self) -> ObjectIdentifier {
        self.content_type
    }

    /// The length of the content in bytes, where it was there.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// println!("{:?} bytes", report.content_len());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn content_len(&self) -> Option<u64> {
        self.content.as_ref().map(Hashed::len)
    }

    /// Gives the content of a valid attached document, from the document read once more.
    ///
    /// It is hashed again on the way. What has been written must not be used before this has
    /// returned: only then it is known to be what was checked.
    ///
    /// # Errors
    /// [`Error::Document`] with [`ReadError::NotValid`] where the verdict is another: nothing is
    /// written; [`ReadError::NoContent`] where the document is a detached signature;
    /// [`ReadError::Changed`] where it is not the document that was checked.
    ///
    /// # Example
    /// ```no_run
    /// use std::fs::File;
    ///
    /// # let trust = keyfob::trust::Trust::new();
    /// let report = keyfob::cms::verify(File::open("letter.p7m")?).trust(&trust).check()?;
    /// report.extract(File::open("letter.p7m")?, File::create("letter.txt")?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extract(&self, document: impl Read, mut output: impl Write) -> Result<(), Error> {
        let verdict = self.verdict();
        if verdict != Verdict::Valid {
            return Err(ReadError::NotValid { verdict }.into());
        }
        let Some(content) = self.content.as_ref().filter(|_| self.attached) else {
            return Err(ReadError::NoContent.into());
        };
        let mut again = content.again();
        let signed = SignedData::open(document)?;
        signed.read(&mut |piece| {
            again.update(piece);
            output.write_all(piece).map_err(ReadError::Write)
        })?;
        output.flush().map_err(ReadError::Write)?;
        match again.finish() == *content {
            true => Ok(()),
            false => Err(ReadError::Changed.into()),
        }
    }
}

/// What was found of one signature.
#[derive(Clone, Debug)]
pub struct SignerReport {
    /// By what the document names the certificate.
    pub(super) named: String,
    pub(super) certificate: Option<Certificate>,
    pub(super) scheme: Option<Scheme>,
    pub(super) signature: Vec<u8>,
    pub(super) claimed_time: Option<SystemTime>,
    pub(super) stamped_time: Option<SystemTime>,
    pub(super) is_cades: bool,
    pub(super) digest_right: Option<bool>,
    pub(super) signature_right: Option<bool>,
    pub(super) chain: Option<Chain>,
    pub(super) timestamps: Vec<TimestampReport>,
    pub(super) counter_signatures: Vec<SignerReport>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl SignerReport {
    /// The verdict on this signature.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let all = report.signers().iter().map(|signer| signer.verdict()).max();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn verdict(&self) -> Verdict {
        worst(self.problems.iter().map(Problem::verdict))
    }

    /// Who signed: the subject of the certificate as RFC 4514 writes it, or where there is no
    /// certificate, by what the document names it.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// println!("{}", report.signers()[0].name());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn name(&self) -> String {
        let subject = self.certificate.as_ref().map(Certificate::subject);
        subject.unwrap_or_else(|| self.named.clone())
    }

    /// The signer's certificate, from the document or the caller.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let serial = report.signers()[0].certificate().map(|one| one.serial_hex());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The signature scheme, where it is known here.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let scheme = report.signers()[0].scheme();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The signature itself, as it stands in the document; what a time stamp is of.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let bytes = report.signers()[0].signature();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// When the signer claims to have signed. Nobody vouches for it.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let claimed = report.signers()[0].claimed_time();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn claimed_time(&self) -> Option<SystemTime> {
        self.claimed_time
    }

    /// When the signature was there at the latest, by a time stamp that is valid; the earliest, where
    /// there are several. The chain is checked at this time.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let stamped = report.signers()[0].stamped_time();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn stamped_time(&self) -> Option<SystemTime> {
        self.stamped_time
    }

    /// Whether it has what CAdES demands: signed attributes, with the content's type and digest and
    /// the certificate's (ETSI EN 319 122-1 section 5, RFC 5126 section 4.3.1).
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let cades = report.signers().iter().all(|signer| signer.is_cades());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn is_cades(&self) -> bool {
        self.is_cades
    }

    /// Whether the content has the digest that is signed; `None` where that could not be told.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let changed = report.signers()[0].digest_is_right() == Some(false);
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn digest_is_right(&self) -> Option<bool> {
        self.digest_right
    }

    /// Whether the signature is one by the certificate's key; `None` where that could not be told.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let forged = report.signers()[0].signature_is_right() == Some(false);
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn signature_is_right(&self) -> Option<bool> {
        self.signature_right
    }

    /// The chain to an authority that is trusted; where there is none, a [`Problem`] says why.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let trusted = report.signers()[0].chain().is_some();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// The time stamps on the signature.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// for stamp in report.signers()[0].timestamps() {
    ///     println!("{:?}: {}", stamp.time(), stamp.verdict());
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn timestamps(&self) -> &[TimestampReport] {
        &self.timestamps
    }

    /// Who signed the signature.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// for witness in report.signers()[0].counter_signatures() {
    ///     println!("{}: {}", witness.name(), witness.verdict());
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn counter_signatures(&self) -> &[SignerReport] {
        &self.counter_signatures
    }

    /// Why it is not valid; empty where it is.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// for problem in report.signers()[0].problems() {
    ///     eprintln!("{problem}");
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What is odd.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// for warning in report.signers()[0].warnings() {
    ///     eprintln!("{warning}");
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// What was found of a time stamp (RFC 3161).
#[derive(Clone, Debug)]
pub struct TimestampReport {
    pub(super) time: Option<SystemTime>,
    pub(super) authority: Option<SignerReport>,
    pub(super) problems: Vec<Problem>,
}

impl TimestampReport {
    /// The verdict on the time stamp: its imprint, and the signature of its authority.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let verdict = report.signers()[0].timestamps()[0].verdict();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn verdict(&self) -> Verdict {
        let own = self.problems.iter().map(Problem::verdict);
        worst(own.chain(self.authority.iter().map(SignerReport::verdict)))
    }

    /// The time it gives, to the second, right or wrong; `None` where it cannot be read.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let time = report.signers()[0].timestamps()[0].time();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn time(&self) -> Option<SystemTime> {
        self.time
    }

    /// Who stamped it.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let authority = report.signers()[0].timestamps()[0].authority();
    /// println!("{}", authority.map(|one| one.name()).unwrap_or_default());
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn authority(&self) -> Option<&SignerReport> {
        self.authority.as_ref()
    }

    /// Why it is not valid, beside what its authority's report says.
    ///
    /// # Example
    /// ```no_run
    /// # let report = keyfob::cms::verify(&b""[..]).check()?;
    /// let problems = report.signers()[0].timestamps()[0].problems();
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}
