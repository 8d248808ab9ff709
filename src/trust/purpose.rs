//! What the signer's key is to have been certified for.

use std::fmt;

use der::asn1::ObjectIdentifier;
use der::oid::db::rfc5280::ANY_EXTENDED_KEY_USAGE;

use super::node::Node;
use crate::cert::DOCUMENT_USAGES;

const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");

/// What a certificate has to be for, to be accepted by [`Trust::check`](super::Trust::check).
///
/// # Example
/// ```
/// use keyfob::trust::Purpose;
///
/// assert_eq!(Purpose::TimeStamping.to_string(), "time stamping");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Whatever it is for.
    Any,
    /// Signing documents and messages.
    ///
    /// The key usage, if there is one, has digitalSignature or nonRepudiation (RFC 5280 section
    /// 4.2.1.3). The extended key usage, if there is one, has emailProtection, documentSigning (RFC
    /// 9336), Microsoft's or Adobe's usage for documents, or anyExtendedKeyUsage; so that a
    /// certificate for logging in alone is refused.
    Signing,
    /// Time stamps: the extended key usage is there, critical, and has timeStamping and nothing
    /// else (RFC 3161 section 2.3). The key usage, if there is one, is for signatures alone.
    TimeStamping,
    /// An extended key usage of one's own: absent, or with this one or anyExtendedKeyUsage. The key
    /// usage, if there is one, has digitalSignature or nonRepudiation.
    Extended(ObjectIdentifier),
}

impl Purpose {
    /// What keeps the signer's certificate from being for this.
    pub(super) fn refusal(self, signer: &Node) -> Option<&'static str> {
        if self == Self::Any {
            return None;
        }
        let usage = signer.key_usage();
        if usage.is_some_and(|usage| !usage.digital_signature() && !usage.non_repudiation()) {
            return Some("its key usage has neither digitalSignature nor nonRepudiation");
        }
        if self == Self::TimeStamping {
            if usage.is_some_and(|usage| {
                usage.key_encipherment()
                    || usage.data_encipherment()
                    || usage.key_agreement()
                    || usage.key_cert_sign()
                    || usage.crl_sign()
            }) {
                return Some("its key usage has more than signatures");
            }
            return match signer.extended_key_usage() {
                Some((true, [only])) if *only == TIME_STAMPING => None,
                _ => Some("its extended key usage is not timeStamping alone and critical"),
            };
        }
        self.refusal_of_extended_usage(signer)
    }

    /// What keeps an authority from issuing certificates for this: an extended key usage of its own
    /// that leaves it out. RFC 5280 does not say so, everybody does it.
    pub(super) fn refusal_of_authority(self, authority: &Node) -> Option<&'static str> {
        match self {
            Self::Any => None,
            _ => self.refusal_of_extended_usage(authority),
        }
    }

    fn refusal_of_extended_usage(self, node: &Node) -> Option<&'static str> {
        let (_, usages) = node.extended_key_usage()?;
        let fits = |usage: &ObjectIdentifier| {
            *usage == ANY_EXTENDED_KEY_USAGE
                || match self {
                    Self::Any => true,
                    Self::Signing => DOCUMENT_USAGES.contains(usage),
                    Self::TimeStamping => *usage == TIME_STAMPING,
                    Self::Extended(wanted) => *usage == wanted,
                }
        };
        match usages.iter().any(fits) {
            true => None,
            false => Some("its extended key usage is for other things"),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any purpose"),
            Self::Signing => f.write_str("signing documents"),
            Self::TimeStamping => f.write_str("time stamping"),
            Self::Extended(usage) => write!(f, "the extended key usage {usage}"),
        }
    }
}
