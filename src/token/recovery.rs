//! Going on after a token was pulled out, its sessions were lost, or its login was ended by
//! somebody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cryptoki_sys::*;

use super::pool::KEPT;
use super::{Pooled, Slot, TokenInfo};
use crate::Error;
use crate::module::ReturnCode;
use crate::module::raw::Functions;
use crate::sync::lock;

/// Whether a call goes on without the login of this process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    Login,
}

/// What can be done about an error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cure {
    None,
    /// The token or its sessions are gone: find it anew.
    FindToken,
    /// The login has ended: log in again, where that may be done.
    LogIn,
    /// The token is full: close what is idle.
    MakeRoom,
    /// Another session will do.
    Anew,
    /// The object has to be found anew.
    FindObject,
}

impl Cure {
    fn of(error: &Error) -> Self {
        let Error::Call { code, .. } = error else {
            return match error {
                Error::TokenRemoved { .. } => Self::FindToken,
                _ => Self::None,
            };
        };
        match code.code() as CK_RV {
            CKR_SESSION_HANDLE_INVALID
            | CKR_SESSION_CLOSED
            | CKR_DEVICE_ERROR
            | CKR_CRYPTOKI_NOT_INITIALIZED => Self::FindToken,
            CKR_USER_NOT_LOGGED_IN => Self::LogIn,
            CKR_DEVICE_MEMORY | CKR_SESSION_COUNT => Self::MakeRoom,
            CKR_OPERATION_ACTIVE => Self::Anew,
            CKR_KEY_HANDLE_INVALID | CKR_OBJECT_HANDLE_INVALID => Self::FindObject,
            _ => Self::None,
        }
    }
}

struct Failed {
    error: Error,
    /// That it is of.
    epoch: u64,
    /// In seeing to the login, which tries again by itself what may be: a PIN may have been sent.
    in_login: bool,
}

impl Failed {
    #[cold]
    fn of(error: Error, epoch: u64) -> Self {
        Self {
            error,
            epoch,
            in_login: false,
        }
    }
}

/// Whether a session of this state has a user logged in.
pub(super) fn is_logged_in(state: CK_STATE) -> bool {
    matches!(state, CKS_RO_USER_FUNCTIONS | CKS_RW_USER_FUNCTIONS)
}

/// Whether no other object of the token can be read either.
pub(crate) fn is_of_the_session(error: &Error) -> bool {
    matches!(error, Error::Forked) || Cure::of(error) == Cure::FindToken
}

impl Pooled<'_> {
    /// Whether there is the login that is needed, as the token has it. Costs a call.
    pub(crate) fn has(&self, needs: Needs) -> Result<bool, Error> {
        let state = self.state()?;
        Ok(needs == Needs::Nothing || is_logged_in(state))
    }
}

impl Slot {
    /// Makes calls with a session, and once more where the first failed for a reason that could be
    /// put right.
    ///
    /// A PIN is never sent here but the one that was to be kept for this. Whoever has `functions` has
    /// checked that this process may call the module, before any lock was touched.
    pub(crate) fn attempt<T>(
        &self,
        functions: &Functions,
        needs: Needs,
        act: impl Fn(&Pooled<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.try_once(functions, needs, &act) {
            Ok(done) => Ok(done),
            Err(failed) => match self.cure(functions, &failed.error, failed.epoch)? {
                true if !failed.in_login => self.once(functions, needs, act),
                _ => Err(failed.error),
            },
        }
    }

    /// The same, not tried again: what is wrong is put right for those who come later.
    pub(crate) fn once<T>(
        &self,
        functions: &Functions,
        needs: Needs,
        act: impl Fn(&Pooled<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.try_once(functions, needs, &act)
            .map_err(|Failed { error, epoch, .. }| {
                match self.cure(functions, &error, epoch) {
                    // That it was removed says more than what came of it.
                    Err(removed @ Error::TokenRemoved { .. }) => removed,
                    _ => error,
                }
            })
    }

    /// Sees that the token is there and logged in to, before a person is asked for the PIN of a
    /// signature that will not be tried again. Costs a call.
    pub(crate) fn make_ready<T>(
        &self,
        functions: &Functions,
        needs: Needs,
        act: impl Fn(&Pooled<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.attempt(functions, needs, |session| {
            // A card drops its login with a refused PIN, and the PIN of the next signature brings it
            // back. OpenSC that is asked in between closes all sessions.
            match self.pin_was_refused() || session.has(needs)? {
                true => act(session),
                false => Err(self.not_logged_in()),
            }
        })
    }

    /// The login has ended, as a session has shown. Puts it in doubt, where this is cured.
    pub(crate) fn not_logged_in(&self) -> Error {
        self.error("C_GetSessionInfo", ReturnCode::USER_NOT_LOGGED_IN)
    }

    fn try_once<T>(
        &self,
        functions: &Functions,
        needs: Needs,
        act: &impl Fn(&Pooled<'_>) -> Result<T, Error>,
    ) -> Result<T, Failed> {
        let act_with =
            |session: &Pooled<'_>| act(session).map_err(|error| Failed::of(error, session.epoch()));
        let is_doubtful = || needs == Needs::Login && self.login_is_doubtful();
        if is_doubtful() {
            self.settle(functions)?;
        }
        let session = self.new_session(functions)?;
        // In between the token may have been lost and found again: this session is a new one then,
        // and does not show what the login shows.
        if is_doubtful() {
            drop(session);
            self.settle(functions)?;
            return act_with(&self.new_session(functions)?);
        }
        act_with(&session)
    }

    #[inline]
    fn new_session<'a>(&'a self, functions: &'a Functions) -> Result<Pooled<'a>, Failed> {
        let session = self.session(functions);
        session.map_err(|error| Failed::of(error, self.pool.epoch()))
    }

    #[cold]
    fn settle(&self, functions: &Functions) -> Result<(), Failed> {
        self.settle_login(functions).map_err(|error| Failed {
            in_login: true,
            ..Failed::of(error, self.pool.epoch())
        })
    }

    /// A session that was seen to be alive, for what must not be tried again.
    pub(super) fn live_session<'a>(
        &'a self,
        functions: &'a Functions,
    ) -> Result<Pooled<'a>, Error> {
        let session = self.session(functions)?;
        // A new one is.
        if !session.is_used() {
            return Ok(session);
        }
        match session.state() {
            Ok(_) => Ok(session),
            Err(error) => {
                let epoch = session.epoch();
                drop(session);
                match self.cure(functions, &error, epoch)? {
                    true => self.session(functions),
                    false => Err(error),
                }
            }
        }
    }

    /// Puts right what gave this error in this epoch. Whether it is worth another try.
    #[cold]
    pub(super) fn cure(
        &self,
        functions: &Functions,
        error: &Error,
        epoch: u64,
    ) -> Result<bool, Error> {
        match Cure::of(error) {
            Cure::None => return Ok(false),
            Cure::FindToken => self.find_token(functions, epoch)?,
            Cure::LogIn => self.doubt_login(),
            Cure::MakeRoom => self.pool.make_room(self),
            Cure::Anew => {}
            // An object that nobody sees any more may be hidden.
            Cure::FindObject => self.doubt_login(),
        }
        Ok(true)
    }

    /// Finds the token again, in whatever slot, unless another thread has done so since. It is
    /// known by manufacturer, model, serial and label.
    ///
    /// Its handles and sessions are no longer believed, nor is the login, unless the login is seen
    /// to be there: no token keeps that when it is away.
    pub(super) fn find_token(&self, functions: &Functions, epoch: u64) -> Result<(), Error> {
        let _one = lock(&self.search);
        if self.pool.epoch() != epoch {
            return Ok(());
        }
        self.forget_said();
        // This is what makes a module look again at what is plugged in.
        let slots = self.module().loaded()?.slots();
        let here = self.id();
        let found = slots.as_ref().ok().and_then(|slots| {
            let others = slots.iter().filter(|slot| **slot != here);
            let here = slots.iter().filter(|slot| **slot == here);
            here.chain(others)
                .copied()
                .find(|slot| self.is_in(functions, *slot))
        });
        // In a new life of the module the sessions were lost with the old one, and the login was in
        // doubt at once: another thread may have made it again already.
        let is_settled = || self.login_is_seen(functions) || self.pool.epoch() != epoch;
        if found == Some(here) && is_settled() {
            return Ok(());
        }
        self.lose_sessions();
        slots.map_err(|code| self.error("C_GetSlotList", code))?;
        match found {
            None => Err(self.removed()),
            Some(slot) if slot == here => Ok(()),
            Some(slot) => self.move_to(slot),
        }
    }

    fn login_is_seen(&self, functions: &Functions) -> bool {
        // Not for ever: in the place of a session that is lost, another is opened.
        for _ in 0..=KEPT {
            let Ok(session) = self.session(functions) else {
                return false;
            };
            match session.state() {
                Ok(state) => return is_logged_in(state),
                Err(_) if session.is_used() => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// The token was seen in another slot.
    pub(super) fn has_moved(&self, slot: CK_SLOT_ID) -> Result<(), Error> {
        let _one = lock(&self.search);
        self.forget_said();
        self.lose_sessions();
        self.move_to(slot)
    }

    /// With them the login and all handles are in doubt: before new ones are opened.
    fn lose_sessions(&self) {
        self.doubt_login();
        self.end_generation();
        self.pool.renew(self);
    }

    fn is_in(&self, functions: &Functions, slot: CK_SLOT_ID) -> bool {
        let info = functions.token_info(slot);
        info.is_ok_and(|info| TokenInfo::from(&info).is_same_token(self.first_info()))
    }

    /// Whoever looks in that slot from now on is to share this one's login.
    fn move_to(&self, slot: CK_SLOT_ID) -> Result<(), Error> {
        let mut slots = lock(&self.module().loaded()?.slots);
        slots.remove(&self.id());
        if let Some(this) = self.this().upgrade() {
            let this: Arc<dyn std::any::Any + Send + Sync> = this;
            slots.insert(slot, Arc::downgrade(&this));
        }
        self.id.store(u64::from(slot), Ordering::Release);
        Ok(())
    }
}
