//! What is wrong with a document, and what is only odd.

use der::asn1::ObjectIdentifier;

use super::Verdict;
use crate::trust::{ChainError, ChainReason, Weakness};
use crate::{DigestAlgorithm, Scheme};

/// Why a signature is not valid, or why that could not be told.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The document is signed by nobody.
    #[error("nobody has signed it")]
    NoSigners,
    /// The content is not in the document, and was not given.
    #[error("the content is not in the document; give the file that was signed")]
    ContentMissing,
    /// The content is not the one that was signed.
    #[error("the content is not what was signed: its {algorithm} digest is another")]
    DigestMismatch {
        /// What it was hashed with.
        algorithm: DigestAlgorithm,
    },
    /// The signature is not one by the key of the certificate.
    #[error(
        "the {scheme} signature is wrong: damaged, or made with the key of another certificate"
    )]
    BadSignature {
        /// What it was checked with.
        scheme: Scheme,
    },
    /// The document does not name the signer's digest before its content, as RFC 5652 section 5.1
    /// has it, so that the content was not hashed with it.
    #[error(
        "the document does not announce {algorithm} before its content, so that it was not hashed with it; \
         have it made again"
    )]
    DigestNotAnnounced {
        /// The signer's digest algorithm.
        algorithm: DigestAlgorithm,
    },
    /// The signer's digest algorithm is not known here.
    #[error("the digest algorithm {oid} is not known here")]
    UnknownDigest {
        /// Its object identifier.
        oid: ObjectIdentifier,
    },
    /// The signature algorithm is not known here, or not with these parameters.
    #[error("the signature cannot be checked here: {reason}")]
    UnknownAlgorithm {
        /// What is not known.
        reason: String,
    },
    /// The signer names algorithms that do not belong together.
    #[error("the algorithms contradict each other: {reason}")]
    AlgorithmsDiffer {
        /// Which.
        reason: String,
    },
    /// Something is too weak for the policy.
    #[error("{what} is too weak; allow it by name only where there is no other way")]
    TooWeak {
        /// What it is.
        what: String,
        /// What would have to be allowed.
        weakness: Weakness,
    },
    /// The signer's certificate is not in the document, and was not given.
    #[error("the certificate of the signer ({signer}) is not in the document; give it")]
    CertificateMissing {
        /// By what the document names it.
        signer: String,
    },
    /// The key in the certificate cannot be used.
    #[error("the key in the certificate cannot be used: {reason}")]
    UnusableKey {
        /// Why.
        reason: String,
    },
    /// An attribute that must be there is not.
    #[error("the attribute {attribute} is missing")]
    AttributeMissing {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute, or its value, is there more than once.
    #[error("the attribute {attribute} is there more than once")]
    AttributeRepeated {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute cannot be read.
    #[error("the attribute {attribute} cannot be read")]
    AttributeMalformed {
        /// Its name.
        attribute: &'static str,
    },
    /// An attribute is among the signed ones and should not be, or the other way round.
    #[error("the attribute {attribute} is where it must not be")]
    AttributeMisplaced {
        /// Its name.
        attribute: &'static str,
    },
    /// The signer signed content of another type.
    #[error("the signer signed content of type {signed}, and this is of type {found}")]
    ContentTypeMismatch {
        /// The type that is signed.
        signed: ObjectIdentifier,
        /// The type of the content.
        found: ObjectIdentifier,
    },
    /// A signer without signed attributes has content of another type than plain data, which RFC
    /// 5652 section 5.3 forbids.
    #[error(
        "the signer has no signed attributes, and the content is no plain data but of type {found}"
    )]
    AttributesNeeded {
        /// The type of the content.
        found: ObjectIdentifier,
    },
    /// A signer without signed attributes, and a content that looks like signed attributes: those of
    /// another document may have been made its content.
    #[error(
        "the content looks like the signed attributes of another document, and the signer has none; \
         the signature may be that of another document"
    )]
    AttributesAsContent,
    /// The signer means another certificate (signing-certificate attributes, RFC 5035).
    #[error("the signer signed with another certificate: the attribute {attribute} names it")]
    OtherCertificate {
        /// The attribute that says so.
        attribute: &'static str,
    },
    /// The certificate is not for signing documents.
    #[error("the certificate is not for signing (its key usage)")]
    NotForSigning,
    /// The content has to be in memory whole to be checked, and is too long for it.
    #[error(
        "{scheme} without signed attributes needs the content whole, and it has more than {limit} bytes"
    )]
    ContentTooLong {
        /// The scheme.
        scheme: Scheme,
        /// The most bytes.
        limit: usize,
    },
    /// There is nobody to trust: the caller gave no anchors.
    #[error("it is not known whom to trust; give the certificates of authorities")]
    NoTrust,
    /// No chain of certificates leads to an authority that is trusted, or it does not hold.
    #[error("{0}")]
    Chain(ChainError),
    /// There is no time stamp, and the policy demands one.
    #[error("there is no time stamp")]
    NoTimestamp,
    /// A time stamp is not one of this signature.
    #[error("the time stamp is of another signature")]
    OtherStamped,
    /// A time stamp is none.
    #[error("the time stamp cannot be read: {reason}")]
    MalformedStamp {
        /// Why.
        reason: String,
    },
    /// A time stamp is wrong, or it could not be told whether it is right: its own report says why.
    #[error("a time stamp is {0}")]
    Timestamp(Verdict),
    /// A counter-signature is wrong, or it could not be told whether it is right: its own report says
    /// why.
    #[error("a counter-signature is {0}")]
    CounterSignature(Verdict),
    /// A counter-signature is none.
    #[error("a counter-signature cannot be read: {reason}")]
    MalformedCounterSignature {
        /// Why.
        reason: String,
    },
    /// There are more signatures, time stamps and counter-signatures than are checked.
    #[error("there are more than {limit} signatures, and no more are checked")]
    TooManySignatures {
        /// How many there may be.
        limit: usize,
    },
}

impl Problem {
    /// Whether it makes the document invalid, or leaves it open.
    ///
    /// Open is what the caller can close by giving more (the content, certificates, anchors,
    /// revocation lists), and what is not known here.
    ///
    /// # Example
    /// ```
    /// use keyfob::cms::{Problem, Verdict};
    ///
    /// assert_eq!(Problem::ContentMissing.verdict(), Verdict::CouldNotTell);
    /// assert_eq!(Problem::NoSigners.verdict(), Verdict::Invalid);
    /// ```
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::ContentMissing
            | Self::DigestNotAnnounced { .. }
            | Self::UnknownDigest { .. }
            | Self::UnknownAlgorithm { .. }
            | Self::CertificateMissing { .. }
            | Self::UnusableKey { .. }
            | Self::ContentTooLong { .. }
            | Self::TooManySignatures { .. }
            | Self::NoTrust => Verdict::CouldNotTell,
            Self::Timestamp(verdict) | Self::CounterSignature(verdict) => *verdict,
            Self::Chain(error) => chain_verdict(&error.reason),
            _ => Verdict::Invalid,
        }
    }
}

/// Where anchors are given and the chain does not lead to one, the answer is no. Open is what a
/// revocation list or an algorithm more could change.
fn chain_verdict(reason: &ChainReason) -> Verdict {
    match reason {
        ChainReason::RevocationUnknown(_)
        | ChainReason::Unsupported(_)
        | ChainReason::TooComplex { .. } => Verdict::CouldNotTell,
        _ => Verdict::Invalid,
    }
}

/// What does not make a signature invalid, and should be known.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The signer signed nothing but the content: which certificate and when is not signed.
    #[error("plain CMS without signed attributes: neither its time nor the certificate is signed")]
    NoSignedAttributes,
    /// The signer does not say which certificate it signed with, which CAdES demands.
    #[error("no CAdES: the signer does not say which certificate it signed with")]
    NoSigningCertificate,
    /// The certificate is named by a SHA-1 digest alone (RFC 2634).
    #[error("the certificate is named by a SHA-1 digest alone")]
    SigningCertificateBySha1,
    /// Something weak, which the policy allows.
    #[error("{what} is weak, and allowed")]
    Weak {
        /// What it is.
        what: String,
        /// What was allowed.
        weakness: Weakness,
    },
    /// The time that the signer claims is not within the certificate's validity.
    #[error("the certificate was not valid at the time that the signer claims")]
    ClaimedOutsideValidity,
    /// The time that the signer claims is later than that of the check, or than the time stamp.
    #[error("the time that the signer claims is later than it can be")]
    ClaimedTooLate,
    /// Certificates in the document cannot be read.
    #[error("{count} of the certificates in the document cannot be read")]
    UnreadableCertificates {
        /// How many.
        count: usize,
    },
}
