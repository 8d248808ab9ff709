//! A chain that was found, and what is to be said of it.

use std::fmt;

use der::asn1::ObjectIdentifier;

use super::revocation::RevocationStatus;
use crate::Certificate;

/// A chain of certificates from a signer to a trust anchor, which was checked as a whole.
///
/// # Example
/// ```no_run
/// use std::time::SystemTime;
/// use keyfob::trust::{Purpose, Trust};
///
/// # let signer = keyfob::Certificate::read("signer.crt")?;
/// let mut trust = Trust::new();
/// trust.anchors_from("/etc/ssl/certs")?;
/// let chain = trust.check(&signer, &[], Purpose::Signing, SystemTime::now())?;
/// println!("vouched for by {}", chain.anchor().subject());
/// for warning in chain.warnings() {
///     println!("but: {warning}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chain {
    /// Never empty.
    pub(super) certificates: Vec<Certificate>,
    pub(super) anchor: Certificate,
    pub(super) revocation: Vec<RevocationStatus>,
    pub(super) policies: Vec<ObjectIdentifier>,
}

impl Chain {
    /// The certificates, from the signer's to the trust anchor. One that is a trust anchor itself
    /// stands alone.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The trust anchor.
    pub fn anchor(&self) -> &Certificate {
        &self.anchor
    }

    /// What is known of the revocation of each certificate, in their order. The trust anchor, which
    /// nobody can revoke, has none.
    ///
    /// # Example
    /// ```no_run
    /// # use std::time::SystemTime;
    /// # use keyfob::trust::{Purpose, RevocationStatus, Trust};
    /// # let signer = keyfob::Certificate::read("signer.crt")?;
    /// # let chain = Trust::new().check(&signer, &[], Purpose::Any, SystemTime::now())?;
    /// for (certificate, status) in chain.certificates().iter().zip(chain.revocation()) {
    ///     if let RevocationStatus::Unknown(problem) = status {
    ///         println!("{}: {problem}", certificate.subject());
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revocation(&self) -> &[RevocationStatus] {
        &self.revocation
    }

    /// Whether a fresh CRL says of each certificate that it is not revoked.
    pub fn is_known_unrevoked(&self) -> bool {
        self.revocation
            .iter()
            .all(|status| matches!(status, RevocationStatus::Good { .. }))
    }

    /// The certificate policies that the chain is valid under, of those that are wanted (RFC 5280
    /// section 6.1.5 (g)); anyPolicy where it is valid under every one.
    pub fn policies(&self) -> &[ObjectIdentifier] {
        &self.policies
    }

    /// What a person should know although the chain was accepted.
    pub fn warnings(&self) -> Vec<ChainWarning> {
        let unknown = self.revocation.iter().zip(&self.certificates);
        unknown
            .filter_map(|(status, certificate)| match status {
                RevocationStatus::Unknown(problem) => Some(ChainWarning::RevocationUnknown {
                    certificate: certificate.clone(),
                    problem: problem.clone(),
                }),
                _ => None,
            })
            .collect()
    }
}

/// What a person should know of a chain that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainWarning {
    /// Whether a certificate is revoked could not be told.
    RevocationUnknown {
        /// The certificate.
        certificate: Certificate,
        /// Why not.
        problem: super::RevocationProblem,
    },
}

impl fmt::Display for ChainWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RevocationUnknown {
                certificate,
                problem,
            } => {
                let who = super::error::who(certificate);
                write!(f, "the certificate of {who} may be revoked: {problem}")
            }
        }
    }
}
