mod holders;
mod present;
mod state;

use std::sync::Arc;
use std::{fmt, ops::Deref};

use cryptoki::session::UserType;

use super::{Slot, Token};
use crate::Error;
use crate::pin::{Pin, PinError, PinPrompt, PinPurpose, PinRequest, PinState};
pub(super) use holders::LoginState;
use holders::{Login, Whose};

/// An unlocked token.
///
/// It stays unlocked as long as this, a clone of it, or an identity or key that came from it
/// lives; the last to be dropped logs out. Dereferences to the [`Token`].
///
/// # Example
/// ```no_run
/// use keyfob::Pin;
///
/// let token = keyfob::discover()?.only()?;
/// let fob = token.unlock(&Pin::from_env("KEYFOB_PIN").map_err(keyfob::Error::from)?)?;
/// println!("{} is unlocked", fob.label());
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Clone)]
pub struct Unlocked {
    token: Token,
    _login: Arc<Login<Slot>>,
}

impl Unlocked {
    /// The token itself.
    pub fn token(&self) -> &Token {
        &self.token
    }
}

impl Deref for Unlocked {
    type Target = Token;

    fn deref(&self) -> &Token {
        &self.token
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unlocked").field(&self.token).finish()
    }
}

impl Token {
    /// Unlocks the token with the user's PIN, which is sent once and never again.
    ///
    /// PKCS#11 knows one login for each process and token. While this process has the token
    /// unlocked, another PIN would not be checked, so it is refused; [`unlocked`](Self::unlocked)
    /// gives the handle that is there. A token that needs no login is not asked for one: the PIN
    /// is not sent then.
    ///
    /// # Errors
    /// [`Error::Pin`] with the reason. Locked, a last try that was not allowed, a length that the
    /// token does not take and a missing pad are told before the PIN is sent.
    /// [`Error::TokenRemoved`], [`Error::Call`].
    ///
    /// # Example
    /// ```no_run
    /// use keyfob::{Error, Pin, PinError};
    ///
    /// let token = keyfob::discover()?.only()?;
    /// match token.unlock(&Pin::from("12345678")) {
    ///     Ok(fob) => println!("{} keys", fob.identities()?.len()),
    ///     Err(Error::Pin { reason: PinError::Incorrect { tries }, .. }) => println!("{tries}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn unlock(&self, pin: &Pin) -> Result<Unlocked, Error> {
        self.log_in(|_| Ok(Answer::Given(pin)))
    }

    /// Unlocks the token with a PIN that a person is asked for, once.
    ///
    /// Nobody is asked where the PIN could not be used: the token is locked, unlocked already, or
    /// needs no login.
    ///
    /// # Errors
    /// As [`unlock`](Self::unlock), and [`PinError::Cancelled`] or [`PinError::Source`] where the
    /// prompt gives no PIN.
    pub fn unlock_by(&self, prompt: &dyn PinPrompt) -> Result<Unlocked, Error> {
        self.log_in(|request| {
            prompt
                .ask(&request)
                .map(Answer::Asked)
                .map_err(PinError::from)
        })
    }

    /// The handle of a token that is unlocked in this process already: by an earlier
    /// [`unlock`](Self::unlock), or by the host program through the same module. A login that the
    /// host program made is never logged out here.
    ///
    /// # Errors
    /// [`Error::TokenRemoved`], [`Error::Call`].
    ///
    /// # Example
    /// ```no_run
    /// # let token = keyfob::discover()?.only()?;
    /// let fob = match token.unlocked()? {
    ///     Some(fob) => fob,
    ///     None => token.unlock(&keyfob::Pin::from("12345678"))?,
    /// };
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    pub fn unlocked(&self) -> Result<Option<Unlocked>, Error> {
        let slot = self.slot();
        let functions = slot.functions()?;
        let mut state = slot.login();
        let current = state.current();
        if let Some(login) = current.clone().filter(|_| !slot.login_is_doubtful()) {
            return Ok(Some(self.with(login)));
        }
        if current.is_none() {
            state.end_abandoned(slot);
        }
        let found = match slot.is_logged_in(functions)? {
            false => None,
            true => {
                slot.trust_login();
                Some(
                    current
                        .clone()
                        .unwrap_or_else(|| slot.begin_login(&mut state, Whose::Host, None)),
                )
            }
        };
        // In this order: the last holder of a login takes the lock to log out.
        drop(state);
        drop(current);
        Ok(found.map(|login| self.with(login)))
    }

    fn log_in<'a>(
        &self,
        ask: impl FnOnce(PinRequest) -> Result<Answer<'a>, PinError>,
    ) -> Result<Unlocked, Error> {
        let slot = self.slot();
        let functions = slot.functions()?;
        let mut state = slot.login();
        let current = state.current();
        if let Some(current) = &current {
            if state.is_whose(Whose::Nobody) || slot.is_logged_in(functions)? {
                let already = slot.pin_error(PinError::AlreadyUnlocked);
                // In this order: the last holder of a login takes the lock to log out.
                let current = Arc::clone(current);
                drop(state);
                drop(current);
                return Err(already);
            }
        } else {
            state.end_abandoned(slot);
        }
        // What was read when the token was found may be old, and a try may be at stake.
        let info = slot.recent_token_info()?;
        if !info.flags.is_initialized() {
            return Err(slot.pin_error(PinError::NotSet));
        }
        if !info.flags.login_required() {
            return Ok(self.with(slot.begin_login(&mut state, Whose::Nobody, None)));
        }
        let request = slot.request(&info, PinPurpose::Unlock);
        if request.state == PinState::Locked {
            return Err(slot.pin_error(PinError::Locked));
        }
        let answer = ask(request.clone()).map_err(|reason| slot.pin_error(reason))?;
        let pin = answer.pin();
        slot.see_card(functions)?;
        // A token that was lost while the person typed is found before a session is held.
        slot.recent_token_info()?;
        let session = slot.live_session(functions)?;
        if current.is_some() {
            // Nobody may use what was found before the login that is to be made anew.
            slot.doubt_login();
            slot.end_generation();
        }
        slot.present(&session, UserType::User, pin, &request)?;
        drop(session);
        // Those that hold a login which was lost have it back.
        let login = match current {
            Some(login) => {
                state.revive(pin.to_keep());
                slot.trust_login();
                login
            }
            None => slot.begin_login(&mut state, Whose::Ours, pin.to_keep()),
        };
        Ok(self.with(login))
    }

    fn with(&self, login: Arc<Login<Slot>>) -> Unlocked {
        Unlocked {
            token: self.clone(),
            _login: login,
        }
    }
}

impl Slot {
    fn begin_login(
        self: &Arc<Self>,
        state: &mut LoginState<Self>,
        whose: Whose,
        kept: Option<Pin>,
    ) -> Arc<Login<Self>> {
        self.trust_login();
        state.begin(self, whose, kept)
    }
}

enum Answer<'a> {
    Given(&'a Pin),
    Asked(Pin),
}

impl Answer<'_> {
    fn pin(&self) -> &Pin {
        match self {
            Self::Given(pin) => pin,
            Self::Asked(pin) => pin,
        }
    }
}
