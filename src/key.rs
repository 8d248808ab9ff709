//! A private key on a token, and what protects it.

mod again;
#[cfg(feature = "gost")]
pub(crate) mod gost;
mod handle;
mod protection;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cryptoki_sys::*;

use again::Made;
use handle::Handle;
pub use protection::Protection;

use crate::pin::PinPrompt;
use crate::public_key::{KeyType, PublicKey};
use crate::scheme::Scheme;
use crate::token::{Needs, Pooled, Slot, Token, Unlocked};
use crate::uri::{ObjectType, Uri};
use crate::{Error, SelectionError};

/// A private key on a token. It cannot be read; it can be used.
///
/// Clones are cheap, and threads may share them: each signature takes a session of its own. A key
/// of an [`Unlocked`] token keeps the token unlocked.
///
/// # Example
/// ```no_run
/// use keyfob::{Pin, Scheme};
///
/// let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
/// let key = fob.key("pkcs11:object=p256")?;
/// let signature = key.sign(Scheme::EcdsaP256Sha256, b"message")?;
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Clone)]
pub struct PrivateKey {
    inner: Arc<Inner>,
    pub(crate) prompt: Option<Arc<dyn PinPrompt>>,
    /// What each signature is verified with before it is given out.
    pub(crate) checked_by: Option<Arc<PublicKey>>,
}

#[derive(Clone)]
struct Inner {
    access: Access,
    label: Arc<str>,
    id: Arc<[u8]>,
    key_type: KeyType,
    public_key: Option<PublicKey>,
    can_sign: Option<bool>,
    protection: Protection,
    known: Arc<Known>,
}

/// What using a key has shown of it. Looked at for every signature, by all threads, and so together.
struct Known {
    handle: Handle,
    /// Of a key whose public key is not known: a signature that it made.
    made: OnceLock<Made>,
    /// The schemes that it was found to sign with, a bit for each.
    fitting: AtomicU64,
    #[cfg(feature = "gost")]
    gost: gost::Learned,
}

fn bit(scheme: Scheme) -> u64 {
    1 << scheme as u64
}

impl PrivateKey {
    /// The label on the token. It can be empty, and several keys can have the same.
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// `CKA_ID`: bytes that the key shares with its certificate and public key. It can be empty.
    pub fn id(&self) -> &[u8] {
        &self.inner.id
    }

    /// The algorithm, and the size or curve.
    pub fn key_type(&self) -> KeyType {
        self.inner.key_type
    }

    /// The public key, where the token shows it.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.inner.public_key.as_ref()
    }

    /// Whether the token allows signing with it (`CKA_SIGN`), where it tells.
    pub fn can_sign(&self) -> Option<bool> {
        self.inner.can_sign
    }

    /// What protects it.
    pub fn protection(&self) -> Protection {
        self.inner.protection
    }

    pub(crate) fn is_known_to_fit(&self, scheme: Scheme) -> bool {
        self.inner.known.fitting.load(Ordering::Relaxed) & bit(scheme) != 0
    }

    pub(crate) fn fits(&self, scheme: Scheme) {
        self.inner
            .known
            .fitting
            .fetch_or(bit(scheme), Ordering::Relaxed);
    }

    /// The token that it is on.
    pub fn token(&self) -> &Token {
        self.inner.access.token()
    }

    /// A URI that names this key on its token (RFC 7512).
    pub fn uri(&self) -> Uri {
        self.token()
            .object_uri(ObjectType::Private, self.id(), self.label())
    }

    /// The same key, with a way to ask a person for the PIN where the key wants it each time
    /// ([`Protection::always_authenticate`]).
    ///
    /// The prompt is asked before each signature, once.
    ///
    /// # Example
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use keyfob::{Pin, PinRequest, PinSourceError, Scheme};
    /// # let key = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?.key("always-ask")?;
    /// let key = key.with_prompt(Arc::new(|request: &PinRequest| {
    ///     println!("the PIN for {}?", request.purpose);
    ///     Pin::from_env("PIN")
    /// }));
    /// key.sign(Scheme::EcdsaP256Sha256, b"message")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[must_use]
    pub fn with_prompt(&self, prompt: Arc<dyn PinPrompt>) -> Self {
        Self {
            prompt: Some(prompt),
            ..self.clone()
        }
    }

    /// The same key, if the token vouches that it was made there and never left it.
    ///
    /// # Errors
    /// [`Error::Unprotected`] where it does not, naming what is missing.
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, Scheme};
    /// # let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let key = fob.key("p256")?.never_left_token()?;
    /// let signature = key.sign(Scheme::EcdsaP256Sha256, b"message")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn never_left_token(self) -> Result<Self, Error> {
        match self.inner.protection.missing() {
            None => Ok(self),
            Some(missing) => Err(Error::Unprotected {
                key: self.name(),
                missing,
            }),
        }
    }

    #[cfg(feature = "gost")]
    pub(crate) fn learned(&self) -> &gost::Learned {
        &self.inner.known.gost
    }

    pub(crate) fn slot(&self) -> &Slot {
        self.token().slot()
    }

    pub(crate) fn needs(&self) -> Needs {
        self.inner.access.needs()
    }

    pub(crate) fn names(&self) -> (&Arc<str>, &Arc<[u8]>) {
        (&self.inner.label, &self.inner.id)
    }

    /// The key as messages name it.
    pub(crate) fn name(&self) -> String {
        self.slot().object_name(self.label())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("label", &self.inner.label)
            .field("key_type", &self.inner.key_type)
            .field("token", self.token())
            .finish_non_exhaustive()
    }
}

/// Who looks at a token's objects: somebody who unlocked it, or anybody.
#[derive(Clone)]
pub(crate) enum Access {
    Public(Token),
    Unlocked(Unlocked),
}

impl Access {
    pub(crate) fn token(&self) -> &Token {
        match self {
            Self::Public(token) => token,
            Self::Unlocked(fob) => fob.token(),
        }
    }

    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Public(_) => Needs::Nothing,
            Self::Unlocked(_) => Needs::Login,
        }
    }

    /// Whether private objects can be hidden from it.
    pub(crate) fn is_locked_out(&self) -> bool {
        match self {
            Self::Public(token) => token.flags().login_required(),
            Self::Unlocked(_) => false,
        }
    }

    /// The one private key that a URI, or else a label, names: found on the token by these alone.
    fn key(&self, selector: &str) -> Result<PrivateKey, Error> {
        let uri = match Uri::looks_like(selector) {
            true => selector.parse()?,
            false => Uri::new().with_object(selector),
        };
        let wanted = format!("a private key for {selector}");
        let none = match self.is_locked_out() {
            true => SelectionError::NoneWhileLocked,
            false => SelectionError::None,
        };
        let name = |key: &PrivateKey| key.uri().to_string();
        if !crate::discovery::matches_token(&uri, self.token()) {
            return Error::exactly_one(Vec::new(), wanted, none, name);
        }
        let class = CKO_PRIVATE_KEY.to_ne_bytes();
        let mut template: Vec<(CK_ATTRIBUTE_TYPE, &[u8])> = vec![(CKA_CLASS, &class)];
        template.extend(uri.object().map(|label| (CKA_LABEL, label.as_bytes())));
        template.extend(uri.id().map(|id| (CKA_ID, id)));
        let slot = self.token().slot();
        let few = uri.object().is_some() || uri.id().is_some();
        let functions = slot.functions()?;
        let _together = slot.together();
        let keys: Vec<_> = slot.attempt(functions, self.needs(), |session| {
            let handles = session.find(&template, few)?.into_iter();
            handles
                .map(|handle| self.read_key(session, handle))
                .collect()
        })?;
        Error::exactly_one(keys, wanted, none, name)
    }

    /// Reads a private key's attributes, in one call where the module can.
    pub(crate) fn read_key(
        &self,
        session: &Pooled<'_>,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<PrivateKey, Error> {
        let mut values = session.attributes(handle, WANTED)?.into_iter();
        let mut next = || values.next().flatten();
        let (label, id) = (next(), next());
        let (kind, modulus, exponent) = (next(), next(), next());
        let (ec_params, can_sign) = (next(), next());
        let protection = Protection {
            sensitive: flag(next()),
            extractable: flag(next()),
            always_sensitive: flag(next()),
            never_extractable: flag(next()),
            local: flag(next()),
            always_authenticate: flag(next()).unwrap_or(false),
        };
        let public_key = match (&modulus, &exponent) {
            (Some(modulus), Some(exponent)) => PublicKey::from_rsa(modulus, exponent).ok(),
            _ => None,
        };
        let kind = self::kind(kind);
        let key_type = key_type(kind, modulus.as_deref(), ec_params.as_deref());
        #[cfg(feature = "gost")]
        let key_type = gost::Shown::of(session, handle, kind, false)?
            .key_type()
            .unwrap_or(key_type);
        Ok(PrivateKey {
            inner: Arc::new(Inner {
                access: self.clone(),
                label: text(label).into(),
                id: id.unwrap_or_default().into(),
                key_type,
                public_key,
                can_sign: flag(can_sign),
                protection,
                known: Arc::new(Known {
                    handle: Handle::new(session.generation(), handle),
                    made: OnceLock::new(),
                    fitting: AtomicU64::new(0),
                    #[cfg(feature = "gost")]
                    gost: gost::Learned::default(),
                }),
            }),
            prompt: None,
            checked_by: None,
        })
    }
}

impl PrivateKey {
    pub(crate) fn checked_by(self, public_key: PublicKey) -> Self {
        Self {
            checked_by: Some(Arc::new(public_key)),
            ..self
        }
    }

    /// The same key, with the public key that another object of the token showed for it.
    pub(crate) fn with_public_key(mut self, public_key: PublicKey) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.key_type = public_key.key_type();
        inner.public_key = Some(public_key);
        self
    }
}

/// What is read of a private key, with the usual length of each.
const WANTED: &[(CK_ATTRIBUTE_TYPE, usize)] = &[
    (CKA_LABEL, 256),
    (CKA_ID, 256),
    (CKA_KEY_TYPE, size_of::<CK_KEY_TYPE>()),
    (CKA_MODULUS, 1024),
    (CKA_PUBLIC_EXPONENT, 16),
    (CKA_EC_PARAMS, 64),
    (CKA_SIGN, 1),
    (CKA_SENSITIVE, 1),
    (CKA_EXTRACTABLE, 1),
    (CKA_ALWAYS_SENSITIVE, 1),
    (CKA_NEVER_EXTRACTABLE, 1),
    (CKA_LOCAL, 1),
    (CKA_ALWAYS_AUTHENTICATE, 1),
];

fn flag(value: Option<Vec<u8>>) -> Option<bool> {
    match value?.as_slice() {
        [byte] => Some(*byte != CK_FALSE),
        _ => None,
    }
}

/// A label: UTF-8 by the standard, whatever the token has in it.
pub(crate) fn text(value: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
}

/// `CKA_KEY_TYPE`, where it is a number.
pub(crate) fn kind(value: Option<Vec<u8>>) -> Option<CK_KEY_TYPE> {
    let number = value?.as_slice().try_into().ok()?;
    Some(CK_KEY_TYPE::from_ne_bytes(number))
}

/// The type of a key, from what a token shows of it.
fn key_type(
    kind: Option<CK_KEY_TYPE>,
    modulus: Option<&[u8]>,
    ec_params: Option<&[u8]>,
) -> KeyType {
    match kind {
        Some(CKK_RSA) => KeyType::Rsa {
            bits: modulus.map_or(0, bits),
        },
        Some(CKK_EC | CKK_EC_EDWARDS) => ec_params
            .and_then(|params| KeyType::from_ec_params(params).ok())
            .unwrap_or(KeyType::Unknown),
        _ => KeyType::Unknown,
    }
}

/// The length of a big-endian number, in bits.
fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    number.first().map_or(0, |first| {
        (number.len() as u32).saturating_mul(8) - first.leading_zeros()
    })
}

impl Unlocked {
    /// The private key that a URI or a label names, found with the fewest calls: neither other
    /// keys nor certificates are read.
    ///
    /// # Errors
    /// [`Error::Selection`] where none or several fit, naming those; [`Error::Uri`];
    /// [`Error::TokenRemoved`], [`Error::TooManyObjects`], [`Error::Call`].
    ///
    /// # Example
    /// ```no_run
    /// # let fob = keyfob::discover()?.only()?.unlock(&keyfob::Pin::from("12345678"))?;
    /// let by_label = fob.key("p256")?;
    /// let by_id = fob.key("pkcs11:id=%02")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn key(&self, selector: &str) -> Result<PrivateKey, Error> {
        Access::Unlocked(self.clone()).key(selector)
    }
}

impl Token {
    /// The private key that a URI or a label names, among those that show themselves before
    /// login. As [`Unlocked::key`].
    ///
    /// # Errors
    /// As [`Unlocked::key`].
    pub fn key(&self, selector: &str) -> Result<PrivateKey, Error> {
        Access::Public(self.clone()).key(selector)
    }
}
