//! Why a document was not signed.

use std::io;
use std::path::PathBuf;

use der::asn1::ObjectIdentifier;

use crate::cms::{ReadError, TimestampError};
use crate::{DigestAlgorithm, KeyType, Scheme};

/// Why a document was not signed.
///
/// What a token refuses is told as it is for every signature: [`Error::Sign`](crate::Error::Sign) and
/// its neighbours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignDocumentError {
    /// The signer has a key and no certificate.
    #[error(
        "the identity {identity} has no certificate, by which a document names its signer; choose \
         one that has"
    )]
    NoCertificate {
        /// The identity's URI.
        identity: String,
    },
    /// No scheme is known for the signer's key.
    #[error("no signature scheme is known for {key_type} keys; choose another identity")]
    NoScheme {
        /// What the key is.
        key_type: KeyType,
    },
    /// The signer's certificate says that its key is not for this scheme.
    #[error("the certificate of {identity} forbids {scheme}; choose another scheme")]
    SchemeForbidden {
        /// The identity's URI.
        identity: String,
        /// The scheme.
        scheme: Scheme,
    },
    /// The signer's certificate has no subject key identifier to be named by.
    #[error(
        "the certificate of {identity} has no subject key identifier; name it by issuer and serial \
         number"
    )]
    NoKeyId {
        /// The identity's URI.
        identity: String,
    },
    /// The time of signing cannot be written.
    #[error("the time of signing is before 1970 or after 9999; give another, or none")]
    SigningTime,
    /// An attribute of the caller's cannot be signed.
    #[error("the attribute {oid} cannot be added: {reason}")]
    Attribute {
        /// Its type.
        oid: ObjectIdentifier,
        /// Why.
        reason: &'static str,
    },
    /// A signer's scheme wants another digest than those that were given.
    #[error("a signer wants the content's digest with {algorithm}, which was not given")]
    DigestMissing {
        /// The digest algorithm.
        algorithm: DigestAlgorithm,
    },
    /// A digest has not the length of its algorithm.
    #[error("the digest has {found} bytes, and {algorithm} has {}", algorithm.output_len())]
    DigestLength {
        /// The digest algorithm.
        algorithm: DigestAlgorithm,
        /// The length that was given, in bytes.
        found: usize,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A reader gave an error.
    #[error("what was to be signed could not be read: {0}")]
    Read(io::Error),
    /// A writer gave an error.
    #[error("the signed document could not be written: {0}")]
    Write(io::Error),
    /// The content was another when it was written than when it was hashed.
    #[error("the content has changed while it was being signed; sign it again")]
    ContentChanged,
    /// A document that was to be added to cannot be read.
    #[error("the document that was to be signed too cannot be read: {0}")]
    Document(#[source] ReadError),
    /// A document that was taken for a detached one is attached.
    #[error("the document has its content in it; sign it as an attached one (cosign_attached)")]
    ContentInside,
    /// A document that was taken for an attached one is detached.
    #[error("the document has no content in it; sign it as a detached one (cosign)")]
    ContentMissing,
    /// The signers of a document have signed another content.
    #[error("the document's signers have signed another content than this; is it the right file?")]
    OtherContent,
    /// There is no such signer, or none at all.
    #[error("there is no such signer: the document has {count}")]
    NoSuchSigner {
        /// How many there are.
        count: usize,
    },
    /// A time stamp could not be had.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
    /// Something cannot be encoded.
    #[error("the signature cannot be encoded: {0}")]
    Encoding(der::Error),
}
