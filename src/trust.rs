//! Certificate chains (RFC 5280): from the signer to an authority that one trusts.
//!
//! A [`Trust`] holds what a program believes: trust anchors, and what helps to get to them from a
//! signer: certificates of authorities between, and CRLs. [`Trust::check`] gives the [`Chain`] of a
//! certificate or says, in a [`ChainError`], why there is none. Nothing is fetched from a network.
//!
//! ```no_run
//! use std::time::SystemTime;
//! use keyfob::Certificate;
//! use keyfob::trust::{ChainReason, Purpose, Revocation, Trust};
//!
//! let mut trust = Trust::new();
//! trust.anchors_from("roots/")?;
//! trust.crls_from("crls/")?;
//! trust.revocation(Revocation::Required);
//!
//! let signer = Certificate::read("signer.crt")?;
//! match trust.check(&signer, &[], Purpose::Signing, SystemTime::now()) {
//!     Ok(chain) => println!("vouched for by {}", chain.anchor().subject()),
//!     Err(error) => match error.reason {
//!         ChainReason::Revoked { .. } => println!("revoked! {error}"),
//!         _ => println!("not trusted: {error}"),
//!     },
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chain;
mod constraints;
mod crl;
mod error;
mod files;
mod names;
mod node;
mod path;
mod policies;
mod pool;
mod purpose;
mod revocation;
mod search;
mod weakness;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use der::asn1::ObjectIdentifier;

pub use chain::{Chain, ChainWarning};
pub use error::{ChainError, ChainReason, TrustError};
pub use purpose::Purpose;
pub use revocation::{Revocation, RevocationProblem, RevocationReason, RevocationStatus};
pub use weakness::Weakness;

use crate::Certificate;
use crl::Crl;
use names::NameKey;
use node::Node;
use path::Rules;
use policies::Wanted;
use pool::Pool;
use search::Search;

/// What a program believes, and what helps it to find out whether a certificate is to be believed.
///
/// `Clone` is cheap, and what is added to a clone is not in the original: the CRLs that came with one
/// document can be added for it alone.
///
/// # Example
/// ```
/// use std::time::SystemTime;
/// use keyfob::trust::{Purpose, Trust, Weakness};
///
/// let mut trust = Trust::new();
/// // An old card's key, which nobody can replace.
/// trust.allow(Weakness::ShortRsa);
/// assert_eq!(trust.anchors(), 0);
/// ```
#[derive(Clone, Default)]
pub struct Trust {
    anchors: Arc<Pool>,
    intermediates: Arc<Pool>,
    crls: HashMap<NameKey, Vec<Arc<Crl>>>,
    revocation: Revocation,
    policies: Wanted,
    allowed: Vec<Weakness>,
    problems: Vec<Arc<TrustError>>,
}

impl Trust {
    /// Believes nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a trust anchor: an authority that is believed without a signature of another.
    ///
    /// It need not be signed by itself; one between is an anchor too where it is named as one. Its
    /// signature is not looked at; its validity, its key and what it may certify are.
    pub fn anchor(&mut self, certificate: &Certificate) -> &mut Self {
        Arc::make_mut(&mut self.anchors).add(certificate);
        self
    }

    /// Adds the trust anchors of a file, PEM with any number of them or DER, or of the files in a
    /// folder, but not in the folders within it. The answer is how many were read.
    ///
    /// What cannot be read among others is passed over, and stands in [`problems`](Self::problems).
    ///
    /// # Errors
    /// [`TrustError`] where there is none that can be read.
    ///
    /// # Example
    /// ```
    /// use keyfob::trust::{Trust, TrustError};
    ///
    /// let none = Trust::new().anchors_from("/no/such/file");
    /// assert!(matches!(none, Err(TrustError::Read { .. })));
    /// ```
    pub fn anchors_from(&mut self, path: impl AsRef<Path>) -> Result<usize, TrustError> {
        let read = self.certificates(path.as_ref())?;
        let pool = Arc::make_mut(&mut self.anchors);
        Ok(read.iter().map(|certificate| pool.add(certificate)).count())
    }

    /// How many trust anchors there are.
    pub fn anchors(&self) -> usize {
        self.anchors.len()
    }

    /// Adds the certificate of an authority between signers and anchors, which is not believed for
    /// that, but may lead to an anchor.
    pub fn intermediate(&mut self, certificate: &Certificate) -> &mut Self {
        Arc::make_mut(&mut self.intermediates).add(certificate);
        self
    }

    /// Adds certificates of authorities between, as [`anchors_from`](Self::anchors_from) does
    /// anchors.
    ///
    /// # Errors
    /// [`TrustError`] where there is none that can be read.
    pub fn intermediates_from(&mut self, path: impl AsRef<Path>) -> Result<usize, TrustError> {
        let read = self.certificates(path.as_ref())?;
        let pool = Arc::make_mut(&mut self.intermediates);
        Ok(read.iter().map(|certificate| pool.add(certificate)).count())
    }

    /// Adds a CRL in DER.
    ///
    /// # Errors
    /// [`TrustError::Crl`].
    ///
    /// # Example
    /// ```
    /// use keyfob::trust::{Trust, TrustError};
    ///
    /// assert!(matches!(Trust::new().crl(b"0\0"), Err(TrustError::Crl { .. })));
    /// ```
    pub fn crl(&mut self, der: &[u8]) -> Result<&mut Self, TrustError> {
        self.add_crl(PathBuf::new(), der)?;
        Ok(self)
    }

    /// Adds the CRLs of a file, PEM or DER, or of the files in a folder. The answer is how many were
    /// read.
    ///
    /// # Errors
    /// [`TrustError`] where there is none that can be read.
    pub fn crls_from(&mut self, path: impl AsRef<Path>) -> Result<usize, TrustError> {
        let path = path.as_ref();
        let mut found = files::read(path, files::CRLS)?;
        let mut count = 0;
        for (file, der) in found.all {
            match self.add_crl(file, &der) {
                Ok(()) => count += 1,
                Err(problem) => found.problems.push(problem),
            }
        }
        self.note(path, files::CRLS, count, found.problems)
    }

    /// What is demanded of revocation: [`Revocation::WhereKnown`], where nothing is said.
    pub fn revocation(&mut self, revocation: Revocation) -> &mut Self {
        self.revocation = revocation;
        self
    }

    /// Accepts what is refused for being too weak.
    ///
    /// Of signatures with MD5 and SHA-1, RSA PKCS#1 v1.5 and ECDSA are verified then; RSA-PSS is
    /// [`ChainReason::Unsupported`].
    pub fn allow(&mut self, weakness: Weakness) -> &mut Self {
        self.allowed.push(weakness);
        self
    }

    /// Demands that chains are valid under one of these certificate policies, all along (RFC 5280
    /// section 6.1.1 (c) and (e)).
    ///
    /// # Example
    /// ```
    /// let mut trust = keyfob::trust::Trust::new();
    /// // Qualified certificates of Kazakhstan's authority, for signing by individuals.
    /// trust.policies(["1.2.398.3.3.2.1".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn policies(&mut self, policies: impl IntoIterator<Item = ObjectIdentifier>) -> &mut Self {
        self.policies.policies.extend(policies);
        self.policies.explicit = true;
        self
    }

    /// Demands that chains are valid under some certificate policy, whichever it is.
    pub fn explicit_policy(&mut self, demanded: bool) -> &mut Self {
        self.policies.explicit = demanded;
        self
    }

    /// Takes no policy for another, whatever authorities say (RFC 5280 section 6.1.1 (d)).
    pub fn no_policy_mapping(&mut self, demanded: bool) -> &mut Self {
        self.policies.no_mapping = demanded;
        self
    }

    /// Takes anyPolicy in a certificate for none (RFC 5280 section 6.1.1 (f)).
    pub fn no_any_policy(&mut self, demanded: bool) -> &mut Self {
        self.policies.no_any_policy = demanded;
        self
    }

    /// What could not be read among the files that were given.
    pub fn problems(&self) -> impl Iterator<Item = &TrustError> {
        self.problems.iter().map(AsRef::as_ref)
    }

    /// The chain from a certificate to a trust anchor, valid at a time and fit for a purpose.
    ///
    /// `intermediates` are certificates that came with a document. They are believed as little as
    /// the document itself, and there may be any number: what is tried is bounded, and more than
    /// that is [`ChainReason::TooComplex`].
    ///
    /// For a signature with a time stamp `at` is that time; for any other it is now, since a
    /// signer can claim whatever time it likes. A certificate that was revoked later than `at` was
    /// not revoked then; a CRL may be newer than `at`.
    ///
    /// # Errors
    /// [`ChainError`]: what is wrong, and with which certificate.
    ///
    /// # Example
    /// ```no_run
    /// # use std::time::SystemTime;
    /// # use keyfob::trust::{Purpose, Trust};
    /// # let signer = keyfob::Certificate::read("signer.crt")?;
    /// let mut trust = Trust::new();
    /// trust.anchors_from("root.pem")?;
    /// let chain = trust.check(&signer, &[], Purpose::Signing, SystemTime::now())?;
    /// assert_eq!(chain.certificates()[0], signer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
        purpose: Purpose,
        at: SystemTime,
    ) -> Result<Chain, ChainError> {
        let given = Pool::new(intermediates);
        let (allowed, policies) = (&self.allowed, &self.policies);
        let rules = Rules {
            purpose,
            at,
            allowed,
            policies,
        };
        Search::new(self, &given, rules).run(&Node::new(certificate))
    }

    fn certificates(&mut self, path: &Path) -> Result<Vec<Certificate>, TrustError> {
        let mut found = files::read(path, files::CERTIFICATES)?;
        let mut read = Vec::new();
        for (path, der) in found.all {
            match Certificate::from_der(&der) {
                Ok(certificate) => read.push(certificate),
                Err(error) => found.problems.push(TrustError::Certificate { path, error }),
            }
        }
        self.note(path, files::CERTIFICATES, read.len(), found.problems)?;
        Ok(read)
    }

    /// Keeps what could not be read, or fails with it where nothing was.
    fn note(
        &mut self,
        path: &Path,
        kind: files::Kind,
        read: usize,
        mut problems: Vec<TrustError>,
    ) -> Result<usize, TrustError> {
        if read == 0 {
            return Err(problems.pop().unwrap_or_else(|| files::empty(path, kind)));
        }
        self.problems.extend(problems.into_iter().map(Arc::new));
        Ok(read)
    }

    fn add_crl(&mut self, path: PathBuf, der: &[u8]) -> Result<(), TrustError> {
        let crl = Crl::from_der(der).map_err(|error| TrustError::Crl { path, error })?;
        let here = self.crls.entry(crl.issuer_key.clone()).or_default();
        if !here.iter().any(|known| known.is_same_as(&crl)) {
            here.push(Arc::new(crl));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust")
            .field("anchors", &self.anchors.len())
            .field("intermediates", &self.intermediates.len())
            .field("crls", &self.crls.values().map(Vec::len).sum::<usize>())
            .field("revocation", &self.revocation)
            .field("policies", &self.policies)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}
