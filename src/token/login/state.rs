//! Whether a token is logged in to, and logging in again.

use cryptoki::session::UserType;

use super::holders::{LoggedInTo, LoginState, Whose};
use crate::Error;
use crate::module::raw::Functions;
use crate::pin::{PinError, PinPurpose};
use crate::sync::MutexGuard;
use crate::token::recovery::is_logged_in;
use crate::token::{Needs, Slot};

impl LoggedInTo for Slot {
    fn login_of_process(&self) -> Option<MutexGuard<'_, LoginState<Self>>> {
        self.functions().ok().map(|_| self.login())
    }

    fn log_out(&self) {
        let functions = self.functions();
        let Ok(session) = functions.and_then(|functions| self.session(functions)) else {
            return;
        };
        if let Err(error) = session.functions().logout(session.handle()) {
            // Gone with its token, most likely; then so is the login.
            log::debug!("C_Logout: {error}");
        }
        // With the login end the handles of private objects (PKCS#11 3.1, section 5.6.10), those of keys
        // included that nobody holds the login for.
        self.end_generation();
    }
}

impl Slot {
    /// Whether this process is logged in to the token, as the token has it.
    pub(super) fn is_logged_in(&self, functions: &Functions) -> Result<bool, Error> {
        self.attempt(functions, Needs::Nothing, |session| {
            Ok(is_logged_in(session.state()?))
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
            let kept = state.kept().ok_or_else(not_unlocked)?;
            log::debug!("{}: logging in again", self.name());
            let request = self.request(&self.token_info()?, PinPurpose::Unlock);
            self.see_card(functions)?;
            let session = self.live_session(functions)?;
            // With the login that was lost ended the handles of private objects.
            self.end_generation();
            // Taken out only now, and before it is sent: a PIN that is refused is not sent again.
            let pin = kept.take().ok_or_else(not_unlocked)?;
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
                        *kept = Some(pin);
                    }
                    return Err(error);
                }
            }
            *kept = Some(pin);
        }
        self.trust_login();
        Ok(())
    }
}
