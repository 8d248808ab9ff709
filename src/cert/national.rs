//! What Russian and Kazakh certificates say beyond RFC 5280.

use std::fmt;

use der::asn1::ObjectIdentifier;
use der::{Decode, Sequence};

use super::{Certificate, CertificateError};

const SUBJECT_SIGN_TOOL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.643.100.111");
const ISSUER_SIGN_TOOL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.643.100.112");
const IDENTIFICATION_KIND: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.643.100.114");

/// The arc of the security classes of Russian signature tools, as certificate policies.
const SECURITY_CLASSES: &str = "1.2.643.100.113.";

/// The extended key usages of Kazakhstan's National Certification Authority.
const KAZAKH_ROLES: &str = "1.2.398.3.3.4.";

/// What the issuer made the certificate with (Russia: issuerSignTool, FSB Order 795).
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
#[non_exhaustive]
pub struct IssuerSignTool {
    /// The issuer's signature tool.
    pub sign_tool: String,
    /// The issuer's authority software.
    pub ca_tool: String,
    /// The document that says that the signature tool conforms.
    pub sign_tool_certificate: String,
    /// The document that says that the authority software conforms.
    pub ca_tool_certificate: String,
}

/// How the owner was identified when the certificate was issued (Russia: identificationKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentificationKind {
    /// 0: in person.
    Personal,
    /// 1: from afar, by a qualified signature.
    ByCertificate,
    /// 2: from afar, by a biometric passport.
    ByPassport,
    /// 3: from afar, by the state's biometric system.
    BySystem,
    /// A number that is not known here.
    Other(u8),
}

/// The security class of a Russian signature tool, from the weakest up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the law's")]
pub enum SecurityClass {
    Kc1,
    Kc2,
    Kc3,
    Kb1,
    Kb2,
    Ka1,
}

/// Who the owner is to a Kazakh company, or to the authority (extended key usages of the National
/// Certification Authority).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KazakhRole {
    /// A person, for themselves.
    Individual,
    /// Somebody of a company.
    Organization,
    /// The company's head.
    Head,
    /// Somebody who may sign for the company.
    RightToSign,
    /// Somebody who may sign financial documents for the company.
    RightToSignFinancial,
    /// Somebody of the company's human resources.
    HumanResources,
    /// An employee.
    Employee,
    /// An administrator of the authority.
    Administrator,
    /// A manager of the authority.
    Manager,
    /// An operator of the authority.
    Operator,
    /// Identified at a service centre.
    ServiceCentre,
    /// Identified from afar.
    Remote,
    /// Identified from afar, by digital identity.
    DigitalId,
    /// One that is not known here.
    Other(ObjectIdentifier),
}

impl Certificate {
    /// The signature tool of the owner (Russia: subjectSignTool); `None` where it is not told.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where it cannot be read.
    ///
    /// # Example
    /// ```no_run
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// println!("{}", certificate.subject_sign_tool()?.unwrap_or_default());
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn subject_sign_tool(&self) -> Result<Option<String>, CertificateError> {
        self.extension(SUBJECT_SIGN_TOOL, |der| String::from_der(der))
    }

    /// What the issuer made the certificate with (Russia); `None` where it is not told.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where it cannot be read.
    pub fn issuer_sign_tool(&self) -> Result<Option<IssuerSignTool>, CertificateError> {
        self.extension(ISSUER_SIGN_TOOL, |der| IssuerSignTool::from_der(der))
    }

    /// How the owner was identified (Russia); `None` where it is not told.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where it cannot be read.
    pub fn identification_kind(&self) -> Result<Option<IdentificationKind>, CertificateError> {
        self.extension(IDENTIFICATION_KIND, |der| {
            Ok(match u8::from_der(der)? {
                0 => IdentificationKind::Personal,
                1 => IdentificationKind::ByCertificate,
                2 => IdentificationKind::ByPassport,
                3 => IdentificationKind::BySystem,
                other => IdentificationKind::Other(other),
            })
        })
    }

    /// The security classes that the signature tool conforms to (Russia); a tool of one class
    /// conforms to the weaker ones too, and certificates name them all.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where the policies cannot be read.
    pub fn security_classes(&self) -> Result<Vec<SecurityClass>, CertificateError> {
        let policies = self.policies()?;
        Ok(policies.iter().filter_map(SecurityClass::of).collect())
    }

    /// Who the owner is to a company (Kazakhstan), and how they were identified.
    ///
    /// # Errors
    /// [`CertificateError::Extension`] where the extended key usage cannot be read.
    ///
    /// # Example
    /// ```no_run
    /// use keyfob::KazakhRole;
    ///
    /// # let certificate = keyfob::Certificate::read("me.crt")?;
    /// let may_sign = certificate.kazakh_roles()?.contains(&KazakhRole::RightToSign);
    /// # Ok::<(), keyfob::CertificateError>(())
    /// ```
    pub fn kazakh_roles(&self) -> Result<Vec<KazakhRole>, CertificateError> {
        let usages = self.extended_key_usage()?.unwrap_or_default();
        Ok(usages.iter().filter_map(KazakhRole::of).collect())
    }
}

impl SecurityClass {
    fn of(policy: &ObjectIdentifier) -> Option<Self> {
        Some(match policy.to_string().strip_prefix(SECURITY_CLASSES)? {
            "1" => Self::Kc1,
            "2" => Self::Kc2,
            "3" => Self::Kc3,
            "4" => Self::Kb1,
            "5" => Self::Kb2,
            "6" => Self::Ka1,
            _ => return None,
        })
    }
}

impl fmt::Display for SecurityClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kc1 => "KC1",
            Self::Kc2 => "KC2",
            Self::Kc3 => "KC3",
            Self::Kb1 => "KB1",
            Self::Kb2 => "KB2",
            Self::Ka1 => "KA1",
        })
    }
}

impl KazakhRole {
    fn of(usage: &ObjectIdentifier) -> Option<Self> {
        Some(match usage.to_string().strip_prefix(KAZAKH_ROLES)? {
            "1.1" => Self::Individual,
            "1.2" => Self::Organization,
            "1.2.1" => Self::Head,
            "1.2.2" => Self::RightToSign,
            "1.2.3" => Self::RightToSignFinancial,
            "1.2.4" => Self::HumanResources,
            "1.2.5" => Self::Employee,
            "2.1" => Self::Administrator,
            "2.2" => Self::Manager,
            "2.3" => Self::Operator,
            "3.1" => Self::ServiceCentre,
            "3.2" => Self::Remote,
            "3.2.1" => Self::DigitalId,
            _ => Self::Other(*usage),
        })
    }
}
