//! RSA keys: their two numbers, and what an `id-RSASSA-PSS` key says of its use.

use std::ops::RangeInclusive;

use der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use der::{Encode, Reader, SliceReader};
use rsa::BoxedUint;

use super::{PublicKeyError, malformed};
use crate::scheme::{Family, PssParameters, Scheme};

pub(super) const RSA_ENCRYPTION: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const RSASSA_PSS: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// The RSA keys that signatures are verified with. Shorter ones prove nothing; longer ones, like
/// public exponents above 33 bits, are a way to keep a verifier busy.
pub(crate) const RSA_BITS: RangeInclusive<u32> = 1024..=8192;

/// What may be shown and paired. What signatures are verified with is narrower: `RSA_BITS`.
const SANE_BITS: RangeInclusive<u32> = 512..=16_384;

/// The modulus and exponent of a DER RSAPublicKey (RFC 8017 appendix A.1.1), big-endian.
pub(super) fn from_der(der: &[u8]) -> Result<(&[u8], &[u8]), PublicKeyError> {
    let read = || -> der::Result<(UintRef<'_>, UintRef<'_>)> {
        let mut reader = SliceReader::new(der)?;
        let numbers =
            reader.sequence(|reader| Ok::<_, der::Error>((reader.decode()?, reader.decode()?)))?;
        reader.finish()?;
        Ok(numbers)
    };
    let (modulus, exponent) =
        read().map_err(|_| malformed("RSA", "it is not a DER RSAPublicKey"))?;
    Ok((modulus.as_bytes(), exponent.as_bytes()))
}

pub(super) fn to_der(modulus: &[u8], exponent: &[u8]) -> der::Result<Vec<u8>> {
    [UintRef::new(modulus)?, UintRef::new(exponent)?].to_der()
}

/// Checks the two numbers; gives the modulus' length in bits, and the key to verify with where it
/// is of a size that signatures are verified with.
pub(super) fn from_numbers(
    modulus: &[u8],
    exponent: &[u8],
) -> Result<(u32, Option<Box<rsa::RsaPublicKey>>), PublicKeyError> {
    let modulus = without_leading_zeros(modulus);
    let exponent = without_leading_zeros(exponent);
    let bits = bit_len(modulus).filter(|bits| SANE_BITS.contains(bits));
    let Some(bits) = bits else {
        return Err(malformed("RSA", "its modulus is not of 512 to 16384 bits"));
    };
    if !is_odd(modulus) {
        return Err(malformed("RSA", "its modulus is even"));
    }
    if !is_odd(exponent) || exponent == [1] {
        return Err(malformed("RSA", "its exponent is even or below 3"));
    }
    if (exponent.len(), exponent) >= (modulus.len(), modulus) {
        return Err(malformed("RSA", "its exponent is not below its modulus"));
    }
    // Refuses other sizes, and exponents above 33 bits, before it computes anything.
    let key = rsa::RsaPublicKey::new_with_size_limits(
        BoxedUint::from_be_slice_vartime(modulus),
        BoxedUint::from_be_slice_vartime(exponent),
        *RSA_BITS.start() as usize..=*RSA_BITS.end() as usize,
    );
    Ok((bits, key.ok().map(Box::new)))
}

/// What an `id-RSASSA-PSS` key may be used for (RFC 4055 section 3.1).
#[derive(Clone, Copy)]
pub(super) enum RsaUse {
    /// PSS with any digest.
    AnyPss,
    /// PSS with these parameters, the salt being at least as long as they say.
    Pss(PssParameters),
}

impl RsaUse {
    pub(super) fn from_pss_parameters(
        parameters: Option<AnyRef<'_>>,
    ) -> Result<Self, PublicKeyError> {
        let Some(parameters) = parameters else {
            return Ok(Self::AnyPss);
        };
        PssParameters::decode(parameters)
            .map(Self::Pss)
            .map_err(|_| malformed("RSA", "its RSASSA-PSS parameters cannot be read"))
    }

    pub(super) fn permits(self, scheme: Scheme) -> bool {
        let (Family::RsaPss, Some(digest)) = (scheme.family(), scheme.digest_algorithm()) else {
            return false;
        };
        match self {
            Self::AnyPss => true,
            Self::Pss(parameters) => {
                parameters.hash == digest.oid()
                    && parameters.mgf_hash == Some(digest.oid())
                    && parameters.salt_len <= digest.output_len() as u64
            }
        }
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// `None` for zero, and for a number too long to count.
fn bit_len(number: &[u8]) -> Option<u32> {
    let bits = u32::try_from(number.len()).ok()?.checked_mul(8)?;
    bits.checked_sub(number.first()?.leading_zeros())
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}
