//! What is asked of a document beyond that its signatures are right.

use crate::trust::Weakness;

/// What a document must be to be valid. Strict, but where the caller says otherwise by name.
///
/// # Example
/// ```
/// use keyfob::cms::Policy;
/// use keyfob::trust::Weakness;
///
/// // For an archive of old letters.
/// let policy = Policy::new().allow(Weakness::Sha1).allow(Weakness::ShortRsa);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allowed: Vec<Weakness>,
    pub(super) cades: bool,
    pub(super) timestamp: bool,
    pub(super) signer_alone: bool,
}

impl Policy {
    /// Nothing weak is allowed; time stamps and counter-signatures need not be there, and are right
    /// where they are.
    ///
    /// # Example
    /// ```
    /// let policy = keyfob::cms::Policy::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows something that is weak in signatures, digests and signers' keys. The report warns of
    /// it. What certificates are signed with is [`Trust::allow`](crate::trust::Trust::allow)'s.
    ///
    /// # Example
    /// ```
    /// let policy = keyfob::cms::Policy::new().allow(keyfob::trust::Weakness::Sha1);
    /// ```
    #[must_use]
    pub fn allow(mut self, weakness: Weakness) -> Self {
        self.allowed.push(weakness);
        self
    }

    /// Demands CAdES: signed attributes, and a signing-certificate attribute among them (ETSI EN 319
    /// 122-1 section 5). Plain CMS is warned of otherwise.
    ///
    /// # Example
    /// ```
    /// let policy = keyfob::cms::Policy::new().require_cades();
    /// ```
    #[must_use]
    pub fn require_cades(mut self) -> Self {
        self.cades = true;
        self
    }

    /// Demands a time stamp on each signature.
    ///
    /// # Example
    /// ```
    /// let policy = keyfob::cms::Policy::new().require_timestamp();
    /// ```
    #[must_use]
    pub fn require_timestamp(mut self) -> Self {
        self.timestamp = true;
        self
    }

    /// Judges by the signers alone: what is wrong with a time stamp or counter-signature is reported,
    /// and does not count. A time stamp that is wrong gives no time either.
    ///
    /// # Example
    /// ```
    /// let policy = keyfob::cms::Policy::new().judge_signers_alone();
    /// ```
    #[must_use]
    pub fn judge_signers_alone(mut self) -> Self {
        self.signer_alone = true;
        self
    }

    pub(super) fn allows(&self, weakness: Weakness) -> bool {
        self.allowed.contains(&weakness)
    }
}
