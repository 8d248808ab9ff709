//! Which kind of key: the algorithm, and its size or curve.

use std::fmt;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Tag};

use super::PublicKeyError;
#[cfg(feature = "gost")]
use crate::GostParameterSet;

pub(super) const EC_PUBLIC_KEY: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// What PKCS#11 modules wrote before 3.0 settled on the OID of RFC 8410.
const ED25519_GNU: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11591.15.1");

/// An elliptic curve of FIPS 186-5.
///
/// # Example
/// ```
/// use keyfob::Curve;
///
/// assert_eq!(Curve::P521.to_string(), "P-521");
/// assert_eq!(Curve::P521.field_len(), 66);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// NIST P-256, secp256r1, prime256v1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The length in bytes of a coordinate, and of each half of a signature: 32, 48 or 66.
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::Curve::P384.field_len(), 48);
    /// ```
    pub const fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The curve's object identifier (RFC 5480 section 2.1.1.1).
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::Curve::P256.oid().to_string(), "1.2.840.10045.3.1.7");
    /// ```
    pub const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which kind of key.
///
/// # Example
/// ```
/// use keyfob::{Curve, KeyType};
///
/// assert_eq!(KeyType::Rsa { bits: 2048 }.to_string(), "RSA-2048");
/// assert_eq!(KeyType::Ec(Curve::P256).to_string(), "P-256");
/// assert_eq!(KeyType::Ed25519.to_string(), "Ed25519");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// RSA.
    Rsa {
        /// The length of the modulus in bits.
        bits: u32,
    },
    /// ECDSA on a NIST curve.
    Ec(Curve),
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// GOST R 34.10 with numbers of 256 bits.
    #[cfg(feature = "gost")]
    Gost256(GostParameterSet),
    /// GOST R 34.10 with numbers of 512 bits.
    #[cfg(feature = "gost")]
    Gost512(GostParameterSet),
    /// Something unknown here: the object identifier of the curve where the key is an EC key on a
    /// named curve, of the algorithm otherwise.
    Other(ObjectIdentifier),
    /// The token does not tell, or names a type that has no object identifier here.
    Unknown,
}

impl KeyType {
    /// Reads a token's `CKA_EC_PARAMS` (PKCS#11 3.1 section 6.3.3): DER, either the object
    /// identifier of a curve or its name as a PrintableString.
    ///
    /// Ed25519 has three spellings in the field: OID 1.3.101.112, OID 1.3.6.1.4.1.11591.15.1, and the
    /// name `edwards25519`. Parameters that spell out a curve of their own are
    /// `Other(1.2.840.10045.2.1)`.
    ///
    /// # Errors
    /// [`PublicKeyError::EcParams`] where `der` is none of these.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Curve, KeyType};
    ///
    /// let p384 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
    /// assert_eq!(KeyType::from_ec_params(&p384)?, KeyType::Ec(Curve::P384));
    ///
    /// let named = b"\x13\x0cedwards25519";
    /// assert_eq!(KeyType::from_ec_params(named)?, KeyType::Ed25519);
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    pub fn from_ec_params(der: &[u8]) -> Result<Self, PublicKeyError> {
        let params = AnyRef::from_der(der).map_err(|_| PublicKeyError::EcParams)?;
        match der::Tagged::tag(&params) {
            Tag::ObjectIdentifier => {
                let oid = params.decode_as().map_err(|_| PublicKeyError::EcParams)?;
                Ok(Self::from_curve_oid(oid))
            }
            Tag::PrintableString if params.value() == b"edwards25519" => Ok(Self::Ed25519),
            Tag::Sequence => Ok(Self::Other(EC_PUBLIC_KEY)),
            _ => Err(PublicKeyError::EcParams),
        }
    }

    /// Reads a token's `CKA_GOSTR3410_PARAMS` (PKCS#11 3.1 section 6.46.4): the DER object identifier of
    /// a parameter set.
    ///
    /// # Errors
    /// [`PublicKeyError::Malformed`] where `der` is none that is known here.
    ///
    /// # Example
    /// ```
    /// use keyfob::{GostParameterSet, KeyType};
    ///
    /// let crypto_pro_b = [0x06, 0x07, 0x2a, 0x85, 0x03, 0x02, 0x02, 0x23, 0x02];
    /// let key_type = KeyType::from_gost_params(&crypto_pro_b)?;
    /// assert_eq!(key_type, KeyType::Gost256(GostParameterSet::CryptoProB));
    /// # Ok::<(), keyfob::PublicKeyError>(())
    /// ```
    #[cfg(feature = "gost")]
    pub fn from_gost_params(der: &[u8]) -> Result<Self, PublicKeyError> {
        super::gost_key::set_of_token(der).map(Self::gost)
    }

    #[cfg(feature = "gost")]
    pub(crate) fn gost(set: GostParameterSet) -> Self {
        match set.field_len() {
            32 => Self::Gost256(set),
            _ => Self::Gost512(set),
        }
    }

    /// Whether it is the same, under whatever name: several parameter sets of GOST are one curve.
    pub(crate) fn is_same_as(self, other: Self) -> bool {
        match (self, other) {
            #[cfg(feature = "gost")]
            (Self::Gost256(one), Self::Gost256(other)) => one.curve() == other.curve(),
            (one, other) => one == other,
        }
    }

    /// Whether a private key of which this is known could have a public key of that type.
    pub(crate) fn could_be(self, public: Self) -> bool {
        match self {
            Self::Unknown | Self::Rsa { bits: 0 } => true,
            own => own.is_same_as(public),
        }
    }

    fn from_curve_oid(oid: ObjectIdentifier) -> Self {
        if oid == ED25519 || oid == ED25519_GNU {
            return Self::Ed25519;
        }
        Curve::ALL
            .into_iter()
            .find(|curve| curve.oid() == oid)
            .map_or(Self::Other(oid), Self::Ec)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::Ec(curve) => curve.fmt(f),
            Self::Ed25519 => f.write_str("Ed25519"),
            #[cfg(feature = "gost")]
            Self::Gost256(set) => write!(f, "GOST-256 ({set})"),
            #[cfg(feature = "gost")]
            Self::Gost512(set) => write!(f, "GOST-512 ({set})"),
            Self::Other(oid) => oid.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// X25519, X448, Ed25519 and Ed448: algorithms that are their own curve (RFC 8410 section 3).
pub(super) fn is_rfc8410(oid: ObjectIdentifier) -> bool {
    ["1.3.101.110", "1.3.101.111", "1.3.101.112", "1.3.101.113"]
        .into_iter()
        .any(|known| ObjectIdentifier::new_unwrap(known) == oid)
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    #[test]
    fn every_spelling_of_a_curve() {
        for curve in Curve::ALL {
            let params = curve.oid().to_der().unwrap();
            assert_eq!(KeyType::from_ec_params(&params), Ok(KeyType::Ec(curve)));
        }
        for oid in [ED25519, ED25519_GNU] {
            let params = oid.to_der().unwrap();
            assert_eq!(KeyType::from_ec_params(&params), Ok(KeyType::Ed25519));
        }
        let secp256k1 = ObjectIdentifier::new_unwrap("1.3.132.0.10");
        assert_eq!(
            KeyType::from_ec_params(&secp256k1.to_der().unwrap()),
            Ok(KeyType::Other(secp256k1))
        );
        assert_eq!(
            KeyType::from_ec_params(&[0x30, 0x00]),
            Ok(KeyType::Other(EC_PUBLIC_KEY))
        );
    }

    #[test]
    fn what_names_no_curve_is_refused() {
        for broken in [
            &b""[..],
            b"\x05\x00",
            b"\x06\x00",
            b"\x13\x03abc",
            b"\x06\x05\x2b",
        ] {
            assert_eq!(
                KeyType::from_ec_params(broken),
                Err(PublicKeyError::EcParams),
                "{broken:02x?}"
            );
        }
    }
}
