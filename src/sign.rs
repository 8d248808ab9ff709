//! Signing on the token, and the `signature` crate's traits.

mod batch;
#[cfg(feature = "gost")]
mod gost;
mod signer;

use std::borrow::Cow;
use std::io::{self, Read};

use cryptoki_sys::*;

pub use batch::Batch;
pub use signer::TokenSigner;

use crate::Error;
use crate::identity::Identity;
use crate::key::PrivateKey;
use crate::module::ReturnCode;
use crate::module::raw::{Functions, Mechanism};
use crate::public_key::{KeyType, PublicKey};
#[cfg(feature = "gost")]
use crate::scheme::Family;
use crate::scheme::{Scheme, Signature};
use crate::token::Pooled;

/// Signatures up to this length, in bytes, are received on the stack: all but those of RSA.
const SHORT: usize = 132;

impl PrivateKey {
    /// Signs a message. It is hashed here: only its digest travels to the token, except with
    /// Ed25519, whose definition (RFC 8032) needs the whole message on the token, and with tokens that
    /// have no mechanism for GOST R 34.10 but one that hashes.
    ///
    /// A signature of GOST R 34.10 is verified before it is given out, whatever the key, since tokens
    /// do not agree about the order of its bytes; one in another order that is known is put right.
    ///
    /// Costs two module calls, `C_SignInit` and `C_Sign`; the first signature with a mechanism
    /// one more.
    ///
    /// # Errors
    /// [`Error::Sign`] with the reason, before the token is asked where it can be told before;
    /// [`Error::Pin`] for a key that wants its PIN each time; [`Error::TokenRemoved`],
    /// [`Error::Call`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, Scheme};
    /// # let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let signature = fob.key("p256")?.sign(Scheme::EcdsaP256Sha256, b"message")?;
    /// std::fs::write("message.sig", signature.as_bytes()).expect("the folder can be written to");
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Signature, Error> {
        match scheme.digest_algorithm() {
            Some(algorithm) => self.sign_input(scheme, &algorithm.digest(message), Some(message)),
            None => {
                self.check_length(message, scheme.message_limit())?;
                self.sign_input(scheme, message, Some(message))
            }
        }
    }

    /// Signs a digest that the caller has made with the scheme's digest algorithm.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); [`SignError::DigestLength`], and
    /// [`SignError::WholeMessageNeeded`] with Ed25519, and with tokens that have no mechanism for GOST
    /// R 34.10 but one that hashes.
    pub fn sign_digest(&self, scheme: Scheme, digest: &[u8]) -> Result<Signature, Error> {
        let Some(algorithm) = scheme.digest_algorithm() else {
            return Err(self.sign_error(SignError::WholeMessageNeeded { scheme }));
        };
        if digest.len() != algorithm.output_len() {
            return Err(self.sign_error(SignError::DigestLength {
                expected: algorithm.output_len(),
                found: digest.len(),
            }));
        }
        self.sign_input(scheme, digest, None)
    }

    /// Signs all that a reader gives, in constant memory.
    ///
    /// # Errors
    /// As [`sign_digest`](Self::sign_digest), and [`SignError::Read`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, Scheme};
    /// # let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let file = std::fs::File::open("contract.pdf").expect("the file is there");
    /// let signature = fob.key("p256")?.sign_reader(Scheme::EcdsaP256Sha256, file)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn sign_reader(&self, scheme: Scheme, reader: impl Read) -> Result<Signature, Error> {
        let Some(algorithm) = scheme.digest_algorithm() else {
            return Err(self.sign_error(SignError::WholeMessageNeeded { scheme }));
        };
        // A key that cannot sign should not have gigabytes read for it first.
        self.check(scheme)?;
        self.way(scheme, &[], None)?;
        let digest = algorithm
            .digest_reader(reader)
            .map_err(|error| self.sign_error(SignError::Read(error)))?;
        self.sign_input(scheme, &digest, None)
    }

    /// This key as a signer of the `signature` crate, with one scheme: for `x509-cert`'s builders
    /// and whatever else takes one.
    ///
    /// # Errors
    /// [`Error::Sign`] where the scheme does not fit the key, or the token does not show the
    /// public key.
    pub fn signer(&self, scheme: Scheme) -> Result<TokenSigner, Error> {
        TokenSigner::new(self.clone(), scheme, self.public_key().cloned())
    }

    /// The same key, of which each signature is verified before it is given out: a token or module
    /// that computes wrongly gives an error, and no bytes.
    ///
    /// # Errors
    /// [`SignError::NoPublicKey`] where the token does not show the public key; see
    /// [`Identity::checked`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, Scheme};
    /// # let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let me = fob.identities()?.for_signing().only()?.checked()?;
    /// let signature = me.sign(Scheme::EcdsaP256Sha256, b"message")?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn checked(self) -> Result<Self, Error> {
        match self.public_key().cloned() {
            Some(public_key) => Ok(self.checked_by(public_key)),
            None => Err(self.sign_error(SignError::NoPublicKey)),
        }
    }

    /// `message` is what the digest is of, where it is at hand.
    fn sign_input(
        &self,
        scheme: Scheme,
        digest: &[u8],
        message: Option<&[u8]>,
    ) -> Result<Signature, Error> {
        let slot = self.slot();
        let functions = slot.functions()?;
        self.check(scheme)?;
        let judge = self.judge(scheme)?;
        let way = self.way(scheme, digest, message)?;
        let signature = match self.protection().always_authenticate {
            true => self.sign_alone(functions, scheme, &way),
            false => {
                let _together = slot.together();
                slot.attempt(functions, self.needs(), |session| {
                    self.begin(session, scheme, &way)?;
                    self.finish(session, scheme, &way)
                })
            }
        };
        let signature = signature.map_err(|error| self.reason(error))?;
        let signature = match judge {
            Some(judge) => self.verified(scheme, digest, signature, judge)?,
            None => signature,
        };
        self.has_made(scheme, digest, &signature);
        Ok(signature)
    }

    /// The signature, if it is this key's.
    #[inline(never)]
    fn verified(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: Signature,
        judge: &PublicKey,
    ) -> Result<Signature, Error> {
        #[cfg(feature = "gost")]
        if let Family::Gost(_) = scheme.family() {
            return self.in_usual_order(scheme, digest, signature, judge);
        }
        match judge.verify_input(scheme, digest, &signature) {
            Ok(()) => Ok(signature),
            Err(error) => Err(self.sign_error(SignError::WrongSignature(error.to_string()))),
        }
    }

    #[cfg(not(feature = "gost"))]
    fn judge(&self, _: Scheme) -> Result<Option<&PublicKey>, Error> {
        Ok(self.checked_by.as_deref())
    }

    /// How the token is asked: to sign the digest or, where it has no mechanism for that, the message.
    #[inline]
    fn way<'a>(
        &self,
        scheme: Scheme,
        digest: &'a [u8],
        message: Option<&'a [u8]>,
    ) -> Result<Way<'a>, Error> {
        match scheme.hashing_mechanism() {
            None => Ok(Way {
                mechanism: scheme.mechanism(),
                input: scheme.token_input(digest),
            }),
            Some(hashing) => self.way_of_gost(scheme, hashing, digest, message),
        }
    }

    fn way_of_gost<'a>(
        &self,
        scheme: Scheme,
        hashing: Mechanism,
        digest: &'a [u8],
        message: Option<&'a [u8]>,
    ) -> Result<Way<'a>, Error> {
        if self.slot().mechanism(scheme.mechanism_code())?.is_some() {
            return Ok(Way {
                mechanism: scheme.mechanism(),
                input: digest.into(),
            });
        }
        let message =
            message.ok_or_else(|| self.sign_error(SignError::WholeMessageNeeded { scheme }))?;
        self.check_length(message, Some(Scheme::ED25519_MESSAGE_LIMIT))?;
        Ok(Way {
            mechanism: hashing,
            input: message.into(),
        })
    }

    fn check_length(&self, message: &[u8], limit: Option<usize>) -> Result<(), Error> {
        match limit.filter(|limit| message.len() > *limit) {
            Some(limit) => Err(self.sign_error(SignError::MessageTooLong { limit })),
            None => Ok(()),
        }
    }

    /// A key that wants its PIN each time: what was lost is put right first, and the person is asked.
    /// Then the token is held alone from `C_SignInit`, over the login that belongs to this operation, to `C_Sign`.
    /// Nothing of it is tried again.
    #[cold]
    fn sign_alone(
        &self,
        functions: &Functions,
        scheme: Scheme,
        way: &Way<'_>,
    ) -> Result<Signature, Error> {
        let Some(prompt) = &self.prompt else {
            return Err(self.sign_error(SignError::PromptNeeded));
        };
        let slot = self.slot();
        {
            let _together = slot.together();
            slot.make_ready(functions, self.needs(), |session| self.handle(session))?;
        }
        let (pin, request) = slot.ask_for_signature(prompt.as_ref(), self.label())?;
        slot.see_card(functions)?;
        let _alone = slot.alone();
        slot.once(functions, self.needs(), |session| {
            self.begin(session, scheme, way)?;
            // The operation is still open.
            slot.log_in_to_operation(session, &pin, &request)
                .inspect_err(|_| session.spoil())?;
            self.finish(session, scheme, way)
        })
    }

    #[inline]
    fn begin(&self, session: &Pooled<'_>, scheme: Scheme, way: &Way<'_>) -> Result<(), Error> {
        let handle = self.handle(session)?;
        let functions = session.functions();
        let begin =
            |mechanism: &Mechanism| functions.sign_init(session.handle(), mechanism, handle);
        let begun = begin(&way.mechanism).or_else(|code| {
            let otherwise = scheme.hashing_mechanism_with_digest();
            let hashes = |otherwise: &Mechanism| otherwise.code == way.mechanism.code;
            match otherwise.filter(hashes) {
                Some(otherwise) if code.is(CKR_MECHANISM_PARAM_INVALID) => begin(&otherwise),
                _ => Err(code),
            }
        });
        session.call("C_SignInit", begun).inspect_err(|error| {
            if matches!(error, Error::Call { code, .. }
                if code.is_any(&[CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID]))
            {
                session.end_generation();
            }
        })
    }

    #[inline]
    fn finish(
        &self,
        session: &Pooled<'_>,
        scheme: Scheme,
        way: &Way<'_>,
    ) -> Result<Signature, Error> {
        let (mut short, mut long) = ([0; SHORT], Vec::new());
        let length = self.signature_len(scheme);
        let raw = match short.get_mut(..length) {
            Some(raw) => raw,
            None => {
                long.resize(length, 0);
                &mut long
            }
        };
        let functions = session.functions();
        let signed = functions.sign(session.handle(), &way.input, raw);
        let signed = session.call("C_Sign", signed)?;
        // As a module says it that notices.
        if !session.is_of_this_generation() {
            return session.call("C_Sign", Err(ReturnCode::KEY_HANDLE_INVALID));
        }
        read_signature(scheme, raw.get(..signed).unwrap_or_default(), length)
            .map_err(|reason| self.sign_error(SignError::BadSignature(reason)))
    }

    /// What can be told before the token is asked to sign.
    #[inline]
    pub(crate) fn check(&self, scheme: Scheme) -> Result<(), Error> {
        match self.is_known_to_fit(scheme) {
            true => Ok(()),
            false => self.check_first(scheme),
        }
    }

    /// For the first signature with this scheme.
    #[cold]
    fn check_first(&self, scheme: Scheme) -> Result<(), Error> {
        let key_type = self.key_type();
        if !scheme.fits(&key_type) {
            return Err(self.sign_error(SignError::SchemeDoesNotFit { scheme, key_type }));
        }
        if scheme.is_weak() {
            return Err(self.sign_error(SignError::WeakScheme { scheme }));
        }
        if self.can_sign() == Some(false) {
            return Err(self.sign_error(SignError::NotForSigning));
        }
        let slot = self.slot();
        let limits = match (
            slot.mechanism(scheme.mechanism_code())?,
            scheme.hashing_mechanism(),
        ) {
            (None, Some(hashing)) => slot.mechanism(hashing.code)?,
            (limits, _) => limits,
        };
        let Some(limits) = limits else {
            return Err(self.sign_error(SignError::MechanismMissing {
                scheme,
                mechanism: scheme.mechanism_name(),
            }));
        };
        match key_type {
            KeyType::Rsa { bits } if !limits.allows(bits) => {
                Err(self.sign_error(SignError::KeySize {
                    bits,
                    min: limits.min,
                    max: limits.max,
                }))
            }
            _ => {
                self.fits(scheme);
                Ok(())
            }
        }
    }

    /// In bytes. RSA signatures are as long as the modulus.
    fn signature_len(&self, scheme: Scheme) -> usize {
        match (scheme.raw_len(), self.key_type()) {
            (None, KeyType::Rsa { bits }) => bits.div_ceil(8) as usize,
            (length, _) => length.unwrap_or_default(),
        }
    }

    /// What an error of a call means for a signature.
    #[cold]
    fn reason(&self, error: Error) -> Error {
        let Error::Call { code, .. } = &error else {
            return error;
        };
        match code.code() as CK_RV {
            CKR_USER_NOT_LOGGED_IN => self.sign_error(SignError::LoginNeeded),
            CKR_KEY_FUNCTION_NOT_PERMITTED => self.sign_error(SignError::NotForSigning),
            _ => error,
        }
    }

    #[cold]
    fn sign_error(&self, reason: SignError) -> Error {
        Error::Sign {
            key: self.name(),
            reason,
        }
    }
}

/// Reads the token's answer, and sees what can be seen without a public key.
fn read_signature(scheme: Scheme, raw: &[u8], expected: usize) -> Result<Signature, String> {
    let signature = Signature::from_raw(scheme, raw).map_err(|error| error.to_string())?;
    let found = raw.len();
    if found != expected {
        return Err(format!(
            "it has {found} bytes, and the key makes {expected}"
        ));
    }
    // What a module leaves that says that it has signed, and has written nothing.
    match raw.iter().all(|byte| *byte == 0) {
        true => Err("it is nothing but zeros".to_owned()),
        false => Ok(signature),
    }
}

/// How a token is asked for a signature.
struct Way<'a> {
    mechanism: Mechanism,
    input: Cow<'a, [u8]>,
}

impl Identity {
    /// Signs a message with the private key. See [`PrivateKey::sign`].
    ///
    /// # Errors
    /// As [`PrivateKey::sign`]; [`SignError::KeyHidden`] and [`SignError::NoKey`].
    pub fn sign(&self, scheme: Scheme, message: &[u8]) -> Result<Signature, Error> {
        self.signing_key()?.sign(scheme, message)
    }

    /// Signs a ready digest. See [`PrivateKey::sign_digest`].
    ///
    /// # Errors
    /// As [`PrivateKey::sign_digest`]; [`SignError::KeyHidden`] and [`SignError::NoKey`].
    pub fn sign_digest(&self, scheme: Scheme, digest: &[u8]) -> Result<Signature, Error> {
        self.signing_key()?.sign_digest(scheme, digest)
    }

    /// Signs a stream. See [`PrivateKey::sign_reader`].
    ///
    /// # Errors
    /// As [`PrivateKey::sign_reader`]; [`SignError::KeyHidden`] and [`SignError::NoKey`].
    pub fn sign_reader(&self, scheme: Scheme, reader: impl Read) -> Result<Signature, Error> {
        self.signing_key()?.sign_reader(scheme, reader)
    }

    /// The same identity, of which each signature is verified before it is given out, with the public
    /// key of the certificate, or else the one that the token shows.
    ///
    /// # Errors
    /// As [`PrivateKey::checked`]; [`SignError::KeyHidden`] and [`SignError::NoKey`].
    pub fn checked(self) -> Result<Self, Error> {
        let key = self.signing_key()?.clone();
        let certified = self.certificate().map(crate::Certificate::public_key);
        let key = match certified
            .transpose()?
            .or_else(|| self.public_key().cloned())
        {
            Some(public_key) => key.checked_by(public_key),
            None => return Err(key.sign_error(SignError::NoPublicKey)),
        };
        Ok(self.with_key(key))
    }

    /// This identity as a signer of the `signature` crate. See [`PrivateKey::signer`].
    ///
    /// # Errors
    /// As [`PrivateKey::signer`]; [`SignError::KeyHidden`] and [`SignError::NoKey`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::{Pin, Scheme, Signature};
    /// use signature::Signer;
    ///
    /// # let fob = keyfob::discover()?.only()?.unlock(&Pin::from("12345678"))?;
    /// let me = fob.identities()?.for_signing().only()?;
    /// // `sign` would panic where the token fails.
    /// let signature: Result<Signature, _> = me.signer(Scheme::EcdsaP256Sha256)?.try_sign(b"message");
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn signer(&self, scheme: Scheme) -> Result<TokenSigner, Error> {
        TokenSigner::new(
            self.signing_key()?.clone(),
            scheme,
            self.public_key().cloned(),
        )
    }
}

/// Why something cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The scheme is for other keys.
    #[error("the scheme {scheme} is not for {key_type} keys; choose one that is")]
    SchemeDoesNotFit {
        /// The scheme.
        scheme: Scheme,
        /// What the key is.
        key_type: KeyType,
    },
    /// The scheme's digest is broken.
    #[error("{scheme} is too weak, and nothing is signed with it; choose another scheme")]
    WeakScheme {
        /// The scheme.
        scheme: Scheme,
    },
    /// The token does not have the mechanism.
    #[error("the token does not have {mechanism}, which {scheme} needs; choose another scheme")]
    MechanismMissing {
        /// The scheme.
        scheme: Scheme,
        /// The mechanism's PKCS#11 name.
        mechanism: &'static str,
    },
    /// The token signs with shorter or longer keys only.
    #[error("it has {bits} bits, and the token signs with keys of {min} to {max} bits")]
    KeySize {
        /// The key's size.
        bits: u32,
        /// The shortest.
        min: u32,
        /// The longest.
        max: u32,
    },
    /// The token does not allow signing with this key (`CKA_SIGN`).
    #[error("it is not for signing (CKA_SIGN is false)")]
    NotForSigning,
    /// A digest has not the length of the scheme's digest algorithm.
    #[error("the digest has {found} bytes, and the scheme's has {expected}")]
    DigestLength {
        /// The length that is right, in bytes.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// The scheme signs whole messages, not digests or streams.
    #[error("{scheme} signs whole messages, not digests or streams; give it the message")]
    WholeMessageNeeded {
        /// The scheme.
        scheme: Scheme,
    },
    /// The message is longer than can be sent to a token whole.
    #[error("the message is longer than the {limit} bytes that are sent to a token whole")]
    MessageTooLong {
        /// The most bytes.
        limit: usize,
    },
    /// The key wants its PIN for each signature, and there is no prompt to ask for it.
    #[error("it wants its PIN for each signature; give it a prompt (with_prompt)")]
    PromptNeeded,
    /// The token says that nobody is logged in.
    #[error("the token says that it is not unlocked; unlock it again")]
    LoginNeeded,
    /// The key is hidden until the token is unlocked.
    #[error("it is hidden until the token is unlocked; unlock it and choose again")]
    KeyHidden,
    /// There is a certificate, but no private key for it on the token.
    #[error("the token has no private key for this certificate")]
    NoKey,
    /// A certificate that was given for this key is another key's.
    #[error("the certificate that was given for it is of another key; choose the right one")]
    CertificateOfAnotherKey,
    /// The token was pulled out or reset, and the key is not on it any more, or cannot be told from
    /// another in its place.
    #[error(
        "it is no longer on the token, or cannot be told from another in its place; choose it again"
    )]
    KeyGone,
    /// The token does not show the public key, which a signer needs.
    #[error("the token shows no public key for it, nor a certificate")]
    NoPublicKey,
    /// The token's answer is no signature.
    #[error("the token's answer is no signature: {0}")]
    BadSignature(String),
    /// The token's answer is not this key's signature.
    #[error("the token's signature is wrong, and was not given out: {0}; have the token checked")]
    WrongSignature(String),
    /// What was to be signed could not be read.
    #[error("what was to be signed could not be read: {0}")]
    Read(io::Error),
}
