//! How a scheme is asked of a token: the PKCS#11 mechanism and what it is given to sign.

use std::borrow::Cow;

use cryptoki_sys::*;

use super::{Family, Scheme};
use crate::digest::DigestAlgorithm;
use crate::module::raw::{Mechanism, Parameter};

impl Scheme {
    /// The mechanism that signs what [`token_input`](Self::token_input) makes of a digest.
    ///
    /// None of them hashes: whatever the document's size, only its digest travels to the token.
    pub(crate) fn mechanism(self) -> Mechanism {
        let code = self.mechanism_code();
        let parameter = match (self.family(), self.digest_algorithm()) {
            (Family::RsaPss, Some(digest)) => Parameter::Pss(pss(digest)),
            _ => Parameter::None,
        };
        Mechanism { code, parameter }
    }

    pub(crate) fn mechanism_code(self) -> CK_MECHANISM_TYPE {
        match self.family() {
            Family::RsaPkcs1 => CKM_RSA_PKCS,
            Family::RsaPss => CKM_RSA_PKCS_PSS,
            Family::Ecdsa(_) => CKM_ECDSA,
            Family::Ed25519 => CKM_EDDSA,
        }
    }

    /// The mechanism's name, for messages.
    pub(crate) fn mechanism_name(self) -> &'static str {
        match self.family() {
            Family::RsaPkcs1 => "CKM_RSA_PKCS",
            Family::RsaPss => "CKM_RSA_PKCS_PSS",
            Family::Ecdsa(_) => "CKM_ECDSA",
            Family::Ed25519 => "CKM_EDDSA",
        }
    }

    /// What the mechanism is given: the digest, in the form that it wants.
    pub(crate) fn token_input(self, digest: &[u8]) -> Cow<'_, [u8]> {
        match (self.family(), self.digest_algorithm()) {
            (Family::RsaPkcs1, Some(algorithm)) => {
                [digest_info_prefix(algorithm), digest].concat().into()
            }
            // Leftmost bytes, as FIPS 186-5 section 6.4.1 has it. By PKCS#11 the token would cut
            // it; not every token does.
            (Family::Ecdsa(curve), _) => digest.get(..curve.field_len()).unwrap_or(digest).into(),
            _ => digest.into(),
        }
    }
}

/// The salt is as long as the digest (RFC 4055, section 3.1; what CMS, TLS 1.3 and CAs use).
fn pss(digest: DigestAlgorithm) -> CK_RSA_PKCS_PSS_PARAMS {
    let (hash, mask) = match digest {
        // No scheme has PSS with MD5, and PKCS#11 has no such mask.
        DigestAlgorithm::Md5 => (CKM_MD5, 0),
        DigestAlgorithm::Sha1 => (CKM_SHA_1, CKG_MGF1_SHA1),
        DigestAlgorithm::Sha256 => (CKM_SHA256, CKG_MGF1_SHA256),
        DigestAlgorithm::Sha384 => (CKM_SHA384, CKG_MGF1_SHA384),
        DigestAlgorithm::Sha512 => (CKM_SHA512, CKG_MGF1_SHA512),
    };
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
    }
}
