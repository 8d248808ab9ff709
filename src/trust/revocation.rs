//! What can be said of the revocation of a certificate.

mod check;

use std::fmt;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::CrlReason;

pub(super) use check::check;

use super::error::Moment;
use super::weakness::Weakness;

/// What is demanded of revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// CRLs are not looked at.
    Off,
    /// A certificate that a CRL says is revoked is refused. Where nothing can be told, the chain
    /// says so, and stands.
    #[default]
    WhereKnown,
    /// A certificate that no fresh CRL speaks for is refused too.
    Required,
}

/// What is known of the revocation of one certificate that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationStatus {
    /// It was not asked.
    NotChecked,
    /// A CRL of its issuer says that it is not revoked.
    Good {
        /// When the CRL was issued; the newest where there are several.
        this_update: SystemTime,
        /// Until when the next one is due, if the CRL says so.
        next_update: Option<SystemTime>,
    },
    /// Nothing can be told.
    Unknown(RevocationProblem),
}

/// Why it cannot be told whether a certificate is revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationProblem {
    /// There is no CRL of its issuer.
    #[error("there is no CRL of its issuer, {issuer}; get the newest one, and give it")]
    Missing {
        /// The issuer's name.
        issuer: String,
    },
    /// The CRL is for other certificates of the issuer.
    #[error(
        "the CRL of its issuer is for other certificates (those of authorities, or of another \
         distribution point); get the one that the certificate names"
    )]
    OutOfScope,
    /// The CRL says no more than what has changed since another, which is not there.
    #[error("there is a delta CRL of its issuer alone; get the complete one, too")]
    DeltaWithoutBase,
    /// The CRL speaks for certificates of several issuers (RFC 5280 section 5.2.5).
    #[error(
        "the CRL is an indirect one, which speaks for several issuers; these are not understood \
         here, get one of the issuer itself"
    )]
    Indirect,
    /// The CRLs are for some reasons alone (RFC 5280 section 5.2.5).
    #[error(
        "the CRLs of its issuer leave out some reasons of revocation; get those for the others, too"
    )]
    SomeReasons,
    /// It cannot be told who signed the CRL: neither the issuer's key, nor another key that the same
    /// anchor vouches for.
    #[error(
        "the CRL with the name of its issuer was not signed by it, or was changed; get it anew"
    )]
    BrokenSignature,
    /// Whoever signed the CRL may not sign any.
    #[error(
        "the CRL of its issuer is signed with a key that may sign none: its key usage has no cRLSign"
    )]
    NotForCrls,
    /// The signature of the CRL is too weak.
    #[error(
        "the CRL of its issuer relies on {0}, which is too weak; allow it by name only where there is no other way"
    )]
    Weak(Weakness),
    /// The signature of the CRL is of an algorithm that is not known here.
    #[error("the CRL of its issuer cannot be verified: {0}")]
    Unsupported(String),
    /// The CRL has a critical extension that is unknown here.
    #[error("the CRL of its issuer has a critical extension that is unknown here, {0}")]
    CriticalExtension(ObjectIdentifier),
    /// The CRL cannot be read.
    #[error("the CRL of its issuer is malformed: {what}")]
    Malformed {
        /// What is wrong.
        what: String,
    },
    /// The CRL was issued when the certificate had expired, and lists expired ones no more.
    #[error(
        "the CRL of its issuer is from {}, when the certificate had expired and was no longer \
         listed; get one from before",
        Moment(*this_update)
    )]
    IssuedAfterExpiry {
        /// When the CRL was issued.
        this_update: SystemTime,
    },
    /// A newer CRL was due before the time that was asked for.
    #[error("the CRL of its issuer is stale: a newer one was due on {}; get that", Moment(*next_update))]
    Stale {
        /// When the newer one was due.
        next_update: SystemTime,
    },
}

impl RevocationProblem {
    /// How near it is to an answer: of several problems the nearest is told.
    fn nearness(&self) -> u8 {
        match self {
            Self::Missing { .. } => 0,
            Self::OutOfScope => 1,
            Self::DeltaWithoutBase => 2,
            Self::Indirect => 3,
            Self::Malformed { .. } | Self::CriticalExtension(_) => 4,
            Self::BrokenSignature | Self::NotForCrls | Self::Weak(_) | Self::Unsupported(_) => 5,
            Self::SomeReasons => 6,
            Self::IssuedAfterExpiry { .. } => 7,
            Self::Stale { .. } => 8,
        }
    }
}

/// Why a certificate was revoked (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum RevocationReason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    /// For the time being: a later CRL may take it back.
    CertificateHold,
    /// In a delta CRL: no longer on hold, or expired.
    RemoveFromCrl,
    PrivilegeWithdrawn,
    AaCompromise,
}

impl From<CrlReason> for RevocationReason {
    fn from(reason: CrlReason) -> Self {
        match reason {
            CrlReason::Unspecified => Self::Unspecified,
            CrlReason::KeyCompromise => Self::KeyCompromise,
            CrlReason::CaCompromise => Self::CaCompromise,
            CrlReason::AffiliationChanged => Self::AffiliationChanged,
            CrlReason::Superseded => Self::Superseded,
            CrlReason::CessationOfOperation => Self::CessationOfOperation,
            CrlReason::CertificateHold => Self::CertificateHold,
            CrlReason::RemoveFromCRL => Self::RemoveFromCrl,
            CrlReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            CrlReason::AaCompromise => Self::AaCompromise,
        }
    }
}

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "no reason given",
            Self::KeyCompromise => "the key was compromised",
            Self::CaCompromise => "the authority was compromised",
            Self::AffiliationChanged => "the owner's affiliation has changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "no longer needed",
            Self::CertificateHold => "on hold",
            Self::RemoveFromCrl => "no longer on hold",
            Self::PrivilegeWithdrawn => "a privilege was withdrawn",
            Self::AaCompromise => "the attribute authority was compromised",
        })
    }
}
