//! What a certificate's key is for.

use der::Decode;
use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::{CertificatePolicies, ExtendedKeyUsage, KeyUsage};

use super::{Certificate, CertificateError};

/// The extended key usages of certificates that sign documents.
pub(crate) const DOCUMENT_USAGES: &[ObjectIdentifier] = &[
    der::oid::db::rfc5280::ANY_EXTENDED_KEY_USAGE,
    // emailProtection
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4"),
    // id-kp-documentSigning (RFC 9336), and what Microsoft and Adobe have for it.
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.36"),
    ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.10.3.12"),
    ObjectIdentifier::new_unwrap("1.2.840.113583.1.1.5"),
];

impl Certificate {
    /// The key usage extension (RFC 5280 section 4.2.1.3); `None` where there is none.
    ///
    /// One that is there and cannot be read, or is there twice, grants nothing.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// let issues = certificate.key_usage().is_some_and(|usage| usage.key_cert_sign());
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn key_usage(&self) -> Option<KeyUsage> {
        match self.as_x509().tbs_certificate().get_extension() {
            Ok(extension) => extension.map(|(_critical, usage): (bool, KeyUsage)| usage),
            Err(_) => Some(KeyUsage(FlagSet::default())),
        }
    }

    /// Whether its key may sign documents and messages: its key usage is absent, or has
    /// digitalSignature or nonRepudiation.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// if !certificate.allows_signing() {
    ///     eprintln!("this certificate is for something else");
    /// }
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn allows_signing(&self) -> bool {
        self.key_usage()
            .is_none_or(|usage| usage.digital_signature() || usage.non_repudiation())
    }

    /// Whether it is meant for signing documents: its key usage [allows](Self::allows_signing)
    /// signing, and its extended key usage is absent or has emailProtection, documentSigning (RFC
    /// 9336), Microsoft's or Adobe's usage for documents, or anyExtendedKeyUsage.
    ///
    /// A certificate for logging in alone (clientAuth) is not. Kazakhstan's authority issues a pair
    /// of them to each person, which differ in nothing else.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// if !certificate.is_for_documents() {
    ///     eprintln!("this certificate is for something else");
    /// }
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn is_for_documents(&self) -> bool {
        let extended = match self.extended_key_usage() {
            Ok(usages) => usages
                .is_none_or(|usages| usages.iter().any(|usage| DOCUMENT_USAGES.contains(usage))),
            // One that cannot be read grants nothing.
            Err(_) => false,
        };
        self.allows_signing() && extended
    }

    /// The certificate policies (RFC 5280 section 4.2.1.4); empty where there are none.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where they cannot be read.
    pub fn policies(&self) -> Result<Vec<ObjectIdentifier>, CertificateError> {
        let oid = der::oid::db::rfc5280::ID_CE_CERTIFICATE_POLICIES;
        let policies = self.extension(oid, |der| CertificatePolicies::from_der(der))?;
        let policies = policies.map_or_else(Vec::new, |policies| policies.0);
        Ok(policies
            .iter()
            .map(|policy| policy.policy_identifier)
            .collect())
    }

    /// The extended key usages (RFC 5280 section 4.2.1.12); `None` where nothing is said of them.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where they cannot be read.
    pub fn extended_key_usage(&self) -> Result<Option<Vec<ObjectIdentifier>>, CertificateError> {
        let oid = der::oid::db::rfc5280::ID_CE_EXT_KEY_USAGE;
        let usage = self.extension(oid, |der| ExtendedKeyUsage::from_der(der))?;
        Ok(usage.map(|usage| usage.0))
    }

    /// The value of an extension; `None` where there is none.
    pub(super) fn extension<T>(
        &self,
        oid: ObjectIdentifier,
        read: impl FnOnce(&[u8]) -> der::Result<T>,
    ) -> Result<Option<T>, CertificateError> {
        let extensions = self.as_x509().tbs_certificate().extensions();
        let mut here = extensions
            .into_iter()
            .flatten()
            .filter(|extension| extension.extn_id == oid);
        let (first, second) = (here.next(), here.next());
        let Some(extension) = first else {
            return Ok(None);
        };
        let value = match second {
            None => read(extension.extn_value.as_bytes()),
            // Which of the two counts cannot be told.
            Some(_) => Err(der::ErrorKind::Failed.into()),
        };
        value
            .map(Some)
            .map_err(|error| CertificateError::Extension { oid, error })
    }
}
