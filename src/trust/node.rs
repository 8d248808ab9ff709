//! A certificate with what chains need of it, read once.

use std::collections::HashSet;
use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use der::oid::db::rfc5280;
use der::{Decode, Reader, SliceReader};
use x509_cert::certificate::Version;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints,
    ExtendedKeyUsage, InhibitAnyPolicy, KeyUsage, NameConstraints, PolicyConstraints,
    PolicyMappings, SubjectAltName, SubjectKeyIdentifier,
};

use super::error::ChainReason;
use super::names::NameKey;
use super::weakness::Weakness;
use crate::{Certificate, KeyType, PublicKey, Scheme};

/// A certificate with its names and extensions taken apart.
pub(super) struct Node {
    pub(super) certificate: Certificate,
    pub(super) subject: NameKey,
    pub(super) issuer: NameKey,
    extensions: Extensions,
    /// What is wrong with the extensions, if something is.
    fault: Option<ChainReason>,
}

/// The extensions that have a say in a chain (RFC 5280 section 4.2.1).
#[derive(Default)]
struct Extensions {
    basic_constraints: Option<BasicConstraints>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<(bool, ExtendedKeyUsage)>,
    alternative_names: Option<SubjectAltName>,
    name_constraints: Option<NameConstraints>,
    policies: Option<CertificatePolicies>,
    policy_mappings: Option<PolicyMappings>,
    policy_constraints: Option<PolicyConstraints>,
    inhibit_any_policy: Option<InhibitAnyPolicy>,
    subject_key_id: Option<SubjectKeyIdentifier>,
    authority_key_id: Option<AuthorityKeyIdentifier>,
    distribution_points: Option<CrlDistributionPoints>,
}

/// Critical ones that ask nothing of a chain: they only say more.
const INFORMATIVE: &[ObjectIdentifier] = &[
    rfc5280::ID_CE_ISSUER_ALT_NAME,
    rfc5280::ID_CE_SUBJECT_DIRECTORY_ATTRIBUTES,
    rfc5280::ID_CE_FRESHEST_CRL,
    rfc5280::ID_PE_AUTHORITY_INFO_ACCESS,
    rfc5280::ID_PE_SUBJECT_INFO_ACCESS,
    // qcStatements (RFC 3739 section 3.2.6).
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.3"),
];

impl Node {
    pub(super) fn new(certificate: &Certificate) -> Arc<Self> {
        let tbs = certificate.as_x509().tbs_certificate();
        let mut extensions = Extensions::default();
        let fault = extensions.read(tbs.version(), tbs.extensions().map_or(&[], Vec::as_slice));
        Arc::new(Self {
            certificate: certificate.clone(),
            subject: NameKey::new(tbs.subject()),
            issuer: NameKey::new(tbs.issuer()),
            extensions,
            fault: fault.err(),
        })
    }

    /// What is wrong with its extensions: unknown and critical, unreadable, or there twice.
    pub(super) fn fault(&self) -> Option<&ChainReason> {
        self.fault.as_ref()
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    pub(super) fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// Whether it is critical, and what it has.
    pub(super) fn extended_key_usage(&self) -> Option<(bool, &[ObjectIdentifier])> {
        let (critical, usage) = self.extensions.extended_key_usage.as_ref()?;
        Some((*critical, &usage.0))
    }

    pub(super) fn basic_constraints(&self) -> Option<&BasicConstraints> {
        self.extensions.basic_constraints.as_ref()
    }

    pub(super) fn alternative_names(&self) -> &[GeneralName] {
        self.extensions
            .alternative_names
            .as_ref()
            .map_or(&[], |names| &names.0)
    }

    pub(super) fn name_constraints(&self) -> Option<&NameConstraints> {
        self.extensions.name_constraints.as_ref()
    }

    pub(super) fn policies(&self) -> Option<&CertificatePolicies> {
        self.extensions.policies.as_ref()
    }

    pub(super) fn policy_mappings(&self) -> Option<&PolicyMappings> {
        self.extensions.policy_mappings.as_ref()
    }

    pub(super) fn policy_constraints(&self) -> Option<&PolicyConstraints> {
        self.extensions.policy_constraints.as_ref()
    }

    pub(super) fn inhibit_any_policy(&self) -> Option<u32> {
        self.extensions
            .inhibit_any_policy
            .as_ref()
            .map(|skip| skip.0)
    }

    pub(super) fn distribution_points(&self) -> &[DistributionPoint] {
        self.extensions
            .distribution_points
            .as_ref()
            .map_or(&[], |points| &points.0)
    }

    pub(super) fn subject_key_id(&self) -> Option<&[u8]> {
        self.extensions
            .subject_key_id
            .as_ref()
            .map(|id| id.0.as_bytes())
    }

    /// The identifier of its issuer's key.
    pub(super) fn authority_key_id(&self) -> Option<&[u8]> {
        let id = self.extensions.authority_key_id.as_ref()?;
        id.key_identifier.as_ref().map(|id| id.as_bytes())
    }

    /// Whether `issuer` may be its issuer, by name and by the identifier of the key.
    pub(super) fn names_as_issuer(&self, issuer: &Self) -> bool {
        let ids = self.authority_key_id().zip(issuer.subject_key_id());
        self.issuer == issuer.subject && ids.is_none_or(|(wanted, found)| wanted == found)
    }

    /// Why it is none of an authority's, where it is not (RFC 5280 section 6.1.4 (k) and (n)).
    pub(super) fn no_authority(&self) -> Option<&'static str> {
        match self.basic_constraints() {
            None => Some("it has no basic constraints"),
            Some(constraints) if !constraints.ca => Some("its basic constraints say so"),
            _ if self.key_usage().is_some_and(|usage| !usage.key_cert_sign()) => {
                Some("its key usage has no keyCertSign")
            }
            _ => None,
        }
    }

    pub(super) fn public_key(&self) -> Result<PublicKey, ChainReason> {
        let key = self.certificate.public_key();
        key.map_err(|error| ChainReason::Unsupported(error.to_string()))
    }

    /// Verifies that its signature is by this key.
    pub(super) fn verify_by(
        &self,
        key: &PublicKey,
        allowed: &[Weakness],
    ) -> Result<(), ChainReason> {
        let x509 = self.certificate.as_x509();
        let algorithm = x509.signature_algorithm();
        // RFC 5280 section 4.1.1.2. Only the inner one is signed.
        if algorithm != x509.tbs_certificate().signature() {
            return Err(malformed("its two signature algorithms are not the same"));
        }
        let signed = signed_part(self.certificate.der())
            .map_err(|_| malformed("what is signed cannot be told from the signature"))?;
        let signature = x509
            .signature()
            .as_bytes()
            .ok_or(ChainReason::BrokenSignature)?;
        verify(key, algorithm, signed, signature, allowed)
    }
}

/// Verifies a signature over what is signed in a certificate or CRL.
pub(super) fn verify(
    key: &PublicKey,
    algorithm: &spki::AlgorithmIdentifierOwned,
    signed: &[u8],
    signature: &[u8],
    allowed: &[Weakness],
) -> Result<(), ChainReason> {
    if let Some(weakness) = Weakness::of_signature(algorithm)
        && !allowed.contains(&weakness)
    {
        return Err(ChainReason::Weak(weakness));
    }
    if let KeyType::Other(_) | KeyType::Unknown = key.key_type() {
        return Err(ChainReason::Unsupported(format!(
            "its issuer's key is of the type {}, which is unknown here",
            key.key_type()
        )));
    }
    // What is weak got here only because it is allowed.
    let scheme = match Scheme::weak_from_algorithm_identifier(algorithm, &key.key_type()) {
        Some(weak) => weak,
        None => Scheme::from_algorithm_identifier(algorithm, &key.key_type())
            .map_err(|error| ChainReason::Unsupported(error.to_string()))?,
    };
    match key.verify(scheme, signed, signature) {
        Ok(()) => Ok(()),
        Err(crate::Error::Verify(crate::VerifyError::BadSignature { .. })) => {
            Err(ChainReason::BrokenSignature)
        }
        Err(error) => Err(ChainReason::Unsupported(error.to_string())),
    }
}

/// The first part of a certificate or CRL: what is signed, byte for byte.
pub(super) fn signed_part(der: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    let header = der::Header::decode(&mut reader)?;
    reader.read_nested(header.length(), |reader| {
        let signed = reader.tlv_bytes()?;
        reader.tlv_bytes()?;
        reader.tlv_bytes()?;
        Ok(signed)
    })
}

pub(super) fn malformed(what: &str) -> ChainReason {
    ChainReason::Malformed {
        what: what.to_owned(),
    }
}

impl Extensions {
    fn read(&mut self, version: Version, extensions: &[Extension]) -> Result<(), ChainReason> {
        if version != Version::V3 && !extensions.is_empty() {
            return Err(malformed("it has extensions, and is not of version 3"));
        }
        let mut seen = HashSet::new();
        let mut unknown = None;
        for extension in extensions {
            let oid = extension.extn_id;
            if !seen.insert(oid) {
                return Err(malformed(&format!("it has the extension {oid} twice")));
            }
            if !self.read_one(extension)? && extension.critical {
                unknown.get_or_insert(oid);
            }
        }
        unknown.map_or(Ok(()), |oid| Err(ChainReason::CriticalExtension(oid)))
    }

    /// Whether it is one that is known.
    fn read_one(&mut self, extension: &Extension) -> Result<bool, ChainReason> {
        match extension.extn_id {
            rfc5280::ID_CE_EXT_KEY_USAGE => {
                let usage = value(extension)?;
                self.extended_key_usage = Some((extension.critical, usage));
            }
            BasicConstraints::OID => self.basic_constraints = Some(value(extension)?),
            KeyUsage::OID => self.key_usage = Some(value(extension)?),
            SubjectAltName::OID => self.alternative_names = Some(value(extension)?),
            NameConstraints::OID => self.name_constraints = Some(value(extension)?),
            CertificatePolicies::OID => self.policies = Some(value(extension)?),
            PolicyMappings::OID => self.policy_mappings = Some(value(extension)?),
            PolicyConstraints::OID => self.policy_constraints = Some(value(extension)?),
            InhibitAnyPolicy::OID => self.inhibit_any_policy = Some(value(extension)?),
            SubjectKeyIdentifier::OID => self.subject_key_id = Some(value(extension)?),
            AuthorityKeyIdentifier::OID => self.authority_key_id = Some(value(extension)?),
            CrlDistributionPoints::OID => self.distribution_points = Some(value(extension)?),
            oid => return Ok(INFORMATIVE.contains(&oid)),
        }
        Ok(true)
    }
}

fn value<'a, T: Decode<'a, Error = der::Error>>(
    extension: &'a Extension,
) -> Result<T, ChainReason> {
    T::from_der(extension.extn_value.as_bytes()).map_err(|error| {
        malformed(&format!(
            "its extension {} cannot be read ({error})",
            extension.extn_id
        ))
    })
}
