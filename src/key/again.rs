//! Finding a key anew after its handle was lost, and seeing that it is the same one.

use cryptoki_sys::*;

use super::PrivateKey;
use crate::public_key::PublicKey;
use crate::scheme::{Scheme, Signature};
use crate::token::Pooled;
use crate::{Error, SignError};

/// A signature that a key has made.
pub(super) struct Made {
    scheme: Scheme,
    input: Vec<u8>,
    signature: Signature,
}

/// Longer messages are not remembered.
const LONGEST: usize = 1 << 14;

impl PrivateKey {
    /// The key's handle for a session. Another key may have it when sessions were lost or the login was
    /// made anew: then the key is found anew, and has to be the same one.
    pub(crate) fn handle(&self, session: &Pooled<'_>) -> Result<CK_OBJECT_HANDLE, Error> {
        let known = &self.inner.known.handle;
        if let Some(handle) = known.get(session.generation()) {
            return Ok(handle);
        }
        let handle = self.find_again(session)?;
        known.set(session.generation(), handle);
        Ok(handle)
    }

    /// Remembers a signature of a key of which no more is known, to know it by.
    pub(crate) fn has_made(&self, scheme: Scheme, input: &[u8], signature: &Signature) {
        let made = &self.inner.known.made;
        if self.public_key().is_none() && input.len() <= LONGEST && made.get().is_none() {
            let _ = made.set(Made {
                scheme,
                input: input.to_vec(),
                signature: signature.clone(),
            });
        }
    }

    fn find_again(&self, session: &Pooled<'_>) -> Result<CK_OBJECT_HANDLE, Error> {
        if let Some(handle) = self.look_for(session)? {
            return Ok(handle);
        }
        // Where the login has ended and nobody was told, no private key is seen.
        if !session.has(self.needs())? {
            return Err(self.slot().not_logged_in());
        }
        // Another thread may have logged in since it was looked for.
        let found = self.look_for(session)?;
        found.ok_or_else(|| Error::Sign {
            key: self.name(),
            reason: SignError::KeyGone,
        })
    }

    fn look_for(&self, session: &Pooled<'_>) -> Result<Option<CK_OBJECT_HANDLE>, Error> {
        let class = CKO_PRIVATE_KEY.to_ne_bytes();
        let (shown, failed) = self.look_for_public(session)?;
        for handle in session.find(&self.named(&class, true), false)? {
            let found = self.inner.access.read_key(session, handle)?;
            let own = found.public_key();
            let candidates = own
                .into_iter()
                .chain(shown.iter().filter(|_| own.is_none()));
            if candidates.into_iter().any(|public| self.is_of(public)) {
                return Ok(Some(handle));
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// The public keys that the token shows with this key's id, of themselves and in certificates; and
    /// why others could not be read.
    fn look_for_public(
        &self,
        session: &Pooled<'_>,
    ) -> Result<(Vec<PublicKey>, Option<Error>), Error> {
        let access = &self.inner.access;
        let mut failed = None;
        let mut readable = |read: Result<Option<PublicKey>, Error>| {
            read.unwrap_or_else(|error| {
                // One that makes no sense is not this key's.
                if !matches!(error, Error::Object { .. }) {
                    failed = Some(error);
                }
                None
            })
        };
        let mut shown = Vec::new();
        let public = CKO_PUBLIC_KEY.to_ne_bytes();
        for handle in session.find(&self.named(&public, false), false)? {
            let read = access.read_public_key(session, handle);
            shown.extend(readable(read.map(|public| public.object)));
        }
        let certificate = CKO_CERTIFICATE.to_ne_bytes();
        for handle in session.find(&self.named(&certificate, false), false)? {
            let read = access.read_certificate(session, handle);
            shown.extend(readable(read.map(|read| read.object.public_key().ok())));
        }
        Ok((shown, failed))
    }

    /// The same, for who needs no more than one that can be read.
    #[cfg(feature = "gost")]
    pub(crate) fn shown_for_it(&self, session: &Pooled<'_>) -> Result<Vec<PublicKey>, Error> {
        let (shown, failed) = self.look_for_public(session)?;
        match (shown.is_empty(), failed) {
            (true, Some(error)) => Err(error),
            _ => Ok(shown),
        }
    }

    /// What its objects are found by.
    fn named<'a>(
        &'a self,
        class: &'a [u8],
        with_label: bool,
    ) -> Vec<(CK_ATTRIBUTE_TYPE, &'a [u8])> {
        let mut template = vec![(CKA_CLASS, class)];
        if !self.id().is_empty() {
            template.push((CKA_ID, self.id()));
        }
        if with_label && !self.label().is_empty() {
            template.push((CKA_LABEL, self.label().as_bytes()));
        }
        template
    }

    /// Whether this is the key's public key, as far as was known before.
    fn is_of(&self, public_key: &PublicKey) -> bool {
        if let Some(own) = self.public_key() {
            return own == public_key;
        }
        self.inner.known.made.get().is_some_and(|made| {
            let verified = public_key.verify_input(made.scheme, &made.input, &made.signature);
            verified.is_ok()
        })
    }
}
