//! GOST R 34.10-2012, and 34.10-2001 before it: parameter sets, and the verification of signatures.
//!
//! Nothing signs here, so all numbers are public, and the time that the arithmetic takes may depend
//! on them.

mod curves;
mod digits;
mod element;
mod key;
mod point;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::sync::Arc;

use der::asn1::ObjectIdentifier;

use curves::Curve;
use key::{Key, Verify};

/// A parameter set of GOST R 34.10: a curve, and the point on it that keys are multiples of.
///
/// Some curves have several names, each with an identifier of its own.
///
/// # Example
/// ```
/// use keyfob::GostParameterSet;
///
/// let set = GostParameterSet::Tc26A512;
/// assert_eq!(set.to_string(), "tc26-512-A");
/// assert_eq!(set.oid().to_string(), "1.2.643.7.1.2.1.2.1");
/// assert_eq!(GostParameterSet::from_oid(set.oid()), Some(set));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GostParameterSet {
    /// id-GostR3410-2001-CryptoPro-A-ParamSet (RFC 4357 section 11.4).
    CryptoProA,
    /// id-GostR3410-2001-CryptoPro-B-ParamSet (RFC 4357 section 11.4).
    CryptoProB,
    /// id-GostR3410-2001-CryptoPro-C-ParamSet (RFC 4357 section 11.4).
    CryptoProC,
    /// id-GostR3410-2001-CryptoPro-XchA-ParamSet: the curve of [`CryptoProA`](Self::CryptoProA).
    CryptoProXchA,
    /// id-GostR3410-2001-CryptoPro-XchB-ParamSet: the curve of [`CryptoProC`](Self::CryptoProC).
    CryptoProXchB,
    /// id-GostR3410-2001-TestParamSet (RFC 7091 section 7.1): for examples alone.
    Test256,
    /// id-tc26-gost-3410-2012-256-paramSetA (RFC 7836 appendix A.2).
    Tc26A256,
    /// id-tc26-gost-3410-2012-256-paramSetB: the curve of [`CryptoProA`](Self::CryptoProA).
    Tc26B256,
    /// id-tc26-gost-3410-2012-256-paramSetC: the curve of [`CryptoProB`](Self::CryptoProB).
    Tc26C256,
    /// id-tc26-gost-3410-2012-256-paramSetD: the curve of [`CryptoProC`](Self::CryptoProC).
    Tc26D256,
    /// id-tc26-gost-3410-2012-512-paramSetTest (RFC 9215 appendix E): for examples alone.
    Test512,
    /// id-tc26-gost-3410-12-512-paramSetA (RFC 7836 appendix A.1).
    Tc26A512,
    /// id-tc26-gost-3410-12-512-paramSetB (RFC 7836 appendix A.1).
    Tc26B512,
    /// id-tc26-gost-3410-2012-512-paramSetC (RFC 7836 appendix A.2).
    Tc26C512,
}

impl GostParameterSet {
    /// Every parameter set.
    ///
    /// # Example
    /// ```
    /// use keyfob::GostParameterSet;
    ///
    /// let long = GostParameterSet::ALL.iter().filter(|set| set.field_len() == 64);
    /// assert_eq!(long.count(), 4);
    /// ```
    pub const ALL: &[Self] = &[
        Self::CryptoProA,
        Self::CryptoProB,
        Self::CryptoProC,
        Self::CryptoProXchA,
        Self::CryptoProXchB,
        Self::Test256,
        Self::Tc26A256,
        Self::Tc26B256,
        Self::Tc26C256,
        Self::Tc26D256,
        Self::Test512,
        Self::Tc26A512,
        Self::Tc26B512,
        Self::Tc26C512,
    ];

    /// The object identifier.
    ///
    /// # Example
    /// ```
    /// let oid = keyfob::GostParameterSet::CryptoProA.oid();
    /// assert_eq!(oid.to_string(), "1.2.643.2.2.35.1");
    /// ```
    pub const fn oid(self) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(match self {
            Self::CryptoProA => "1.2.643.2.2.35.1",
            Self::CryptoProB => "1.2.643.2.2.35.2",
            Self::CryptoProC => "1.2.643.2.2.35.3",
            Self::CryptoProXchA => "1.2.643.2.2.36.0",
            Self::CryptoProXchB => "1.2.643.2.2.36.1",
            Self::Test256 => "1.2.643.2.2.35.0",
            Self::Tc26A256 => "1.2.643.7.1.2.1.1.1",
            Self::Tc26B256 => "1.2.643.7.1.2.1.1.2",
            Self::Tc26C256 => "1.2.643.7.1.2.1.1.3",
            Self::Tc26D256 => "1.2.643.7.1.2.1.1.4",
            Self::Test512 => "1.2.643.7.1.2.1.2.0",
            Self::Tc26A512 => "1.2.643.7.1.2.1.2.1",
            Self::Tc26B512 => "1.2.643.7.1.2.1.2.2",
            Self::Tc26C512 => "1.2.643.7.1.2.1.2.3",
        })
    }

    /// The parameter set with this object identifier.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Curve, GostParameterSet};
    ///
    /// assert_eq!(GostParameterSet::from_oid(Curve::P256.oid()), None);
    /// ```
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.iter().copied().find(|set| set.oid() == oid)
    }

    /// The length of a coordinate, and of either half of a signature, in bytes: 32 or 64.
    ///
    /// # Example
    /// ```
    /// assert_eq!(keyfob::GostParameterSet::Tc26B256.field_len(), 32);
    /// ```
    pub const fn field_len(self) -> usize {
        match self {
            Self::Test512 | Self::Tc26A512 | Self::Tc26B512 | Self::Tc26C512 => 64,
            _ => 32,
        }
    }

    /// The same curve by the oldest of its names, so that keys on it can be compared.
    pub(crate) const fn curve(self) -> Self {
        match self {
            Self::CryptoProXchA | Self::Tc26B256 => Self::CryptoProA,
            Self::Tc26C256 => Self::CryptoProB,
            Self::CryptoProXchB | Self::Tc26D256 => Self::CryptoProC,
            other => other,
        }
    }
}

impl fmt::Display for GostParameterSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CryptoProA => "CryptoPro-A",
            Self::CryptoProB => "CryptoPro-B",
            Self::CryptoProC => "CryptoPro-C",
            Self::CryptoProXchA => "CryptoPro-XchA",
            Self::CryptoProXchB => "CryptoPro-XchB",
            Self::Test256 => "test-256",
            Self::Tc26A256 => "tc26-256-A",
            Self::Tc26B256 => "tc26-256-B",
            Self::Tc26C256 => "tc26-256-C",
            Self::Tc26D256 => "tc26-256-D",
            Self::Test512 => "test-512",
            Self::Tc26A512 => "tc26-512-A",
            Self::Tc26B512 => "tc26-512-B",
            Self::Tc26C512 => "tc26-512-C",
        })
    }
}

/// A public key: a point on the curve of its parameter set, and of the right order.
#[derive(Clone)]
pub(crate) struct GostKey(Arc<dyn Verify>);

impl GostKey {
    /// Reads a point: its coordinates one after the other, each little-endian (RFC 9215 section 4.3).
    pub(crate) fn from_bytes(set: GostParameterSet, point: &[u8]) -> Result<Self, &'static str> {
        use GostParameterSet as Set;
        match set {
            Set::CryptoProA | Set::CryptoProXchA | Set::Tc26B256 => {
                Self::on::<curves::CryptoProA, _>(point)
            }
            Set::CryptoProB | Set::Tc26C256 => Self::on::<curves::CryptoProB, _>(point),
            Set::CryptoProC | Set::CryptoProXchB | Set::Tc26D256 => {
                Self::on::<curves::CryptoProC, _>(point)
            }
            Set::Test256 => Self::on::<curves::Test256, _>(point),
            Set::Tc26A256 => Self::on::<curves::Tc26A256, _>(point),
            Set::Test512 => Self::on::<curves::Test512, _>(point),
            Set::Tc26A512 => Self::on::<curves::Tc26A512, _>(point),
            Set::Tc26B512 => Self::on::<curves::Tc26B512, _>(point),
            Set::Tc26C512 => Self::on::<curves::Tc26C512, _>(point),
        }
    }

    fn on<C: Curve<N>, const N: usize>(point: &[u8]) -> Result<Self, &'static str> {
        Ok(Self(Arc::new(Key::<C, N>::from_bytes(point)?)))
    }

    /// Whether `signature` is one of `digest`: s and r, each big-endian (RFC 9215 section 2).
    pub(crate) fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        self.0.verify(digest, signature)
    }
}
