//! Signing a document: what is signed, and where the signed document goes.

use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use der::Encode;
use der::asn1::ObjectIdentifier;

use crate::cms::amend::Existing;
use crate::cms::armor::{Armor, Encoding};
use crate::cms::content::{Digests, Unread};
use crate::cms::shell::{self, Shell};
use crate::cms::signer::{Ready, Signer};
use crate::cms::{DATA, SignDocumentError, tlv};
use crate::{DigestAlgorithm, Error};

/// Begins a document that is signed by this signer: an [`Identity`](crate::Identity), or a
/// [`Signer`] where the usual choices will not do.
///
/// # Example
/// ```no_run
/// use keyfob::{Pin, cms};
///
/// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
/// let me = fob.identities()?.for_signing().valid_now().only()?;
/// let p7s = cms::sign(&me).detached().path("contract.pdf")?;
/// std::fs::write("contract.pdf.p7s", p7s).expect("the folder can be written to");
/// # Ok::<(), keyfob::Error>(())
/// ```
pub fn sign<'a>(signer: impl Into<Signer<'a>>) -> Signing<'a> {
    Signing {
        signers: vec![signer.into()],
        encoding: Encoding::Binary,
    }
}

/// A document to be signed; from [`sign`].
#[derive(Debug)]
pub struct Signing<'a> {
    pub(super) signers: Vec<Signer<'a>>,
    pub(super) encoding: Encoding,
}

impl<'a> Signing<'a> {
    /// Another signer of the same document, beside those there are.
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # let (ann, bob) = (keyfob::discover()?.only()?.identities()?.only()?, keyfob::discover()?.only()?.identities()?.only()?);
    /// let p7s = cms::sign(&ann).and(&bob).detached().path("contract.pdf")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[must_use]
    pub fn and(mut self, signer: impl Into<Signer<'a>>) -> Self {
        self.signers.push(signer.into());
        self
    }

    /// In what form the document is written: as bytes, unless this says otherwise.
    #[must_use]
    pub fn encoding(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// The signed document is to stand beside the content, which is not in it.
    #[must_use]
    pub fn detached(self) -> Detached<'a> {
        Detached {
            signing: self,
            existing: None,
        }
    }

    /// The signed document is to have the content in it.
    #[must_use]
    pub fn attached(self) -> Attached<'a> {
        Attached(self)
    }

    /// The signers, if all of them can sign.
    pub(super) fn ready(&self) -> Result<Vec<Ready<'_, 'a>>, Error> {
        self.signers.iter().map(Signer::ready).collect()
    }
}

/// A document to be signed apart from its content; from [`Signing::detached`].
///
/// Each method takes the content from somewhere else, in constant memory however long it is, and
/// gives the signed document: DER, in the form that [`Signing::encoding`] says. One `Detached` can
/// sign any number of contents.
#[derive(Debug)]
pub struct Detached<'a> {
    pub(super) signing: Signing<'a>,
    /// What it is to be added to.
    pub(super) existing: Option<Existing>,
}

impl Detached<'_> {
    /// Signs the content of a file.
    ///
    /// # Errors
    /// [`Error::SignDocument`] where a signer lacks what a document needs, the file cannot be read or
    /// a time stamp cannot be had; those of [`Identity::sign`](crate::Identity::sign).
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # let me = keyfob::discover()?.only()?.identities()?.only()?;
    /// let detached = cms::sign(&me).detached();
    /// for bill in ["january.pdf", "february.pdf"] {
    ///     let p7s = detached.path(bill)?;
    ///     std::fs::write(format!("{bill}.p7s"), p7s).expect("the folder can be written to");
    /// }
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn path(&self, content: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
        in_file(content.as_ref(), |file| self.reader(file))
    }

    /// Signs all that a reader gives.
    ///
    /// # Errors
    /// As [`path`](Self::path).
    pub fn reader(&self, content: impl Read) -> Result<Vec<u8>, Error> {
        let signers = self.signing.ready()?;
        let others = self.existing.iter().flat_map(Existing::digest_algorithms);
        let algorithms = signers.iter().map(Ready::digest_algorithm).chain(others);
        let digests = Digests::of(content, algorithms, |_| Ok::<_, SignDocumentError>(()))?;
        self.document(&signers, &digests)
    }

    /// Signs these bytes.
    ///
    /// # Errors
    /// As [`path`](Self::path).
    pub fn bytes(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        self.reader(content)
    }

    /// Signs a content that was hashed elsewhere, with each digest algorithm that its signers want
    /// ([`Scheme::content_digest`](crate::Scheme::content_digest)).
    ///
    /// # Errors
    /// As [`path`](Self::path); [`SignDocumentError::DigestMissing`] and
    /// [`SignDocumentError::DigestLength`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{DigestAlgorithm, cms};
    /// # let me = keyfob::discover()?.only()?.identities()?.only()?;
    /// let digest = DigestAlgorithm::Sha256.digest(b"a content");
    /// let p7s = cms::sign(&me).detached().digests(&[(DigestAlgorithm::Sha256, &digest)])?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn digests(&self, digests: &[(DigestAlgorithm, &[u8])]) -> Result<Vec<u8>, Error> {
        let signers = self.signing.ready()?;
        let ready = digests.iter().map(|(algorithm, digest)| {
            match digest.len() == algorithm.output_len() {
                true => Ok((*algorithm, digest.to_vec())),
                false => Err(SignDocumentError::DigestLength {
                    algorithm: *algorithm,
                    found: digest.len(),
                }),
            }
        });
        let digests = Digests::ready(ready.collect::<Result<_, _>>()?);
        self.document(&signers, &digests)
    }

    fn document(&self, signers: &[Ready<'_, '_>], digests: &Digests) -> Result<Vec<u8>, Error> {
        let mut written = Vec::new();
        let mut output = output(self.signing.encoding, &mut written)?;
        match &self.existing {
            Some(existing) => existing.signed_by(signers, digests, &mut output)?,
            None => {
                let document = shell_of(signers, digests)?.detached();
                output.write_all(&document).map_err(unwritten)?;
            }
        }
        finish(output)?;
        Ok(written)
    }
}

/// A document to be signed with its content in it; from [`Signing::attached`].
///
/// Each method takes the content from somewhere else and writes the signed document, both in
/// constant memory. After an error what was written is of no use. One `Attached` can sign any number
/// of contents.
#[derive(Debug)]
pub struct Attached<'a>(Signing<'a>);

impl Attached<'_> {
    /// Signs the content of a file, and writes the document in DER. See [`seekable`](Self::seekable).
    ///
    /// # Errors
    /// As [`seekable`](Self::seekable).
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # let me = keyfob::discover()?.only()?.identities()?.only()?;
    /// let output = std::fs::File::create("contract.pdf.p7s").expect("the folder can be written to");
    /// cms::sign(&me).attached().path("contract.pdf", output)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn path(&self, content: impl AsRef<Path>, writer: impl Write) -> Result<(), Error> {
        in_file(content.as_ref(), |file| self.seekable(file, writer))
    }

    /// Signs all that a reader gives from where it stands, and writes the document in DER.
    ///
    /// DER tells lengths before contents, so the content is read twice: to be hashed, and to be
    /// written. It is hashed then too, and is not what was signed if it has changed in between.
    ///
    /// # Errors
    /// [`SignDocumentError::ContentChanged`]; [`Error::SignDocument`] where a signer lacks what a
    /// document needs, something cannot be read or written, or a time stamp cannot be had; those of
    /// [`Identity::sign`](crate::Identity::sign).
    pub fn seekable(&self, mut content: impl Read + Seek, writer: impl Write) -> Result<(), Error> {
        let signers = self.0.ready()?;
        let algorithms = || signers.iter().map(Ready::digest_algorithm);
        let begin = content.stream_position().map_err(unread)?;
        let mut length = 0u64;
        let digests = Digests::of(&mut content, algorithms(), |piece| {
            length += piece.len() as u64;
            Ok::<_, SignDocumentError>(())
        })?;
        let shell = shell_of(&signers, &digests)?;

        content.seek(SeekFrom::Start(begin)).map_err(unread)?;
        let mut output = output(self.0.encoding, writer)?;
        let (head, tail) = shell.attached(length);
        output.write_all(&head).map_err(unwritten)?;
        copy_same(content, &digests, algorithms().next(), length, &mut output)?;
        output.write_all(&tail).map_err(unwritten)?;
        finish(output)
    }

    /// Signs all that a reader gives, and writes the document while it reads: in BER with indefinite
    /// lengths, since the content's is not known before its end. Readers of CMS know that, but for a
    /// few that insist on DER.
    ///
    /// # Errors
    /// [`Error::SignDocument`] where a signer lacks what a document needs, something cannot be read
    /// or written, or a time stamp cannot be had; those of
    /// [`Identity::sign`](crate::Identity::sign).
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::cms;
    /// # let me = keyfob::discover()?.only()?.identities()?.only()?;
    /// cms::sign(&me).attached().reader(std::io::stdin().lock(), std::io::stdout().lock())?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn reader(&self, content: impl Read, writer: impl Write) -> Result<(), Error> {
        let signers = self.0.ready()?;
        let mut output = output(self.0.encoding, writer)?;
        let head = shell::open(version_of(&signers), &digest_algorithms_of(&signers)?);
        output.write_all(&head).map_err(unwritten)?;
        let algorithms = signers.iter().map(Ready::digest_algorithm);
        let digests = Digests::of(content, algorithms, |piece| {
            if piece.is_empty() {
                return Ok(());
            }
            let header = tlv::header(tlv::OCTET_STRING, piece.len() as u64);
            output.write_all(&header).map_err(unwritten)?;
            output.write_all(piece).map_err(unwritten)
        })?;
        let shell = shell_of(&signers, &digests)?;
        for part in [
            shell::CONTENT_END,
            &shell.certificates,
            &shell.signers,
            shell::DOCUMENT_END,
        ] {
            output.write_all(part).map_err(unwritten)?;
        }
        finish(output)
    }

    /// Signs these bytes, and returns the document in DER.
    ///
    /// # Errors
    /// As [`seekable`](Self::seekable).
    pub fn bytes(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let mut document = Vec::new();
        self.seekable(Cursor::new(content), &mut document)?;
        Ok(document)
    }
}

/// Of small writes large ones are made.
pub(super) type Output<W> = Armor<BufWriter<W>>;

pub(super) fn output<W: Write>(
    encoding: Encoding,
    writer: W,
) -> Result<Output<W>, SignDocumentError> {
    Armor::new(encoding, BufWriter::new(writer)).map_err(unwritten)
}

pub(super) fn finish<W: Write>(output: Output<W>) -> Result<(), Error> {
    Ok(output.finish().map_err(unwritten)?)
}

/// Copies a content that was hashed before, if it is still the same.
fn copy_same(
    content: impl Read,
    digests: &Digests,
    algorithm: Option<DigestAlgorithm>,
    length: u64,
    output: &mut impl Write,
) -> Result<(), SignDocumentError> {
    let mut left = length;
    let copied = Digests::of(content, algorithm, |piece| {
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or(SignDocumentError::ContentChanged)?;
        output.write_all(piece).map_err(unwritten)
    })?;
    let same = algorithm.is_none_or(|one| copied.get(one) == digests.get(one));
    match left == 0 && same {
        true => Ok(()),
        false => Err(SignDocumentError::ContentChanged),
    }
}

/// Has all of them sign.
fn shell_of(signers: &[Ready<'_, '_>], digests: &Digests) -> Result<Shell, Error> {
    Ok(Shell {
        version: version_of(signers),
        digest_algorithms: digest_algorithms_of(signers)?,
        certificates: certificates_of(signers),
        lists: Vec::new(),
        signers: tlv::set_of(tlv::SET, signer_infos(signers, Some(DATA), digests)?),
    })
}

pub(super) fn signer_infos(
    signers: &[Ready<'_, '_>],
    content_type: Option<ObjectIdentifier>,
    digests: &Digests,
) -> Result<Vec<Vec<u8>>, Error> {
    let sign = |signer: &Ready<'_, '_>| {
        let algorithm = signer.digest_algorithm();
        match digests.get(algorithm) {
            Some(digest) => signer.sign(content_type, digest),
            None => Err(SignDocumentError::DigestMissing { algorithm }.into()),
        }
    };
    signers.iter().map(sign).collect()
}

/// RFC 5652 section 5.1, for contents of the type id-data and X.509 certificates alone.
fn version_of(signers: &[Ready<'_, '_>]) -> u8 {
    signers.iter().map(Ready::version).max().unwrap_or(1)
}

fn digest_algorithms_of(signers: &[Ready<'_, '_>]) -> Result<Vec<u8>, SignDocumentError> {
    let algorithms = signers.iter().map(|signer| {
        let algorithm = signer.digest_identifier();
        algorithm.to_der().map_err(SignDocumentError::Encoding)
    });
    let mut algorithms: Vec<_> = algorithms.collect::<Result<_, _>>()?;
    algorithms.sort();
    algorithms.dedup();
    Ok(tlv::set_of(tlv::SET, algorithms))
}

fn certificates_of(signers: &[Ready<'_, '_>]) -> Vec<u8> {
    let certificates = signers.iter().flat_map(Ready::certificates);
    let mut certificates: Vec<_> = certificates.map(|one| one.der().to_vec()).collect();
    certificates.sort();
    certificates.dedup();
    match certificates.is_empty() {
        true => Vec::new(),
        false => tlv::set_of(tlv::context(0), certificates),
    }
}

/// Opens a file, and says in errors which it was.
fn in_file<T>(path: &Path, with: impl FnOnce(File) -> Result<T, Error>) -> Result<T, Error> {
    let named = |error| SignDocumentError::ReadFile {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(named)?;
    with(file).map_err(|error| match error {
        Error::SignDocument(SignDocumentError::Read(error)) => named(error).into(),
        error => error,
    })
}

pub(super) fn unread(error: std::io::Error) -> SignDocumentError {
    SignDocumentError::Read(error)
}

pub(super) fn unwritten(error: std::io::Error) -> SignDocumentError {
    SignDocumentError::Write(error)
}

impl From<Unread> for SignDocumentError {
    fn from(error: Unread) -> Self {
        Self::Read(error.0)
    }
}
