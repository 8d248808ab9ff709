//! Why a certificate is not believed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;

use super::revocation::{RevocationProblem, RevocationReason};
use super::{Purpose, Weakness};
use crate::{Certificate, CertificateError};

/// Why there is no chain from a certificate to a trust anchor.
///
/// Where several ways were tried, this is what is wrong with the one that led furthest.
///
/// # Example
/// ```
/// use keyfob::trust::{ChainError, ChainReason};
///
/// fn advice(error: &ChainError) -> &'static str {
///     match error.reason {
///         ChainReason::NoIssuer { .. } => "ask the sender for the whole chain",
///         ChainReason::Revoked { .. } => "do not believe it",
///         _ => "see the message",
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate of {} (serial {}) {reason}", who(certificate), certificate.serial_hex())]
pub struct ChainError {
    /// The certificate that it is about: the signer's, or one above it.
    pub certificate: Certificate,
    /// What is wrong with it.
    pub reason: ChainReason,
}

/// What is wrong with a certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainReason {
    /// The certificate of its issuer is not there.
    #[error(
        "has no way to a trust anchor: the certificate of its issuer, {issuer}, is missing; add \
         that to the intermediates, or to the trust anchors if you trust it"
    )]
    NoIssuer {
        /// The issuer's name, as [`Certificate::issuer`] writes it.
        issuer: String,
        /// The identifier of the issuer's key, where the certificate names it.
        key_id: Option<Vec<u8>>,
    },
    /// It has issued itself, and is no trust anchor.
    #[error(
        "is signed by its own key and is none of the trust anchors; add it to them only if you \
         know from elsewhere that it is genuine"
    )]
    SelfSigned,
    /// It is no longer valid.
    #[error("expired on {}; where the signature is older, check it at the time of a time stamp", Moment(*until))]
    Expired {
        /// The last moment that it was valid.
        until: SystemTime,
    },
    /// It is not yet valid.
    #[error("is valid from {} only; check the clock, and the time that was asked for", Moment(*from))]
    NotYetValid {
        /// The first moment that it is valid.
        from: SystemTime,
    },
    /// Its issuer has revoked it.
    #[error("was revoked on {} ({reason}); do not rely on it", Moment(*at))]
    Revoked {
        /// Since when.
        at: SystemTime,
        /// What the issuer says why.
        reason: RevocationReason,
    },
    /// Whether it is revoked could not be told, and is demanded.
    #[error("may be revoked, which cannot be told: {0}")]
    RevocationUnknown(RevocationProblem),
    /// It is not for what it is used for.
    #[error("is not for {purpose}: {why}; the signer needs another certificate")]
    WrongPurpose {
        /// What it was used for.
        purpose: Purpose,
        /// What keeps it from it.
        why: &'static str,
    },
    /// It has issued a certificate, and is no authority's.
    #[error(
        "has issued another and is not one of an authority ({why}); what it issued is worth nothing"
    )]
    NotAnAuthority {
        /// What says so.
        why: &'static str,
    },
    /// It allows fewer authorities below it than there are.
    #[error(
        "allows {limit} authorities below it, and the chain has more; it must not be relied on"
    )]
    PathTooLong {
        /// How many it allows (RFC 5280 section 4.2.1.9).
        limit: u32,
    },
    /// A name in it is outside what an authority above it may name.
    #[error("names {name}, which an authority above it has no right to certify ({why})")]
    NameNotAllowed {
        /// The name.
        name: String,
        /// Which rule.
        why: &'static str,
    },
    /// It is valid under no policy that is wanted.
    #[error(
        "is valid under none of the certificate policies that are demanded of it; a certificate \
         with one of them is needed"
    )]
    Policy,
    /// A signature or a key is too weak.
    #[error("relies on {0}, which is too weak; allow it by name only where there is no other way")]
    Weak(Weakness),
    /// Its signature is not its issuer's.
    #[error("was changed, or was not signed by its issuer: its signature is wrong")]
    BrokenSignature,
    /// Its signature or its key is of an algorithm that is not known here.
    #[error("cannot be verified: {0}")]
    Unsupported(String),
    /// It has a critical extension that is unknown here (RFC 5280 section 4.2).
    #[error("has a critical extension that is unknown here, {0}, and must not be used without it")]
    CriticalExtension(ObjectIdentifier),
    /// An extension cannot be read, or is there twice.
    #[error("is malformed: {what}; ask whoever issued it for a sound one")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// More was to be tried than is tried for one certificate.
    #[error(
        "has too many ways to a trust anchor to try them all (more than {limit} {what}); give fewer \
         certificates"
    )]
    TooComplex {
        /// What there are too many of.
        what: &'static str,
        /// How many are tried.
        limit: usize,
    },
}

/// Why trust anchors, certificates or CRLs could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file or folder could not be read.
    #[error("{path:?} could not be read: {error}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A certificate in a file could not be read.
    #[error("{path:?}: {error}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: CertificateError,
    },
    /// A CRL could not be read.
    #[error(
        "{path:?}: the CRL is not DER as RFC 5280 wants it ({error}); check that it is a CRL and whole"
    )]
    Crl {
        /// The file; empty where the bytes came from elsewhere.
        path: PathBuf,
        /// Why.
        #[source]
        error: der::Error,
    },
    /// There is none in the file or folder.
    #[error("{path:?} holds no {what}, neither PEM nor DER; check that it is the right one")]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The file is larger than is read into memory.
    #[error("{path:?} is larger than the {limit} bytes that are read; it is no file of {what}")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
    },
}

/// The name that people know someone by.
pub(super) fn who(certificate: &Certificate) -> String {
    let name = certificate
        .common_name()
        .unwrap_or_else(|| certificate.subject());
    // A stranger's text must not break a log's line.
    format!("\"{}\"", name.replace(char::is_control, "\u{fffd}"))
}

/// A time as RFC 3339 writes it.
pub(super) struct Moment(pub(super) SystemTime);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match der::DateTime::from_system_time(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}
