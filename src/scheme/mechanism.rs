//! How a scheme is asked of a token: the PKCS#11 mechanism and what it is given to sign.

use std::borrow::Cow;

use cryptoki_sys::*;

use super::{Family, Scheme};
use crate::Curve;
use crate::digest::DigestAlgorithm;
use crate::module::raw::{Mechanism, Parameter};

/// Of GOST R 34.10-2012, where the standard has none (Technical Committee 26, base 0xD4321000).
#[cfg(feature = "gost")]
const CKM_GOSTR3410_512: CK_MECHANISM_TYPE = 0xD432_1006;
#[cfg(feature = "gost")]
const CKM_GOSTR3410_WITH_GOSTR3411_12_256: CK_MECHANISM_TYPE = 0xD432_1008;
#[cfg(feature = "gost")]
const CKM_GOSTR3410_WITH_GOSTR3411_12_512: CK_MECHANISM_TYPE = 0xD432_1009;

impl Scheme {
    /// The mechanism that signs what [`token_input`](Self::token_input) makes of a digest.
    ///
    /// None of them hashes: whatever the document's size, only its digest travels to the token.
    #[inline]
    pub(crate) fn mechanism(self) -> Mechanism {
        let code = self.mechanism_code();
        let parameter = match (self.family(), self.digest_algorithm()) {
            (Family::RsaPss, Some(digest)) => Parameter::Pss(pss(digest)),
            _ => Parameter::None,
        };
        Mechanism { code, parameter }
    }

    pub(crate) const fn mechanism_code(self) -> CK_MECHANISM_TYPE {
        self.row().mechanism
    }

    /// The mechanism's name, for messages.
    pub(crate) fn mechanism_name(self) -> &'static str {
        of(self.family()).1
    }

    /// The mechanism that hashes as well, of tokens that have no other. It is given the message.
    pub(crate) fn hashing_mechanism(self) -> Option<Mechanism> {
        let code = match self.family() {
            #[cfg(feature = "gost")]
            Family::Gost(gost) if gost.len == 32 => Some(CKM_GOSTR3410_WITH_GOSTR3411_12_256),
            #[cfg(feature = "gost")]
            Family::Gost(_) => Some(CKM_GOSTR3410_WITH_GOSTR3411_12_512),
            _ => None,
        };
        code.map(|code| Mechanism {
            code,
            parameter: Parameter::None,
        })
    }

    /// The same with the digest's object identifier as its parameter, which some tokens want.
    pub(crate) fn hashing_mechanism_with_digest(self) -> Option<Mechanism> {
        let mechanism = self.hashing_mechanism()?;
        let digest: &[u8] = match self.digest_algorithm()?.output_len() {
            32 => b"\x06\x08\x2a\x85\x03\x07\x01\x01\x02\x02",
            _ => b"\x06\x08\x2a\x85\x03\x07\x01\x01\x02\x03",
        };
        let parameter = Parameter::Bytes(digest);
        Some(Mechanism {
            parameter,
            ..mechanism
        })
    }

    /// What the mechanism is given: the digest, in the form that it wants.
    #[inline]
    pub(crate) fn token_input(self, digest: &[u8]) -> Cow<'_, [u8]> {
        match (self.family(), self.digest_algorithm()) {
            (Family::RsaPkcs1, Some(algorithm)) => {
                [digest_info_prefix(algorithm), digest].concat().into()
            }
            (Family::Ecdsa(curve), _) => ecdsa_input(curve, digest),
            _ => digest.into(),
        }
    }
}

/// The mechanism of a family's schemes, and its name.
pub(super) const fn of(family: Family) -> (CK_MECHANISM_TYPE, &'static str) {
    match family {
        Family::RsaPkcs1 => (CKM_RSA_PKCS, "CKM_RSA_PKCS"),
        Family::RsaPss => (CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS"),
        Family::Ecdsa(_) => (CKM_ECDSA, "CKM_ECDSA"),
        Family::Ed25519 => (CKM_EDDSA, "CKM_EDDSA"),
        #[cfg(feature = "gost")]
        Family::Gost(gost) if gost.len == 32 => (CKM_GOSTR3410, "CKM_GOSTR3410"),
        #[cfg(feature = "gost")]
        Family::Gost(_) => (CKM_GOSTR3410_512, "CKM_GOSTR3410_512"),
    }
}

/// The number that ECDSA makes of a digest (FIPS 186-5, section 6.4.1), as long as the curve's: its
/// leftmost bytes, or with zeros before it. By PKCS#11 the token would do that; not every token cuts a
/// long one, and PIV cards refuse a short one.
///
/// Those of P-521 end within a byte, where a token would cut a number that was made longer. None of the
/// digests is as long.
#[inline]
fn ecdsa_input(curve: Curve, digest: &[u8]) -> Cow<'_, [u8]> {
    let length = curve.field_len();
    match digest.get(..length) {
        Some(leftmost) => leftmost.into(),
        None if curve == Curve::P521 => digest.into(),
        None => {
            let mut number = vec![0; length - digest.len()];
            number.extend_from_slice(digest);
            number.into()
        }
    }
}

/// Of static life: tpm2-pkcs11 looks at them in `C_Sign`, long after `C_SignInit` was given them.
fn pss(digest: DigestAlgorithm) -> &'static CK_RSA_PKCS_PSS_PARAMS {
    use DigestAlgorithm::{Md5, Sha1, Sha256, Sha384, Sha512};
    match digest {
        Sha1 => &const { pss_with(Sha1, CKM_SHA_1, CKG_MGF1_SHA1) },
        Sha256 => &const { pss_with(Sha256, CKM_SHA256, CKG_MGF1_SHA256) },
        Sha384 => &const { pss_with(Sha384, CKM_SHA384, CKG_MGF1_SHA384) },
        Sha512 => &const { pss_with(Sha512, CKM_SHA512, CKG_MGF1_SHA512) },
        // No scheme has PSS with another, and PKCS#11 has no such mask.
        _ => &const { pss_with(Md5, CKM_MD5, 0) },
    }
}

/// The salt is as long as the digest (RFC 4055, section 3.1; what CMS, TLS 1.3 and CAs use).
const fn pss_with(
    digest: DigestAlgorithm,
    hash: CK_MECHANISM_TYPE,
    mask: CK_RSA_PKCS_MGF_TYPE,
) -> CK_RSA_PKCS_PSS_PARAMS {
    CK_RSA_PKCS_PSS_PARAMS {
        hashAlg: hash,
        mgf: mask,
        sLen: digest.output_len() as CK_ULONG,
    }
}

/// What stands before the digest in a `DigestInfo` (RFC 8017, section 9.2, note 1).
fn digest_info_prefix(digest: DigestAlgorithm) -> &'static [u8] {
    match digest {
        DigestAlgorithm::Md5 => {
            b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"
        }
        DigestAlgorithm::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        DigestAlgorithm::Sha256 => {
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
        }
        DigestAlgorithm::Sha384 => {
            b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"
        }
        DigestAlgorithm::Sha512 => {
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
        }
        // No scheme has PKCS#1 with these.
        #[cfg(feature = "gost")]
        DigestAlgorithm::Streebog256 | DigestAlgorithm::Streebog512 | DigestAlgorithm::Gost94 => {
            b""
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_for_ecdsa_is_as_long_as_the_curves_numbers() {
        let digest = [0xA5; 64];
        let input = |scheme: Scheme, length| scheme.token_input(&digest[..length]).into_owned();
        assert_eq!(input(Scheme::EcdsaP256Sha256, 32), digest[..32]);
        assert_eq!(input(Scheme::EcdsaP256Sha512, 64), digest[..32]);
        assert_eq!(input(Scheme::EcdsaP384Sha384, 48), digest[..48]);
        assert_eq!(input(Scheme::EcdsaP384Sha512, 64), digest[..48]);
        let padded = [&[0; 16][..], &digest[..32]].concat();
        assert_eq!(input(Scheme::EcdsaP384Sha256, 32), padded);
        assert_eq!(input(Scheme::EcdsaP521Sha256, 32), digest[..32]);
        assert_eq!(input(Scheme::EcdsaP521Sha512, 64), digest);
    }
}
