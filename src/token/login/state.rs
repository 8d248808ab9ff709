//! Who is logged in to a token, and until when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use cryptoki::session::{Session, UserType};

use crate::Error;
use crate::module::raw::Functions;
use crate::pin::{Pin, PinError, PinPurpose};
use crate::token::recovery::is_logged_in;
use crate::token::{Needs, Slot};

/// The login of this process to one token.
#[derive(Default)]
pub(in crate::token) struct LoginState {
    current: Option<Current>,
}

struct Current {
    login: Weak<Login>,
    serial: u64,
    whose: Whose,
    /// To log in with again, where the PIN's owner has allowed that.
    kept: Option<Pin>,
}

/// Who made the login, and so who may end it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Host,
    /// The token needs none.
    Nobody,
}

impl LoginState {
    pub(super) fn current(&self) -> Option<Arc<Login>> {
        self.current.as_ref()?.login.upgrade()
    }

    pub(in crate::token) fn is_nobodys(&self) -> bool {
        self.current.is_none()
    }

    pub(super) fn is_whose(&self, whose: Whose) -> bool {
        self.current.as_ref().is_some_and(|one| one.whose == whose)
    }

    pub(super) fn begin(
        &mut self,
        slot: &Arc<Slot>,
        whose: Whose,
        kept: Option<Pin>,
    ) -> Arc<Login> {
        slot.trust_login();
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let login = Arc::new(Login {
            slot: Arc::clone(slot),
            serial,
        });
        self.current = Some(Current {
            login: Arc::downgrade(&login),
            serial,
            whose,
            kept,
        });
        login
    }

    /// The login that was lost is there again, and is ours.
    pub(super) fn revive(&mut self, kept: Option<Pin>) {
        if let Some(current) = &mut self.current {
            current.whose = Whose::Ours;
            current.kept = kept;
        }
    }

    /// Ends a login whose last holder is going in another thread and has not logged out yet.
    pub(super) fn end_abandoned(&mut self, slot: &Slot, functions: &Functions) {
        if let Some(Current {
            whose: Whose::Ours, ..
        }) = self.current.take()
        {
            log_out(slot, functions);
        }
    }
}

/// Counted by its `Arc`: the last holder logs out.
pub(super) struct Login {
    slot: Arc<Slot>,
    serial: u64,
}

impl Drop for Login {
    fn drop(&mut self) {
        // In a forked child the login is the parent's.
        let Ok(functions) = self.slot.functions() else {
            return;
        };
        let mut state = self.slot.login();
        if state
            .current
            .as_ref()
            .is_some_and(|current| current.serial == self.serial)
        {
            state.end_abandoned(&self.slot, functions);
        }
    }
}

fn log_out(slot: &Slot, functions: &Functions) {
    let Ok(session) = slot.session(functions) else {
        return;
    };
    let log_out = |open: &Session| functions.calls().make("C_Logout", || open.logout());
    if let Some(Err(error)) = session.session().map(log_out) {
        // Gone with its token, most likely; then so is the login.
        log::debug!("C_Logout: {error}");
    }
}

impl Slot {
    /// Whether this process is logged in to the token, as the token has it.
    pub(super) fn is_logged_in(&self, functions: &Functions) -> Result<bool, Error> {
        self.attempt(functions, Needs::Nothing, |session| {
            let state = functions.session_state(session.handle());
            let state = session.call("C_GetSessionInfo", state)?;
            Ok(is_logged_in(state))
        })
    }

    /// Sees whether a login that is in doubt is still there. If it is not, logs in again with the
    /// PIN that was to be kept for this, once. One thread does; others wait for it.
    pub(in crate::token) fn settle_login(&self, functions: &Functions) -> Result<(), Error> {
        let mut state = self.login();
        if !self.login_is_doubtful() {
            return Ok(());
        }
        if !state.is_whose(Whose::Nobody) && !self.is_logged_in(functions)? {
            let not_unlocked = || Error::NotUnlocked {
                token: self.name().to_owned(),
            };
            let current = state.current.as_mut();
            let current = current.filter(|current| current.kept.is_some());
            let current = current.ok_or_else(not_unlocked)?;
            log::debug!("{}: logging in again", self.name());
            let request = self.request(&self.token_info()?, PinPurpose::Unlock);
            self.see_card(functions)?;
            let session = self.live_session(functions)?;
            // Taken out only now, and before it is sent: a PIN that is refused is not sent again.
            let pin = current.kept.take().ok_or_else(not_unlocked)?;
            match self.present(&session, UserType::User, &pin, &request) {
                // By the host program, meanwhile.
                Err(Error::Pin {
                    reason: PinError::AlreadyUnlocked,
                    ..
                })
                | Ok(()) => {}
                Err(error) => {
                    // Nor one that was sent, and of which nobody knows whether a try was spent.
                    let was_sent = match &error {
                        Error::Call { function, .. } => *function == "C_Login",
                        other => matches!(other, Error::Pin { .. }),
                    };
                    if !was_sent {
                        current.kept = Some(pin);
                    }
                    return Err(error);
                }
            }
            current.kept = Some(pin);
        }
        self.trust_login();
        Ok(())
    }
}
