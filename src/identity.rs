//! An identity: a private key and its certificate; and how to choose one.

mod list;
mod pair;
mod select;

use std::fmt;
use std::sync::Arc;

pub use select::Identities;

use crate::cert::Certificate;
use crate::key::PrivateKey;
use crate::pin::PinPrompt;
use crate::public_key::{KeyType, PublicKey};
use crate::token::Token;
use crate::uri::{ObjectType, Uri};
use crate::{Error, SignError};

/// Who signs: a private key on a token, with the certificate for it.
///
/// Keys without a certificate and certificates without a key are identities too, of which one
/// half is missing. Before login most tokens show certificates only: the key is then
/// [`KeyStatus::Hidden`]. Clones are cheap, and threads may share them.
///
/// # Example
/// ```no_run
/// use keyfob::{Pin, Scheme};
///
/// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
/// let me = fob.identities()?.for_signing().valid_now().only()?;
/// let signature = me.sign(Scheme::EcdsaP256Sha256, b"message")?;
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Clone)]
pub struct Identity {
    token: Token,
    key: Option<PrivateKey>,
    key_status: KeyStatus,
    public_key: Option<PublicKey>,
    certificate: Option<Certificate>,
    label: Arc<str>,
    id: Arc<[u8]>,
}

/// Whether an identity's private key can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyStatus {
    /// It can be seen, and used.
    Visible,
    /// The token is locked, and shows most private keys only once it is unlocked.
    Hidden,
    /// The token has no private key for this certificate.
    Absent,
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visible => "key visible",
            Self::Hidden => "key hidden until the token is unlocked",
            Self::Absent => "no key",
        })
    }
}

impl Identity {
    /// The token that it is on.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// The private key, where it can be seen.
    pub fn key(&self) -> Option<&PrivateKey> {
        self.key.as_ref()
    }

    /// Whether the private key can be seen.
    pub fn key_status(&self) -> KeyStatus {
        self.key_status
    }

    /// The certificate, where there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// The public key: the token's own word for the private key where it gives one, else the
    /// certificate's.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.public_key.as_ref()
    }

    /// The algorithm, and the size or curve.
    pub fn key_type(&self) -> KeyType {
        match (&self.key, &self.public_key) {
            (_, Some(public)) => public.key_type(),
            (Some(key), None) => key.key_type(),
            (None, None) => KeyType::Unknown,
        }
    }

    /// The label on the token, the key's before the certificate's. It can be empty.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// `CKA_ID`, the bytes by which the token ties key and certificate. It can be empty.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// A URI that names it on its token (RFC 7512), by which [`Identities::uri`] and
    /// [`Unlocked::key`](crate::Unlocked::key) find it again.
    pub fn uri(&self) -> Uri {
        let object_type = match (&self.key, &self.certificate) {
            (Some(key), _) => return key.uri(),
            (None, Some(_)) => ObjectType::Certificate,
            (None, None) => ObjectType::Public,
        };
        self.token.object_uri(object_type, &self.id, &self.label)
    }

    /// The same identity, with a way to ask for the PIN where its key wants it each time. See
    /// [`PrivateKey::with_prompt`].
    #[must_use]
    pub fn with_prompt(&self, prompt: Arc<dyn PinPrompt>) -> Self {
        Self {
            key: self.key.as_ref().map(|key| key.with_prompt(prompt)),
            ..self.clone()
        }
    }

    /// The same identity with this certificate, which the token does not have or does not show.
    ///
    /// It has to be of the same key. Where the token does not show the public key either, each
    /// signature is verified with the certificate's before it is given out.
    ///
    /// # Errors
    /// [`SignError::CertificateOfAnotherKey`]; [`Error::Certificate`] where its public key cannot be read;
    /// [`SignError::KeyHidden`] and [`SignError::NoKey`].
    ///
    /// # Example
    /// ```no_run
    /// use keyfob::{Certificate, Pin};
    ///
    /// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let certificate = std::fs::read("me.cer").expect("the file is there");
    /// let certificate = Certificate::from_der(&certificate)?;
    /// let me = fob.identities()?.label("gost").only()?.with_certificate(certificate)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn with_certificate(self, certificate: Certificate) -> Result<Self, Error> {
        let key = self.signing_key()?;
        let certified = certificate.public_key()?;
        let key = match self.public_key() {
            Some(own) if *own == certified => key.clone(),
            None if key.key_type().could_be(certified.key_type()) => {
                key.clone().checked_by(certified.clone())
            }
            _ => {
                return Err(Error::Sign {
                    key: key.name(),
                    reason: SignError::CertificateOfAnotherKey,
                });
            }
        };
        Ok(Self {
            certificate: Some(certificate),
            public_key: Some(certified),
            key: Some(key),
            ..self
        })
    }

    pub(crate) fn with_key(self, key: PrivateKey) -> Self {
        Self {
            key: Some(key),
            ..self
        }
    }

    /// The private key, or an error that says why it cannot sign.
    pub(crate) fn signing_key(&self) -> Result<&PrivateKey, Error> {
        self.key.as_ref().ok_or_else(|| Error::Sign {
            key: self.token.slot().object_name(&self.label),
            reason: match self.key_status {
                KeyStatus::Hidden => SignError::KeyHidden,
                _ => SignError::NoKey,
            },
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("label", &self.label)
            .field("key_type", &self.key_type())
            .field("key", &self.key_status)
            .field("certificate", &self.certificate)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
