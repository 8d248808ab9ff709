//! Signing a document that there is: as one more signer, or over another's signature.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use der::Encode;

use crate::cms::armor::Encoding;
use crate::cms::attributes::Attribute;
use crate::cms::content::Digests;
use crate::cms::read::{Parts, SignerInfo, WriteError, with_unsigned_attribute};
use crate::cms::sign::{Output, finish, output, signer_infos, unread, unwritten};
use crate::cms::signer::{Ready, Signer};
use crate::cms::{Detached, SignDocumentError, Signing};
use crate::{DigestAlgorithm, Error, Hasher};

impl<'a> Signing<'a> {
    /// Adds the signers to a detached document, in binary, PEM or base64. What the signers that it has
    /// have made stays byte for byte. The content is to be given as for any other, and has to be the one
    /// that they signed.
    ///
    /// That their signatures are right is not asked: check the document first.
    ///
    /// # Errors
    /// [`SignDocumentError::Document`] where it cannot be read;
    /// [`SignDocumentError::ContentInside`]. What is then called on it also gives
    /// [`SignDocumentError::OtherContent`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # let bob = keyfob::discover()?.only()?.identities()?.only()?;
    /// let by_ann = std::fs::read("contract.pdf.p7s").expect("it is there");
    /// let by_both = cms::sign(&bob).cosign(&by_ann)?.path("contract.pdf")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn cosign(self, document: &[u8]) -> Result<Detached<'a>, Error> {
        let (parts, _) = Parts::read(document, []).map_err(SignDocumentError::Document)?;
        if parts.attached {
            return Err(SignDocumentError::ContentInside.into());
        }
        let existing = Existing {
            document: document.to_vec(),
            parts,
        };
        Ok(Detached {
            signing: self,
            existing: Some(existing),
        })
    }

    /// Adds the signers to an attached document, from where the reader stands, and writes the document
    /// anew. As [`cosign`](Self::cosign); the content is the one in the document, and memory is
    /// constant however long it is.
    ///
    /// The document is read twice: to be hashed, and to be copied.
    ///
    /// # Errors
    /// As [`cosign`](Self::cosign), with [`SignDocumentError::ContentMissing`];
    /// [`SignDocumentError::ContentChanged`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # let bob = keyfob::discover()?.only()?.identities()?.only()?;
    /// use std::fs::File;
    ///
    /// let by_ann = File::open("contract.p7m").expect("it is there");
    /// let by_both = File::create("contract.both.p7m").expect("the folder can be written to");
    /// cms::sign(&bob).cosign_attached(by_ann, by_both)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn cosign_attached(
        &self,
        document: impl Read + Seek,
        output: impl Write,
    ) -> Result<(), Error> {
        let signers = self.ready()?;
        let algorithms: Vec<_> = signers.iter().map(Ready::digest_algorithm).collect();
        rewrite(
            document,
            &algorithms,
            self.encoding,
            output,
            |parts, digests| match parts.attached {
                true => add_signers(parts, &signers, digests),
                false => Err(SignDocumentError::ContentMissing.into()),
            },
        )
    }
}

/// A document that is being added to.
#[derive(Debug)]
pub(super) struct Existing {
    document: Vec<u8>,
    parts: Parts,
}

impl Existing {
    /// What its signers have hashed the content with.
    pub(super) fn digest_algorithms(&self) -> impl Iterator<Item = DigestAlgorithm> {
        self.parts.digest_algorithms()
    }

    /// The document with these signers too.
    pub(super) fn signed_by(
        &self,
        signers: &[Ready<'_, '_>],
        digests: &Digests,
        output: &mut impl Write,
    ) -> Result<(), Error> {
        let mut parts = self.parts.clone();
        add_signers(&mut parts, signers, digests)?;
        write(parts, self.document.as_slice(), output)
    }
}

fn add_signers(
    parts: &mut Parts,
    signers: &[Ready<'_, '_>],
    digests: &Digests,
) -> Result<(), Error> {
    let same = parts.signed(digests).map_err(SignDocumentError::Document)?;
    if !same {
        return Err(SignDocumentError::OtherContent.into());
    }
    for signer in signer_infos(signers, Some(parts.content_type), digests)? {
        parts.add_signer(signer);
    }
    for signer in signers {
        let algorithm = signer.digest_identifier().to_der();
        parts.add_digest_algorithm(algorithm.map_err(SignDocumentError::Encoding)?);
        parts.add_version(signer.version());
        for certificate in signer.certificates() {
            parts.add_certificate(certificate.der());
        }
    }
    Ok(())
}

/// Begins a signature over the signatures of a document (RFC 5652 section 11.4): somebody's word that
/// they were there. It is kept beside them, and everything else in the document stays byte for byte.
///
/// That the signatures are right is not asked: check the document first.
///
/// # Example
/// ```no_run
/// # let notary = keyfob::discover()?.only()?.identities()?.only()?;
/// use keyfob::cms;
///
/// let by_ann = std::fs::read("contract.pdf.p7s").expect("it is there");
/// let witnessed = cms::countersign(&notary).bytes(&by_ann)?;
/// # Ok::<(), keyfob::Error>(())
/// ```
pub fn countersign<'a>(signer: impl Into<Signer<'a>>) -> Countersigning<'a> {
    Countersigning {
        signer: signer.into(),
        only: None,
        encoding: Encoding::Binary,
    }
}

/// A signature over signatures to be made; from [`countersign`].
#[derive(Debug)]
pub struct Countersigning<'a> {
    signer: Signer<'a>,
    only: Option<usize>,
    encoding: Encoding,
}

impl Countersigning<'_> {
    /// Signs the signature of this signer alone: the first in the document is 0. Otherwise each
    /// signer's is signed.
    #[must_use]
    pub fn only(self, signer: usize) -> Self {
        let only = Some(signer);
        Self { only, ..self }
    }

    /// In what form the document is written: as bytes, unless this says otherwise.
    #[must_use]
    pub fn encoding(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// Signs the signatures of a document, in binary, PEM or base64.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub fn bytes(&self, document: &[u8]) -> Result<Vec<u8>, Error> {
        let mut written = Vec::new();
        self.document(Cursor::new(document), &mut written)?;
        Ok(written)
    }

    /// Signs the signatures of a document, detached or attached, from where the reader stands, and
    /// writes the document anew, in constant memory. It is read twice.
    ///
    /// # Errors
    /// [`SignDocumentError::Document`] where it cannot be read; [`SignDocumentError::NoSuchSigner`];
    /// [`SignDocumentError::ContentChanged`] where it was another the second time; those of
    /// [`Detached::path`].
    pub fn document(&self, document: impl Read + Seek, output: impl Write) -> Result<(), Error> {
        let ready = self.signer.ready()?;
        let algorithm = ready.digest_algorithm();
        rewrite(document, &[algorithm], self.encoding, output, |parts, _| {
            let count = parts.signers.len();
            let chosen = |number| self.only.is_none_or(|only| only == number);
            if !(0..count).any(chosen) {
                return Err(SignDocumentError::NoSuchSigner { count }.into());
            }
            for (number, signer) in parts.signers.iter_mut().enumerate() {
                if chosen(number) {
                    let read = SignerInfo::from_ber(signer).map_err(SignDocumentError::Document)?;
                    let witness = ready.sign(None, &algorithm.digest(&read.signature))?;
                    let witness = Attribute::counter_signature(witness);
                    *signer = with_unsigned_attribute(signer, &witness)
                        .map_err(SignDocumentError::Document)?;
                }
            }
            for certificate in ready.certificates() {
                parts.add_certificate(certificate.der());
            }
            Ok(())
        })
    }
}

/// Takes a document apart, has `change` change it, and writes it, if it is still the same when it is
/// read again.
fn rewrite(
    mut document: impl Read + Seek,
    algorithms: &[DigestAlgorithm],
    encoding: Encoding,
    output_to: impl Write,
    change: impl FnOnce(&mut Parts, &Digests) -> Result<(), Error>,
) -> Result<(), Error> {
    // Of the document as it lies there, to know it again.
    let hasher = || algorithms.first().map(|algorithm| algorithm.hasher());
    let begin = document.stream_position().map_err(unread)?;
    let mut first = Watched::new(&mut document, hasher());
    let read = Parts::read(&mut first, algorithms.iter().copied());
    let (mut parts, digests) = read.map_err(SignDocumentError::Document)?;
    let seen = first.digest().map_err(unread)?;
    change(&mut parts, &digests)?;

    document.seek(SeekFrom::Start(begin)).map_err(unread)?;
    let mut again = Watched::new(&mut document, hasher());
    let mut output: Output<_> = output(encoding, output_to)?;
    write(parts, &mut again, &mut output)?;
    if again.digest().map_err(unread)? != seen {
        return Err(SignDocumentError::ContentChanged.into());
    }
    finish(output)
}

fn write(parts: Parts, source: impl Read, output: &mut impl Write) -> Result<(), Error> {
    match parts.write(source, output) {
        Ok(true) => Ok(()),
        Ok(false) => Err(SignDocumentError::ContentChanged.into()),
        Err(WriteError::Read(error)) => Err(unread(error).into()),
        Err(WriteError::Write(error)) => Err(unwritten(error).into()),
    }
}

/// A reader of which is known what it gave.
struct Watched<R> {
    source: R,
    hasher: Option<Hasher>,
}

impl<R: Read> Watched<R> {
    fn new(source: R, hasher: Option<Hasher>) -> Self {
        Self { source, hasher }
    }

    /// Of all there is, with what is left of it.
    fn digest(mut self) -> io::Result<Option<Vec<u8>>> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.map(Hasher::finalize))
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}
