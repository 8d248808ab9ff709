//! Verification in software, with a public key.

use std::io::{self, Read};

use md5::Md5;
use rsa::{Pkcs1v15Sign, Pss};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::public_key::{Material, RSA_BITS};
use crate::scheme::Family;
use crate::{Curve, DigestAlgorithm, Error, KeyType, PublicKey, Scheme, Signature};

/// Verification.
///
/// RSA keys of 1,024 to 8,192 bits with an exponent of up to 33 bits are verified with. ECDSA
/// signatures must be strict DER; both `s` and `n - s` are accepted, as FIPS 186-5 has it. Ed25519 is
/// verified by RFC 8032 section 5.1.7 without the cofactor, and keys and `R` of small order are
/// refused besides: with such a key one signature would be right for nearly every message. GOST R 34.10
/// is verified by RFC 7091 section 6.2.
impl PublicKey {
    /// Verifies that `signature` is one of `message` by this key.
    ///
    /// `signature` is in the form of X.509: see [`Signature`].
    ///
    /// # Errors
    /// [`Error::Verify`]: [`VerifyError::BadSignature`] where it is not,
    /// [`VerifyError::SchemeMismatch`], [`VerifyError::SchemeForbidden`] and
    /// [`VerifyError::UnsupportedKey`] where that cannot be told.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Error, PublicKey, Scheme, VerifyError};
    ///
    /// # let key = PublicKey::from_rsa(&[0xc5; 256], &[1, 0, 1])?;
    /// match key.verify(Scheme::RsaPkcs1Sha256, b"message", [0; 256]) {
    ///     Ok(()) => println!("signed by this key"),
    ///     Err(Error::Verify(VerifyError::BadSignature { .. })) => println!("forged, or damaged"),
    ///     Err(other) => return Err(other),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.check_scheme(scheme)?;
        match scheme.digest_algorithm() {
            Some(digest) => {
                self.verify_hashed(scheme, digest, &digest.digest(message), signature.as_ref())?;
            }
            None => self.verify_ed25519(scheme, message, signature.as_ref())?,
        }
        Ok(())
    }

    /// Verifies that `signature` is one of the message with this digest.
    ///
    /// # Errors
    /// [`Error::Verify`], as [`verify`](Self::verify); also [`VerifyError::MessageNeeded`] for
    /// Ed25519 and [`VerifyError::DigestLength`].
    ///
    /// # Example
    /// ```
    /// use keyfob::{DigestAlgorithm, Error, PublicKey, Scheme, VerifyError};
    ///
    /// # let key = PublicKey::from_rsa(&[0xc5; 256], &[1, 0, 1])?;
    /// let digest = DigestAlgorithm::Sha256.digest(b"message");
    /// let bad = key.verify_digest(Scheme::RsaPkcs1Sha256, &digest, [0; 256]);
    /// assert!(matches!(bad, Err(Error::Verify(VerifyError::BadSignature { .. }))));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn verify_digest(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.check_scheme(scheme)?;
        let algorithm = scheme
            .digest_algorithm()
            .ok_or(VerifyError::MessageNeeded { scheme })?;
        if digest.len() != algorithm.output_len() {
            return Err(Error::Verify(VerifyError::DigestLength {
                algorithm,
                found: digest.len(),
            }));
        }
        Ok(self.verify_hashed(scheme, algorithm, digest, signature.as_ref())?)
    }

    /// Verifies what a token made of its input: a digest, or a whole message.
    pub(crate) fn verify_input(
        &self,
        scheme: Scheme,
        input: &[u8],
        signature: &Signature,
    ) -> Result<(), Error> {
        match scheme.digest_algorithm() {
            Some(_) => self.verify_digest(scheme, input, signature),
            None => self.verify(scheme, input, signature),
        }
    }

    /// Verifies that `signature` is one of all that `message` gives, in constant memory.
    ///
    /// Ed25519 needs the message whole: up to [`Scheme::message_limit`] bytes are read into memory.
    ///
    /// # Errors
    /// [`Error::Verify`], as [`verify`](Self::verify); also [`VerifyError::Read`], and
    /// [`VerifyError::MessageTooLong`] for Ed25519.
    ///
    /// # Example
    /// ```no_run
    /// # let key = keyfob::PublicKey::from_rsa(&[0xc5; 256], &[1, 0, 1])?;
    /// let document = std::fs::File::open("contract.pdf")?;
    /// let signature = std::fs::read("contract.pdf.sig")?;
    /// key.verify_reader(keyfob::Scheme::RsaPkcs1Sha256, document, signature)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify_reader(
        &self,
        scheme: Scheme,
        message: impl Read,
        signature: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        self.check_scheme(scheme)?;
        match scheme.digest_algorithm() {
            Some(algorithm) => {
                let digest = algorithm
                    .digest_reader(message)
                    .map_err(VerifyError::Read)?;
                self.verify_hashed(scheme, algorithm, &digest, signature.as_ref())?;
            }
            None => {
                let message = read_limited(scheme, message)?;
                self.verify_ed25519(scheme, &message, signature.as_ref())?;
            }
        }
        Ok(())
    }

    /// Verifies an RSA-PSS signature with a salt of this length, which `scheme` does not have.
    #[cfg(feature = "cms")]
    pub(crate) fn verify_digest_with_salt(
        &self,
        scheme: Scheme,
        salt_len: usize,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        self.check_scheme(scheme)?;
        match (self.material(), scheme.digest_algorithm()) {
            (Material::Rsa(Some(key)), Some(algorithm)) if scheme.family() == Family::RsaPss => {
                let right = verify_pss(key, algorithm, digest, salt_len, signature);
                Ok(verdict(right, scheme)?)
            }
            _ => self.verify_digest(scheme, digest, signature),
        }
    }

    fn check_scheme(&self, scheme: Scheme) -> Result<(), VerifyError> {
        let key = self.key_type();
        match key {
            KeyType::Other(_) => Err(VerifyError::UnsupportedKey { key }),
            _ if !scheme.fits(&key) => Err(VerifyError::SchemeMismatch { scheme, key }),
            _ if !self.permits(scheme) => Err(VerifyError::SchemeForbidden { scheme, key }),
            _ => Ok(()),
        }
    }

    /// `digest` has the length of `algorithm`.
    fn verify_hashed(
        &self,
        scheme: Scheme,
        algorithm: DigestAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let right = match (self.material(), scheme.family()) {
            (Material::Rsa(Some(key)), Family::RsaPkcs1) => {
                let padding = pkcs1(algorithm);
                padding.is_some_and(|padding| key.verify(padding, digest, signature).is_ok())
            }
            (Material::Rsa(Some(key)), Family::RsaPss) => {
                verify_pss(key, algorithm, digest, algorithm.output_len(), signature)
            }
            (key, Family::Ecdsa(_)) => Signature::from_bytes(scheme, signature.to_vec())
                .is_ok_and(|signature| verify_ecdsa(key, digest, &signature.to_raw())),
            #[cfg(feature = "gost")]
            (Material::Gost(key), Family::Gost(_)) => {
                Signature::from_bytes(scheme, signature.to_vec())
                    .is_ok_and(|signature| key.verify(digest, &signature.to_raw()))
            }
            _ => {
                let key = self.key_type();
                return Err(VerifyError::UnsupportedKey { key });
            }
        };
        verdict(right, scheme)
    }

    fn verify_ed25519(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let Material::Ed25519(key) = self.material() else {
            let key = self.key_type();
            return Err(VerifyError::SchemeMismatch { scheme, key });
        };
        let right = ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok());
        verdict(right, scheme)
    }
}

fn pkcs1(algorithm: DigestAlgorithm) -> Option<Pkcs1v15Sign> {
    Some(match algorithm {
        DigestAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
        DigestAlgorithm::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
        DigestAlgorithm::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        DigestAlgorithm::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
        DigestAlgorithm::Md5 => Pkcs1v15Sign::new::<Md5>(),
        #[cfg(feature = "gost")]
        _ => return None,
    })
}

fn verify_pss(
    key: &rsa::RsaPublicKey,
    algorithm: DigestAlgorithm,
    digest: &[u8],
    salt_len: usize,
    signature: &[u8],
) -> bool {
    match algorithm {
        DigestAlgorithm::Sha256 => {
            key.verify(Pss::<Sha256>::new_with_salt(salt_len), digest, signature)
        }
        DigestAlgorithm::Sha384 => {
            key.verify(Pss::<Sha384>::new_with_salt(salt_len), digest, signature)
        }
        DigestAlgorithm::Sha512 => {
            key.verify(Pss::<Sha512>::new_with_salt(salt_len), digest, signature)
        }
        DigestAlgorithm::Sha1 => {
            key.verify(Pss::<Sha1>::new_with_salt(salt_len), digest, signature)
        }
        // No scheme has PSS with another.
        _ => return false,
    }
    .is_ok()
}

/// `raw` is `r‖s` at the curve's width.
///
/// The digest's leftmost bits count, as many as the order of the curve has; a shorter digest counts
/// as it is (FIPS 186-5 section 6.4.2). The curves' crates see to both.
fn verify_ecdsa(key: &Material, digest: &[u8], raw: &[u8]) -> bool {
    use signature::hazmat::PrehashVerifier;
    match key {
        Material::P256(key) => p256::ecdsa::Signature::from_slice(raw)
            .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
        Material::P384(key) => p384::ecdsa::Signature::from_slice(raw)
            .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
        Material::P521(key) => p521::ecdsa::Signature::from_slice(raw)
            .is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok()),
        _ => false,
    }
}

fn verdict(right: bool, scheme: Scheme) -> Result<(), VerifyError> {
    match right {
        true => Ok(()),
        false => Err(VerifyError::BadSignature { scheme }),
    }
}

/// All of a message, where it is no longer than the scheme's limit.
fn read_limited(scheme: Scheme, reader: impl Read) -> Result<Vec<u8>, VerifyError> {
    let limit = scheme.message_limit().unwrap_or(usize::MAX);
    let mut message = Vec::new();
    reader
        .take((limit as u64).saturating_add(1))
        .read_to_end(&mut message)
        .map_err(VerifyError::Read)?;
    match message.len() > limit {
        true => Err(VerifyError::MessageTooLong { scheme, limit }),
        false => Ok(message),
    }
}

/// Why a signature was not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The signature is not one of this message by this key, or is malformed.
    #[error(
        "the {scheme} signature is not of this message by this key; check that message, signature, scheme and certificate belong together"
    )]
    BadSignature {
        /// The scheme it was verified with.
        scheme: Scheme,
    },
    /// The scheme is for keys of another kind.
    #[error(
        "the scheme {scheme} is not for a key of type {key}; Scheme::default_for names one that is"
    )]
    SchemeMismatch {
        /// The scheme that was asked for.
        scheme: Scheme,
        /// The type of the key.
        key: KeyType,
    },
    /// The key is marked as one for RSA-PSS alone, perhaps with one digest (RFC 4055 section 1.2), or
    /// for another standard of GOST R 34.10.
    #[error(
        "the {key} key is marked for the algorithm in its certificate alone, which {scheme} does not follow; use the scheme it names"
    )]
    SchemeForbidden {
        /// The scheme that was asked for.
        scheme: Scheme,
        /// The type of the key.
        key: KeyType,
    },
    /// The digest does not have the length of its algorithm.
    #[error("a digest of {found} bytes is not {algorithm}, which has {}; pass the digest of the message, not the message", algorithm.output_len())]
    DigestLength {
        /// The algorithm of the scheme.
        algorithm: DigestAlgorithm,
        /// The length in bytes.
        found: usize,
    },
    /// The scheme signs messages, not digests.
    #[error("{scheme} signs the message itself, a digest is not enough; pass the message")]
    MessageNeeded {
        /// The scheme that was asked for.
        scheme: Scheme,
    },
    /// The message is longer than is read into memory for this scheme.
    #[error(
        "the message is longer than the {limit} bytes that are read for {scheme}; sign large documents with another scheme, or as CMS"
    )]
    MessageTooLong {
        /// The scheme that was asked for.
        scheme: Scheme,
        /// The limit in bytes.
        limit: usize,
    },
    /// Signatures are not verified with such a key.
    #[error("signatures are not verified with a key of type {key}: only with RSA of {} to {} bits and an exponent of up to 33, ECDSA on {}, {}, {}, Ed25519, and GOST R 34.10 on its usual curves", RSA_BITS.start(), RSA_BITS.end(), Curve::P256, Curve::P384, Curve::P521)]
    UnsupportedKey {
        /// The type of the key.
        key: KeyType,
    },
    /// The message could not be read.
    #[error("the message could not be read to be verified: {0}")]
    Read(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bits: usize) -> PublicKey {
        PublicKey::from_rsa(&vec![0xff; bits / 8], &[1, 0, 1]).unwrap()
    }

    fn refusal(result: Result<(), Error>) -> VerifyError {
        match result {
            Err(Error::Verify(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn misuse_has_its_own_errors() {
        let key = rsa(2048);
        let scheme = Scheme::RsaPkcs1Sha256;
        assert!(matches!(
            refusal(key.verify(Scheme::Ed25519, b"", b"")),
            VerifyError::SchemeMismatch { .. }
        ));
        assert!(matches!(
            refusal(key.verify_digest(scheme, &[0; 31], b"")),
            VerifyError::DigestLength { found: 31, .. }
        ));
        assert!(matches!(
            refusal(key.verify_digest(scheme, &[0; 32], b"")),
            VerifyError::BadSignature { .. }
        ));
    }

    #[test]
    fn rsa_keys_of_other_sizes_are_not_verified_with() {
        for bits in [512, 1016, 8200, 16_384] {
            for scheme in [Scheme::RsaPkcs1Sha256, Scheme::RsaPssSha512] {
                let error = refusal(rsa(bits).verify(scheme, b"", vec![0; bits / 8]));
                assert!(
                    matches!(error, VerifyError::UnsupportedKey { .. }),
                    "{bits}"
                );
            }
        }
        for bits in [1024, 8192] {
            let error = refusal(rsa(bits).verify(Scheme::RsaPssSha256, b"", vec![1; bits / 8]));
            assert!(matches!(error, VerifyError::BadSignature { .. }), "{bits}");
        }
        let large_exponent = PublicKey::from_rsa(&[0xff; 256], &[0xff; 5]).unwrap();
        assert!(matches!(
            refusal(large_exponent.verify(Scheme::RsaPkcs1Sha256, b"", [1; 256])),
            VerifyError::UnsupportedKey { .. }
        ));
    }

    /// With a key of order one, the zero signature is right for every message but for the check.
    #[test]
    fn ed25519_keys_of_small_order_verify_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let oid = [0x06, 0x03, 0x2b, 0x65, 0x70];
        let key = PublicKey::from_ec(&oid, &identity).unwrap();
        let mut signature = [0; 64];
        signature[0] = 1;
        let scheme = Scheme::Ed25519;
        assert!(matches!(
            refusal(key.verify(scheme, b"anything", signature)),
            VerifyError::BadSignature { .. }
        ));
        assert!(matches!(
            refusal(key.verify_digest(scheme, &[0; 64], signature)),
            VerifyError::MessageNeeded { .. }
        ));
    }

    #[test]
    fn a_stream_for_ed25519_is_read_up_to_the_limit_and_no_further() {
        let limit = Scheme::ED25519_MESSAGE_LIMIT as u64;
        let scheme = Scheme::Ed25519;
        let exact = read_limited(scheme, io::repeat(7).take(limit)).unwrap();
        assert_eq!(exact.len(), Scheme::ED25519_MESSAGE_LIMIT);
        let mut endless = Counting(0);
        assert!(matches!(
            read_limited(scheme, &mut endless),
            Err(VerifyError::MessageTooLong { .. })
        ));
        assert_eq!(endless.0, limit + 1);
    }

    struct Counting(u64);

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += buffer.len() as u64;
            Ok(buffer.len())
        }
    }
}
