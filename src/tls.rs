//! TLS with a key on a token, for rustls.
//!
//! rustls asks a key two things: with which of the schemes that the peer takes it would sign
//! ([`SigningKey`]), and then for a signature ([`Signer`]). All else of TLS is rustls's own.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};

use crate::identity::Identity;
use crate::key::PrivateKey;
use crate::{Certificate, Error, KeyType, PublicKey, Scheme, Signature};

impl Identity {
    /// This identity as rustls has them: the certificate, those that lead from it to a root (the
    /// one that issued it first, the root left out), and the key, which stays on the token.
    ///
    /// `rustls::sign::SingleCertAndKey` makes of it what a client's or a server's configuration
    /// takes. Nothing is asked of the certificate: not whether it is valid, nor what it is for.
    ///
    /// # Errors
    /// [`SignError::KeyHidden`](crate::SignError::KeyHidden) and
    /// [`SignError::NoKey`](crate::SignError::NoKey); [`TlsError::NoCertificate`];
    /// [`Error::PublicKey`] where the certificate's is malformed; those of
    /// [`PrivateKey::tls_key`].
    ///
    /// # Example
    /// ```no_run
    /// use std::sync::Arc;
    /// use keyfob::Pin;
    /// use rustls::sign::SingleCertAndKey;
    /// use rustls::{ClientConfig, RootCertStore};
    ///
    /// # let roots = RootCertStore::empty();
    /// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let me = fob.identities()?.valid_now().label("p256").only()?;
    /// let config = ClientConfig::builder()
    ///     .with_root_certificates(roots)
    ///     .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(me.certified_key(&[])?)));
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn certified_key(&self, intermediates: &[Certificate]) -> Result<CertifiedKey, Error> {
        let key = self.signing_key()?;
        let Some(certificate) = self.certificate() else {
            return Err(TlsError::NoCertificate.of(key));
        };
        // The certificate's own word: it may say that the key is for RSA-PSS alone.
        let public_key = certificate.public_key()?;
        let chain = [certificate].into_iter().chain(intermediates);
        Ok(CertifiedKey::new(
            chain
                .map(|one| CertificateDer::from(one.der().to_vec()))
                .collect(),
            Arc::new(TlsKey::new(key.clone(), Some(public_key))?),
        ))
    }
}

impl PrivateKey {
    /// This key for rustls, where its certificate is not on the token. Otherwise
    /// [`Identity::certified_key`] has both.
    ///
    /// # Errors
    /// [`TlsError::NoScheme`]; [`Error::Sign`] where the key may not sign, or the token cannot sign
    /// with any scheme of TLS.
    ///
    /// # Example
    /// ```no_run
    /// use std::sync::Arc;
    /// use keyfob::{Certificate, Pin};
    /// use rustls::sign::CertifiedKey;
    ///
    /// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let certificate = Certificate::read("me.crt")?.der().to_vec();
    /// let key = fob.key("p256")?.tls_key()?;
    /// let certified = CertifiedKey::new(vec![certificate.into()], Arc::new(key));
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub fn tls_key(&self) -> Result<TlsKey, Error> {
        TlsKey::new(self.clone(), self.public_key().cloned())
    }
}

/// A key on a token as rustls's [`SigningKey`].
///
/// It signs with the first of these that the peer takes and the token has: RSA-PSS, then RSA
/// PKCS#1 v1.5 (which TLS 1.3 does not know), each with SHA-256, SHA-384, SHA-512; ECDSA with the
/// digest of the curve's size; Ed25519.
///
/// A signature is made in the middle of a handshake, and blocks it. It fails with a
/// `rustls::Error::Other` that holds the [`Error`](crate::Error).
///
/// # Example
/// Which error it was:
/// ```
/// fn was_removed(error: &rustls::Error) -> bool {
///     let rustls::Error::Other(other) = error else {
///         return false;
///     };
///     matches!(other.0.downcast_ref(), Some(keyfob::Error::TokenRemoved { .. }))
/// }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub struct TlsKey {
    key: PrivateKey,
    public_key: Option<PublicKey>,
    algorithm: SignatureAlgorithm,
    /// What the key and its token can do, the best first.
    schemes: Vec<(SignatureScheme, Scheme)>,
}

impl TlsKey {
    /// Asks the token for its mechanisms now, so that nothing but the signature is left to fail in
    /// the handshake.
    fn new(key: PrivateKey, public_key: Option<PublicKey>) -> Result<Self, Error> {
        let key_type = key.key_type();
        let no_scheme = || TlsError::NoScheme { key_type }.of(&key);
        let algorithm = match key_type {
            KeyType::Rsa { .. } => SignatureAlgorithm::RSA,
            KeyType::Ec(_) => SignatureAlgorithm::ECDSA,
            KeyType::Ed25519 => SignatureAlgorithm::ED25519,
            _ => return Err(no_scheme()),
        };
        let mut schemes = Vec::new();
        let mut refusal = None;
        for (name, scheme) in candidates(key_type, public_key.as_ref()) {
            match key.check(scheme) {
                Ok(()) => schemes.push((name, scheme)),
                Err(error @ Error::Sign { .. }) => refusal = Some(error),
                Err(error) => return Err(error),
            }
        }
        if schemes.is_empty() {
            return Err(refusal.unwrap_or_else(no_scheme));
        }
        Ok(Self {
            key,
            public_key,
            algorithm,
            schemes,
        })
    }
}

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let mut ours = self.schemes.iter();
        let (name, scheme) = *ours.find(|(name, _)| offered.contains(name))?;
        Some(Box::new(TlsSigner {
            key: self.key.clone(),
            name,
            scheme,
        }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public_key.as_ref()?.spki_der().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// A key with the scheme that was chosen for one handshake.
#[derive(Debug)]
struct TlsSigner {
    key: PrivateKey,
    name: SignatureScheme,
    scheme: Scheme,
}

impl Signer for TlsSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.key
            .sign(self.scheme, message)
            .map(Signature::into_bytes)
            .map_err(|error| OtherError(Arc::new(error)).into())
    }

    fn scheme(&self) -> SignatureScheme {
        self.name
    }
}

/// Why a key cannot be used in TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
pub enum TlsError {
    /// The token has no certificate for it.
    #[error(
        "the token has no certificate for it; choose one that has, or bring the certificate and \
         take the key by itself (tls_key)"
    )]
    NoCertificate,
    /// TLS has no scheme for such a key.
    #[error("no scheme of TLS is known for {key_type} keys; choose an RSA, ECDSA or Ed25519 key")]
    NoScheme {
        /// What the key is.
        key_type: KeyType,
    },
}

impl TlsError {
    fn of(self, key: &PrivateKey) -> Error {
        Error::Tls {
            key: key.name(),
            reason: self,
        }
    }
}

/// What TLS has for a key, the best first (RFC 8446, section 4.2.3). For ECDSA that is the one
/// scheme that TLS 1.3 allows.
fn candidates(
    key_type: KeyType,
    public_key: Option<&PublicKey>,
) -> impl Iterator<Item = (SignatureScheme, Scheme)> {
    const ALL: &[(SignatureScheme, Scheme)] = &[
        (SignatureScheme::RSA_PSS_SHA256, Scheme::RsaPssSha256),
        (SignatureScheme::RSA_PSS_SHA384, Scheme::RsaPssSha384),
        (SignatureScheme::RSA_PSS_SHA512, Scheme::RsaPssSha512),
        (SignatureScheme::RSA_PKCS1_SHA256, Scheme::RsaPkcs1Sha256),
        (SignatureScheme::RSA_PKCS1_SHA384, Scheme::RsaPkcs1Sha384),
        (SignatureScheme::RSA_PKCS1_SHA512, Scheme::RsaPkcs1Sha512),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            Scheme::EcdsaP256Sha256,
        ),
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            Scheme::EcdsaP384Sha384,
        ),
        (
            SignatureScheme::ECDSA_NISTP521_SHA512,
            Scheme::EcdsaP521Sha512,
        ),
        (SignatureScheme::ED25519, Scheme::Ed25519),
    ];
    /// `rsa_pss_pss_*`, for which rustls has no names.
    const PSS_ALONE: &[(SignatureScheme, Scheme)] = &[
        (SignatureScheme::Unknown(0x0809), Scheme::RsaPssSha256),
        (SignatureScheme::Unknown(0x080a), Scheme::RsaPssSha384),
        (SignatureScheme::Unknown(0x080b), Scheme::RsaPssSha512),
    ];
    let permits = move |scheme| public_key.is_none_or(|key| key.permits(scheme));
    let all = match key_type {
        KeyType::Rsa { .. } if !permits(Scheme::RsaPkcs1Sha256) => PSS_ALONE,
        _ => ALL,
    };
    all.iter()
        .copied()
        .filter(move |(_, scheme)| scheme.fits(&key_type) && permits(*scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Curve;

    fn names(key_type: KeyType) -> Vec<u16> {
        candidates(key_type, None)
            .map(|(name, _)| name.into())
            .collect()
    }

    /// The numbers are those of RFC 8446, section 4.2.3.
    #[test]
    fn each_key_has_the_schemes_of_tls() {
        let rsa = [0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];
        assert_eq!(names(KeyType::Rsa { bits: 2048 }), rsa);
        assert_eq!(names(KeyType::Ec(Curve::P256)), [0x0403]);
        assert_eq!(names(KeyType::Ec(Curve::P384)), [0x0503]);
        assert_eq!(names(KeyType::Ec(Curve::P521)), [0x0603]);
        assert_eq!(names(KeyType::Ed25519), [0x0807]);
        assert!(names(KeyType::Unknown).is_empty());
    }
}
