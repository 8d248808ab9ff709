//! A signature, in the form that X.509, CMS and OpenSSL have it.

use std::fmt;

use der::asn1::{BitString, UintRef};
use der::{Reader, SliceReader};
use spki::SignatureBitStringEncoding;

use super::{Family, Scheme};
#[cfg(feature = "gost")]
use super::{GostStandard, reversed};
use crate::Curve;

/// A signature and the scheme it was made with.
///
/// Its bytes are in the form that X.509, CMS and OpenSSL have them: for ECDSA a DER
/// Ecdsa-Sig-Value (RFC 3279 section 2.2.3), otherwise what RFC 8017 and RFC 8032 define, for GOST
/// R 34.10 `s‖r`, each big-endian (RFC 9215 section 2), and in Kazakhstan the reverse of that. ECDSA's
/// other form, `r‖s` at fixed width, is what tokens return and JOSE wants: see
/// [`from_raw`](Self::from_raw) and [`to_raw`](Self::to_raw).
///
/// # Example
/// ```
/// use keyfob::{Scheme, Signature};
///
/// let mut raw = [0; 64];
/// raw[31] = 1;
/// raw[63] = 2;
/// let signature = Signature::from_raw(Scheme::EcdsaP256Sha256, &raw)?;
/// assert_eq!(signature.as_bytes(), [0x30, 6, 2, 1, 1, 2, 1, 2]);
/// assert_eq!(signature.to_raw(), raw);
/// # Ok::<(), keyfob::SignatureError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    scheme: Scheme,
    bytes: Vec<u8>,
}

impl Signature {
    /// Takes a signature in the form of X.509: DER for ECDSA, plain otherwise.
    ///
    /// That it is well formed says nothing of whether it is right: verify it.
    ///
    /// # Errors
    /// [`SignatureError::Der`] where an ECDSA signature is no strict DER Ecdsa-Sig-Value,
    /// [`SignatureError::Range`] where `r` or `s` is zero or too large,
    /// [`SignatureError::Length`] where the length is wrong.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Scheme, Signature, SignatureError};
    ///
    /// let signature = Signature::from_bytes(Scheme::Ed25519, vec![0; 64])?;
    /// assert_eq!(signature.to_raw(), signature.as_bytes());
    ///
    /// let short = Signature::from_bytes(Scheme::Ed25519, vec![0; 63]);
    /// assert!(matches!(short, Err(SignatureError::Length { .. })));
    /// # Ok::<(), SignatureError>(())
    /// ```
    pub fn from_bytes(scheme: Scheme, bytes: Vec<u8>) -> Result<Self, SignatureError> {
        match scheme.family() {
            Family::Ecdsa(curve) => {
                ecdsa_from_der(curve, &bytes)?;
            }
            _ => check_length(scheme, bytes.len())?,
        }
        Ok(Self { scheme, bytes })
    }

    /// Takes a signature as PKCS#11 and JOSE have it: `r‖s` for ECDSA, each big-endian and as long
    /// as a coordinate of the curve, `s‖r` in the same manner for GOST R 34.10, plain otherwise.
    ///
    /// # Errors
    /// [`SignatureError::Length`] where the length is wrong, [`SignatureError::Range`] where `r` or
    /// `s` is zero.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Scheme, Signature, SignatureError};
    ///
    /// let zero = Signature::from_raw(Scheme::EcdsaP384Sha384, &[0; 96]);
    /// assert!(matches!(zero, Err(SignatureError::Range { .. })));
    /// ```
    pub fn from_raw(scheme: Scheme, raw: &[u8]) -> Result<Self, SignatureError> {
        check_length(scheme, raw.len())?;
        let bytes = match scheme.family() {
            Family::Ecdsa(curve) => {
                let (r, s) = raw.split_at(raw.len() / 2);
                ecdsa_to_der(curve, r, s)?
            }
            #[cfg(feature = "gost")]
            Family::Gost(gost) if gost.standard == GostStandard::Kazakhstan => reversed(raw),
            _ => raw.to_vec(),
        };
        Ok(Self { scheme, bytes })
    }

    /// The signature in the form of X.509: DER for ECDSA, plain otherwise.
    ///
    /// # Example
    /// ```
    /// # let signature = keyfob::Signature::from_bytes(keyfob::Scheme::Ed25519, vec![7; 64])?;
    /// std::fs::write(std::env::temp_dir().join("document.sig"), signature.as_bytes())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, as [`as_bytes`](Self::as_bytes).
    ///
    /// # Example
    /// ```
    /// # let signature = keyfob::Signature::from_bytes(keyfob::Scheme::Ed25519, vec![7; 64])?;
    /// assert_eq!(signature.into_bytes(), [7; 64]);
    /// # Ok::<(), keyfob::SignatureError>(())
    /// ```
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The signature as PKCS#11 and JOSE have it: `r‖s` at fixed width for ECDSA (RFC 7518 section
    /// 3.4), plain otherwise.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Scheme, Signature};
    ///
    /// let der = vec![0x30, 6, 2, 1, 1, 2, 1, 2];
    /// let signature = Signature::from_bytes(Scheme::EcdsaP521Sha512, der)?;
    /// assert_eq!(signature.to_raw().len(), 132);
    /// # Ok::<(), keyfob::SignatureError>(())
    /// ```
    // Both constructors have been through `ecdsa_from_der` or its inverse, so it cannot panic.
    #[allow(clippy::expect_used, clippy::missing_panics_doc)]
    pub fn to_raw(&self) -> Vec<u8> {
        match self.scheme.family() {
            Family::Ecdsa(curve) => {
                ecdsa_from_der(curve, &self.bytes).expect("checked when it was made")
            }
            #[cfg(feature = "gost")]
            Family::Gost(gost) if gost.standard == GostStandard::Kazakhstan => {
                reversed(&self.bytes)
            }
            _ => self.bytes.clone(),
        }
    }

    /// The scheme.
    ///
    /// # Example
    /// ```
    /// # use keyfob::{Scheme, Signature};
    /// let signature = Signature::from_bytes(Scheme::Ed25519, vec![7; 64])?;
    /// assert_eq!(signature.scheme(), Scheme::Ed25519);
    /// # Ok::<(), keyfob::SignatureError>(())
    /// ```
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Signature> for Vec<u8> {
    fn from(signature: Signature) -> Self {
        signature.bytes
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}, ", self.scheme)?;
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

impl SignatureBitStringEncoding for Signature {
    fn to_bitstring(&self) -> der::Result<BitString> {
        BitString::from_bytes(&self.bytes)
    }
}

/// Why bytes are no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The length is wrong.
    #[error(
        "a signature of {found} bytes cannot be {scheme}: {expected} bytes are wanted; check the scheme, and whether the file was cut short"
    )]
    Length {
        /// The scheme it was taken for.
        scheme: Scheme,
        /// What is wanted, as a number or a range.
        expected: &'static str,
        /// The length in bytes.
        found: usize,
    },
    /// An ECDSA signature is no strict DER.
    #[error(
        "the ECDSA signature is not a DER Ecdsa-Sig-Value ({0}); if it is r‖s at fixed width, read it with Signature::from_raw"
    )]
    Der(der::Error),
    /// One of the two numbers of an ECDSA signature is zero or larger than the curve allows.
    #[error(
        "a number in the ECDSA signature is zero or too large for {curve}; the signature is not right, or of another curve"
    )]
    Range {
        /// The curve.
        curve: Curve,
    },
}

/// The lengths of raw signatures.
fn check_length(scheme: Scheme, found: usize) -> Result<(), SignatureError> {
    let fits = match scheme.raw_len() {
        Some(length) => found == length,
        // The key knows better; this is what the RSA keys that are read here can make.
        None => (64..=2048).contains(&found),
    };
    match fits {
        true => Ok(()),
        false => Err(wrong_length(scheme, found)),
    }
}

#[cold]
fn wrong_length(scheme: Scheme, found: usize) -> SignatureError {
    let expected = match scheme.raw_len() {
        Some(64) => "64",
        Some(96) => "96",
        Some(128) => "128",
        Some(_) => "132",
        None => "64 to 2048",
    };
    SignatureError::Length {
        scheme,
        expected,
        found,
    }
}

/// `r‖s` at fixed width of a strict DER Ecdsa-Sig-Value.
fn ecdsa_from_der(curve: Curve, der: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let mut reader = SliceReader::new(der).map_err(SignatureError::Der)?;
    let numbers: [UintRef<'_>; 2] = reader
        .sequence(|reader| Ok([reader.decode()?, reader.decode()?]))
        .map_err(SignatureError::Der)?;
    reader.finish().map_err(SignatureError::Der)?;

    let width = curve.field_len();
    let mut raw = Vec::with_capacity(2 * width);
    for number in numbers {
        let bytes = number.as_bytes();
        let padding = width.checked_sub(bytes.len());
        let (Some(padding), false) = (padding, is_zero(bytes)) else {
            return Err(SignatureError::Range { curve });
        };
        raw.extend(std::iter::repeat_n(0, padding));
        raw.extend_from_slice(bytes);
    }
    Ok(raw)
}

/// Written here, and not by `der`, which takes as long as all else that a signature costs beside the
/// module.
fn ecdsa_to_der(curve: Curve, r: &[u8], s: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let (r, s) = (without_zeros(r), without_zeros(s));
    let (Some(r_len), Some(s_len)) = (integer_len(r), integer_len(s)) else {
        return Err(SignatureError::Range { curve });
    };
    let length = 2 + r_len + 2 + s_len;
    let mut der = Vec::with_capacity(3 + length);
    der.push(SEQUENCE);
    // Two numbers of P-521 have 138 bytes with their headers: each length fits a byte.
    if length >= 128 {
        der.push(0x81);
    }
    der.push(length as u8);
    for (number, length) in [(r, r_len), (s, s_len)] {
        der.extend_from_slice(&[INTEGER, length as u8]);
        if length > number.len() {
            der.push(0);
        }
        der.extend_from_slice(number);
    }
    Ok(der)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// With the zero before it that keeps it positive, where it needs one; none for zero.
fn integer_len(number: &[u8]) -> Option<usize> {
    let first = number.first()?;
    Some(number.len() + usize::from(*first >= 0x80))
}

fn is_zero(number: &[u8]) -> bool {
    number.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const P256: Scheme = Scheme::EcdsaP256Sha256;

    #[test]
    fn high_bits_and_leading_zeros_survive_both_ways() {
        for (scheme, width) in [(P256, 32), (Scheme::EcdsaP521Sha512, 66)] {
            for (first, last) in [(0xff, 1), (0x80, 0), (0, 0x7f), (0, 0x80)] {
                let mut raw = vec![0; 2 * width];
                (raw[0], raw[width - 1]) = (first, last | 1);
                (raw[width], raw[2 * width - 1]) = (last, first | 1);
                let signature = Signature::from_raw(scheme, &raw).unwrap();
                assert_eq!(signature.to_raw(), raw);
                let again = Signature::from_bytes(scheme, signature.as_bytes().to_vec()).unwrap();
                assert_eq!(again, signature);
            }
        }
    }

    #[test]
    fn loose_der_is_refused() {
        for (bytes, what) in [
            (
                &b"\x30\x06\x02\x01\x01\x02\x01\x02\x00"[..],
                "trailing byte",
            ),
            (b"\x30\x07\x02\x02\x00\x01\x02\x01\x02", "leading zero"),
            (b"\x30\x81\x06\x02\x01\x01\x02\x01\x02", "long length"),
            (b"\x30\x06\x02\x01\xff\x02\x01\x02", "negative"),
            (b"\x30\x05\x02\x00\x02\x01\x02", "empty integer"),
            (b"\x30\x03\x02\x01\x01", "one number"),
            (
                b"\x30\x09\x02\x01\x01\x02\x01\x02\x02\x01\x03",
                "three numbers",
            ),
            (b"\x31\x06\x02\x01\x01\x02\x01\x02", "a set"),
            (b"", "nothing"),
        ] {
            let read = Signature::from_bytes(P256, bytes.to_vec());
            assert!(
                matches!(read, Err(SignatureError::Der(_))),
                "{what}: {read:?}"
            );
        }
    }

    #[test]
    fn zero_and_too_large_are_refused() {
        let zero = b"\x30\x06\x02\x01\x00\x02\x01\x02".to_vec();
        let mut large = vec![0x30, 38, 2, 33, 1];
        large.extend([0; 32]);
        large.extend([2, 1, 1]);
        for bytes in [zero, large] {
            let read = Signature::from_bytes(P256, bytes);
            assert_eq!(read, Err(SignatureError::Range { curve: Curve::P256 }));
        }
        let mut raw = [0; 64];
        raw[0] = 1;
        assert!(Signature::from_raw(P256, &raw).is_err());
    }

    #[test]
    fn lengths() {
        for (scheme, right) in [
            (P256, 64),
            (Scheme::EcdsaP384Sha384, 96),
            (Scheme::EcdsaP521Sha512, 132),
            (Scheme::Ed25519, 64),
        ] {
            assert!(Signature::from_raw(scheme, &vec![1; right]).is_ok());
            for wrong in [0, right - 1, right + 1] {
                assert!(Signature::from_raw(scheme, &vec![1; wrong]).is_err());
            }
        }
        assert!(Signature::from_bytes(Scheme::RsaPkcs1Sha256, vec![]).is_err());
        assert!(Signature::from_bytes(Scheme::RsaPssSha512, vec![0; 256]).is_ok());
    }
}
