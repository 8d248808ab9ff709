//! Reads a SignedData as it streams by (RFC 5652 section 5): the content goes through, everything
//! else is small and has limits.

mod armor;
mod ber;
mod definite;
mod parts;
mod signer_info;

use std::io::{self, Read};

use der::Decode;
use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use super::{SIGNED_DATA, Verdict};
use armor::Unarmored;
use ber::{BerReader, SEQUENCE, SET};
pub(super) use parts::{Parts, WriteError, with_unsigned_attribute};
pub(super) use signer_info::SignerInfo;

/// The most certificates in a document, and their bytes together and of one. They are few and small,
/// since one that is made for it takes fifty times as much memory when it is taken apart.
const MOST_CERTIFICATES: usize = 1_000;
const CERTIFICATES_LEN: usize = 2 * 1024 * 1024;
const CERTIFICATE_LEN: usize = 64 * 1024;
/// The most revocation lists that are kept, and their bytes together.
const MOST_CRLS: usize = 100;
const CRLS_LEN: usize = 16 * 1024 * 1024;
/// The most signers of a document, and their bytes together, with all that was stamped on them.
pub(super) const MOST_SIGNERS: usize = 1_000;
const SIGNERS_LEN: usize = 16 * 1024 * 1024;
/// Digest algorithms and other small fields.
const FIELDS_LEN: usize = 64 * 1024;

/// A document whose beginning has been read, up to its content.
pub(super) struct SignedData<R: Read> {
    reader: BerReader<Unarmored<R>>,
    /// What the content is; id-data for plain bytes.
    pub(super) content_type: ObjectIdentifier,
    /// What the content is to be hashed with.
    pub(super) digest_algorithms: Vec<AlgorithmIdentifierOwned>,
    /// Whether the content is in the document.
    pub(super) attached: bool,
}

/// What follows the content, in BER.
pub(super) struct Rest {
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) crls: Vec<Vec<u8>>,
    pub(super) signers: Vec<Vec<u8>>,
}

impl<R: Read> SignedData<R> {
    /// Reads the beginning.
    pub(super) fn open(source: R) -> Result<Self, ReadError> {
        let unarmored = Unarmored::new(source).map_err(ReadError::Read)?;
        let mut reader = BerReader::new(unarmored);
        let mut fields = Budget::new("digest algorithms", FIELDS_LEN);

        reader.enter(SEQUENCE, "no ContentInfo")?;
        let found = object_identifier(&mut reader, &mut fields)?;
        if found != SIGNED_DATA {
            return Err(ReadError::NotSignedData { found });
        }
        reader.enter(0xa0, "a ContentInfo without content")?;
        reader.enter(SEQUENCE, "a SignedData that is no SEQUENCE")?;
        let version = reader.element(&mut fields)?;
        if !u8::from_der(&version).is_ok_and(|version| (1..=5).contains(&version)) {
            return Err(reader.malformed("a SignedData of a version that is not 1 to 5"));
        }

        let mut digest_algorithms = Vec::new();
        reader.enter(SET, "a SignedData without digest algorithms")?;
        while reader.peek()?.is_some() {
            let der = definite::to_der(&reader.element(&mut fields)?)?;
            let algorithm = AlgorithmIdentifierOwned::from_der(&der);
            digest_algorithms
                .push(algorithm.map_err(|_| reader.malformed("a digest algorithm that is none"))?);
        }
        reader.leave("digest algorithms")?;

        reader.enter(SEQUENCE, "a SignedData without content information")?;
        let content_type = object_identifier(&mut reader, &mut fields)?;
        let attached = reader.next_is(0xa0)?;
        Ok(Self {
            reader,
            content_type,
            digest_algorithms,
            attached,
        })
    }

    /// Gives the content piece by piece, where there is one, and reads all that follows.
    pub(super) fn read(
        mut self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), ReadError>,
    ) -> Result<Rest, ReadError> {
        const CONTENT: &str = "a content that is no OCTET STRING";
        let reader = &mut self.reader;
        if self.attached {
            reader.enter(0xa0, CONTENT)?;
            reader.octets(CONTENT, take)?;
            reader.leave(CONTENT)?;
        }
        reader.leave("something unknown after the content")?;

        let mut certificates = Vec::new();
        let mut certificate_bytes = Budget::new("certificates", CERTIFICATES_LEN);
        if reader.next_is(0xa0)? {
            reader.enter(0xa0, "certificates")?;
            while let Some(header) = reader.peek()? {
                match header.tag {
                    SEQUENCE if certificates.len() == MOST_CERTIFICATES => {
                        return Err(ReadError::TooMany {
                            what: "certificates",
                            limit: MOST_CERTIFICATES,
                        });
                    }
                    SEQUENCE => {
                        let certificate = reader.element(&mut certificate_bytes)?;
                        Budget::new("single certificates", CERTIFICATE_LEN)
                            .take(certificate.len())?;
                        certificates.push(certificate);
                    }
                    // Attribute certificates and whatever else there may be say nothing here.
                    _ => reader.skip()?,
                }
            }
            reader.leave("certificates")?;
        }
        let mut crls = Vec::new();
        let mut crl_bytes = Budget::new("revocation lists", CRLS_LEN);
        if reader.next_is(0xa1)? {
            reader.enter(0xa1, "revocation lists")?;
            while let Some(header) = reader.peek()? {
                match header.tag {
                    SEQUENCE if crls.len() < MOST_CRLS => {
                        crls.push(reader.element(&mut crl_bytes)?)
                    }
                    // Other forms, and more than anybody needs.
                    _ => reader.skip()?,
                }
            }
            reader.leave("revocation lists")?;
        }

        let mut signers = Vec::new();
        let mut signer_bytes = Budget::new("signers", SIGNERS_LEN);
        reader.enter(SET, "a SignedData without signers")?;
        while reader.peek()?.is_some() {
            if signers.len() == MOST_SIGNERS {
                return Err(ReadError::TooMany {
                    what: "signers",
                    limit: MOST_SIGNERS,
                });
            }
            signers.push(reader.element(&mut signer_bytes)?);
        }
        for _ in 0..4 {
            reader.leave("something unknown after the signers")?;
        }
        self.reader.finish()?;
        Ok(Rest {
            certificates,
            crls,
            signers,
        })
    }
}

fn object_identifier<R: Read>(
    reader: &mut BerReader<Unarmored<R>>,
    fields: &mut Budget,
) -> Result<ObjectIdentifier, ReadError> {
    let der = reader.element(fields)?;
    ObjectIdentifier::from_der(&der)
        .map_err(|_| reader.malformed("an object identifier that is none"))
}

/// How many bytes more are kept in memory.
struct Budget {
    what: &'static str,
    limit: usize,
    left: usize,
}

impl Budget {
    fn new(what: &'static str, limit: usize) -> Self {
        Self {
            what,
            limit,
            left: limit,
        }
    }

    /// For what is in memory already.
    fn unlimited() -> Self {
        Self::new("bytes", usize::MAX)
    }

    fn take(&mut self, count: usize) -> Result<(), ReadError> {
        self.left = self.left.checked_sub(count).ok_or(ReadError::TooLarge {
            what: self.what,
            limit: self.limit,
        })?;
        Ok(())
    }
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The document could not be read from where it is, or is neither binary nor PEM nor base64.
    #[error("the document could not be read: {0}")]
    Read(#[source] io::Error),
    /// The content could not be read.
    #[error("the content could not be read: {0}")]
    Content(#[source] io::Error),
    /// The content could not be written to where the caller wants it.
    #[error("the content could not be written: {0}")]
    Write(#[source] io::Error),
    /// The document ends too early.
    #[error("the document ends at byte {at}, in the middle of something; get it whole")]
    Truncated {
        /// How many bytes there are.
        at: u64,
    },
    /// The bytes are not as RFC 5652 has them.
    #[error("the document is malformed: at byte {at} there is {what}")]
    Malformed {
        /// Near which byte, of the binary form.
        at: u64,
        /// What is there.
        what: &'static str,
    },
    /// Elements stand in each other deeper than anything that is meant honestly.
    #[error(
        "the document is nested deeper than {} levels at byte {at}; nothing that is meant honestly is",
        ber::DEPTH
    )]
    Nesting {
        /// Near which byte, of the binary form.
        at: u64,
    },
    /// There are more than are read.
    #[error("the document has more than {limit} {what}, and no more are read")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Something is longer than is kept in memory.
    #[error("the document's {what} have more than {limit} bytes, and no more are kept in memory")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How many bytes there may be.
        limit: usize,
    },
    /// It is CMS, and not signed: encrypted, or something else.
    #[error(
        "the document is not signed: its type is {found}, and that of SignedData is {SIGNED_DATA}"
    )]
    NotSignedData {
        /// Its content type.
        found: ObjectIdentifier,
    },
    /// The document has its content in it, and the caller gave one too.
    #[error("the document has its content in it; check it without another")]
    ContentTwice,
    /// Only the content of a valid document is given out.
    #[error("the document is {verdict}, so that its content is not given out; see the report")]
    NotValid {
        /// The verdict on it.
        verdict: Verdict,
    },
    /// The document is a signature without the content.
    #[error("there is no content in the document, it is beside it")]
    NoContent,
    /// The document is another than the one that was checked.
    #[error(
        "the document changed after it was checked; do not use what was written, and check again"
    )]
    Changed,
}
