//! Algorithms that are too weak to be believed.

use std::fmt;

use der::asn1::ObjectIdentifier;
use spki::AlgorithmIdentifierOwned;

use crate::KeyType;

/// What is refused unless a caller allows it by name, with
/// [`Trust::allow`](super::Trust::allow).
///
/// # Example
/// ```
/// use keyfob::trust::Weakness;
///
/// assert_eq!(Weakness::ShortRsa.to_string(), "RSA under 2048 bits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Weakness {
    /// A signature of an MD5 digest (or of MD2 or MD4). Collisions are made in seconds.
    Md5,
    /// A signature of a SHA-1 digest. Collisions with a chosen prefix have been made.
    Sha1,
    /// An RSA key of fewer than 2,048 bits.
    ShortRsa,
    /// A signature of a digest by GOST R 34.11-94. Collisions cost less than they should (2^105), and
    /// Russia has given it up.
    Gost94,
}

/// The signature algorithms of the PKCS#1, X9.57 and X9.62 arcs (RFC 3279, RFC 8017) whose digest
/// is weak, and those of NIST and of the ISO that were about before them.
const SIGNATURES: &[(ObjectIdentifier, Weakness)] = &[
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"),
        Weakness::Md5,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.3"),
        Weakness::Md5,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
        Weakness::Md5,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
        Weakness::Sha1,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
        Weakness::Sha1,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
        Weakness::Sha1,
    ),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.3"), Weakness::Md5),
    (
        ObjectIdentifier::new_unwrap("1.3.14.3.2.27"),
        Weakness::Sha1,
    ),
    (
        ObjectIdentifier::new_unwrap("1.3.14.3.2.29"),
        Weakness::Sha1,
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.643.2.2.3"),
        Weakness::Gost94,
    ),
];

const MD5: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const GOST94: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.643.2.2.9");
const PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

impl Weakness {
    /// The weakness of a signature algorithm; `None` where it has none that is known.
    pub(crate) fn of_signature(algorithm: &AlgorithmIdentifierOwned) -> Option<Self> {
        let oid = algorithm.oid;
        if oid == PSS {
            let parameters = algorithm.parameters.as_ref()?;
            let read = crate::scheme::PssParameters::decode(parameters.to_ref()).ok()?;
            return Self::of_digest(read.hash).or_else(|| read.mgf_hash.and_then(Self::of_digest));
        }
        let row = SIGNATURES.iter().find(|(weak, _)| *weak == oid);
        row.map(|(_, weakness)| *weakness)
    }

    /// The weakness of a digest algorithm.
    pub(crate) fn of_digest(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            MD5 => Some(Self::Md5),
            SHA1 => Some(Self::Sha1),
            GOST94 => Some(Self::Gost94),
            _ => None,
        }
    }

    /// The weakness of a key.
    pub(crate) fn of_key(key: &KeyType) -> Option<Self> {
        match key {
            KeyType::Rsa { bits } if *bits < 2048 => Some(Self::ShortRsa),
            _ => None,
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::ShortRsa => "RSA under 2048 bits",
            Self::Gost94 => "GOST R 34.11-94",
        })
    }
}
