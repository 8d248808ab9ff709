//! Finding a key anew after its handle was lost, and seeing that it is the same one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use cryptoki_sys::*;

use super::PrivateKey;
use crate::public_key::PublicKey;
use crate::scheme::{Scheme, Signature};
use crate::token::Pooled;
use crate::{Error, SignError};

/// What one handle is known by as long as the sessions last that it was found with.
pub(super) struct Place {
    /// One more than the session's, so that 0 is none.
    epoch: AtomicU64,
    handle: AtomicU64,
    /// Of a key whose public key is not known: a signature that it made.
    made: OnceLock<Made>,
}

struct Made {
    scheme: Scheme,
    input: Vec<u8>,
    signature: Signature,
}

/// Longer messages are not remembered.
const LONGEST: usize = 1 << 14;

impl Place {
    pub(super) fn new(epoch: u64, handle: CK_OBJECT_HANDLE) -> Self {
        Self {
            epoch: AtomicU64::new(epoch + 1),
            handle: AtomicU64::new(u64::from(handle)),
            made: OnceLock::new(),
        }
    }

    fn get(&self, epoch: u64) -> Option<CK_OBJECT_HANDLE> {
        // A handle that is newer than the epoch was found anew, and is this key's too.
        let is_known = self.epoch.load(Ordering::Acquire) == epoch + 1;
        is_known.then(|| self.handle.load(Ordering::Relaxed) as CK_OBJECT_HANDLE)
    }

    fn set(&self, epoch: u64, handle: CK_OBJECT_HANDLE) {
        self.handle.store(u64::from(handle), Ordering::Relaxed);
        self.epoch.store(epoch + 1, Ordering::Release);
    }
}

impl PrivateKey {
    /// The key's handle for a session. It is forgotten when the token's sessions are lost: another
    /// key may have it then. So the key is found anew, and has to be the same one.
    pub(crate) fn handle(&self, session: &Pooled<'_>) -> Result<CK_OBJECT_HANDLE, Error> {
        let place = &self.inner.known.place;
        if let Some(handle) = place.get(session.epoch()) {
            return Ok(handle);
        }
        let handle = self.find_again(session)?;
        place.set(session.epoch(), handle);
        Ok(handle)
    }

    /// The token does not know the handle any more.
    pub(crate) fn forget_handle(&self) {
        self.inner.known.place.epoch.store(0, Ordering::Release);
    }

    /// Remembers a signature of a key of which no more is known, to know it by.
    pub(crate) fn has_made(&self, scheme: Scheme, input: &[u8], signature: &Signature) {
        let made = &self.inner.known.place.made;
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
        self.inner.known.place.made.get().is_some_and(|made| {
            let verified = public_key.verify_input(made.scheme, &made.input, &made.signature);
            verified.is_ok()
        })
    }
}
