//! Signatures of GOST R 34.10: none is given out that was not verified, and vendors do not agree about
//! the order of their bytes.

use std::sync::atomic::Ordering;

use super::SignError;
use crate::Error;
use crate::key::PrivateKey;
use crate::public_key::{KeyType, PublicKey};
use crate::scheme::{Family, Scheme, Signature, reversed};

/// How a module writes `s‖r`, from the usual way on. What is its own inverse turns it round.
const ORDERS: [Order; 4] = [<[u8]>::to_vec, swapped, reversed, halves_reversed];

type Order = fn(&[u8]) -> Vec<u8>;

impl PrivateKey {
    /// Whether nothing is signed with it but what can be verified.
    pub(crate) fn wants_judge(&self) -> bool {
        matches!(self.key_type(), KeyType::Gost256(_) | KeyType::Gost512(_))
    }

    /// What the signatures of this scheme have to be verified with, if they have to.
    ///
    /// # Errors
    /// [`SignError::NoPublicKey`] where it cannot be had: nothing is signed then.
    pub(super) fn judge(&self, scheme: Scheme) -> Result<Option<&PublicKey>, Error> {
        if let Some(given) = &self.checked_by {
            return Ok(Some(given));
        }
        match (scheme.family(), self.public_key()) {
            (Family::Gost(_), None) => self.judge_on_token().map(Some),
            (Family::Gost(_), shown) => Ok(shown),
            _ => Ok(None),
        }
    }

    /// The public key, or that of a certificate, which the token has for this key.
    #[cold]
    fn judge_on_token(&self) -> Result<&PublicKey, Error> {
        let known = &self.learned().judge;
        if let Some(known) = known.get() {
            return Ok(known);
        }
        let slot = self.slot();
        let functions = slot.functions()?;
        let shown = {
            let _together = slot.together();
            slot.attempt(functions, self.needs(), |session| {
                self.shown_for_it(session)
            })?
        };
        let own = self.key_type();
        let mut fitting = shown
            .into_iter()
            .filter(|shown| shown.key_type().is_same_as(own));
        match (fitting.next(), fitting.next()) {
            (Some(one), other) if other.as_ref().is_none_or(|other| *other == one) => {
                Ok(known.get_or_init(|| one))
            }
            _ => Err(self.sign_error(SignError::NoPublicKey)),
        }
    }

    /// The signature in the usual order, if it is right in one of those that are known.
    pub(super) fn in_usual_order(
        &self,
        scheme: Scheme,
        digest: &[u8],
        signature: Signature,
        judge: &PublicKey,
    ) -> Result<Signature, Error> {
        let raw = signature.to_raw();
        let seen = &self.learned().order;
        let last = usize::from(seen.load(Ordering::Relaxed));
        let mut wrong = None;
        for number in others_after(last) {
            let Some(order) = ORDERS.get(number) else {
                continue;
            };
            let signature = Signature::from_raw(scheme, &order(&raw))
                .map_err(|error| self.sign_error(SignError::BadSignature(error.to_string())))?;
            match judge.verify_input(scheme, digest, &signature) {
                Ok(()) => {
                    if number != last {
                        log::warn!(
                            "the key {}: its module writes signatures in another order of bytes; \
                             they are put right",
                            self.name()
                        );
                        seen.store(number as u8, Ordering::Relaxed);
                    }
                    return Ok(signature);
                }
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        let reason = wrong.map_or_else(String::new, |error| error.to_string());
        Err(self.sign_error(SignError::WrongSignature(reason)))
    }
}

fn others_after(last: usize) -> impl Iterator<Item = usize> {
    let others = (0..ORDERS.len()).filter(move |number| *number != last);
    [last].into_iter().chain(others)
}

/// `r‖s`.
fn swapped(raw: &[u8]) -> Vec<u8> {
    let (first, second) = raw.split_at(raw.len() / 2);
    [second, first].concat()
}

fn halves_reversed(raw: &[u8]) -> Vec<u8> {
    reversed(&swapped(raw))
}
