use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::{fmt, ops::Deref};

use cryptoki::session::UserType;
use cryptoki_sys::*;
use secrecy::ExposeSecret;

use super::session::Pooled;
use super::{Slot, Token};
use crate::Error;
use crate::module::ReturnCode;
use crate::module::raw::Functions;
use crate::pin::{Pin, PinError, PinPrompt, PinPurpose, PinRequest, PinState, TriesLeft};

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
    _login: Arc<Login>,
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
        let functions = self.slot().functions()?;
        let mut state = self.slot().login();
        if let Some(login) = state.current() {
            return Ok(Some(self.with(login)));
        }
        state.end_abandoned(self.slot(), functions);
        let session = self.slot().session(functions)?;
        let found = functions.session_state(session.handle());
        match self.slot().call("C_GetSessionInfo", found)? {
            CKS_RO_USER_FUNCTIONS | CKS_RW_USER_FUNCTIONS => {
                Ok(Some(self.with(state.begin(self.slot(), Whose::Host))))
            }
            _ => Ok(None),
        }
    }

    fn log_in<'a>(
        &self,
        ask: impl FnOnce(PinRequest) -> Result<Answer<'a>, PinError>,
    ) -> Result<Unlocked, Error> {
        let slot = self.slot();
        let functions = slot.functions()?;
        let mut state = slot.login();
        if let Some(current) = state.current() {
            // In this order: the last holder of a login takes the lock to log out.
            drop(state);
            drop(current);
            return Err(self.pin_error(PinError::AlreadyUnlocked));
        }
        state.end_abandoned(slot, functions);
        // What was read when the token was found may be old, and a try may be at stake.
        let info = slot.recent_token_info()?;
        if !info.flags.is_initialized() {
            return Err(self.pin_error(PinError::NotSet));
        }
        if !info.flags.login_required() {
            return Ok(self.with(state.begin(slot, Whose::Nobody)));
        }
        let request = self.request(PinPurpose::Unlock, info.pin_state(slot.module().path()));
        if request.state == PinState::Locked {
            return Err(self.pin_error(PinError::Locked));
        }
        let answer = ask(request.clone()).map_err(|reason| self.pin_error(reason))?;
        let session = slot.session(functions)?;
        self.present(&session, UserType::User, answer.pin(), &request)?;
        Ok(self.with(state.begin(slot, Whose::Ours)))
    }

    /// Asks for the PIN of one signature, before anything is begun on the token.
    pub(crate) fn ask_for_signature(
        &self,
        prompt: &dyn PinPrompt,
        key: &str,
    ) -> Result<(Pin, PinRequest), Error> {
        let info = self.slot().recent_token_info()?;
        let purpose = PinPurpose::Signature {
            key: key.to_owned(),
        };
        let request = self.request(purpose, info.pin_state(self.module().path()));
        if request.state == PinState::Locked {
            return Err(self.pin_error(PinError::Locked));
        }
        let pin = prompt
            .ask(&request)
            .map_err(|error| self.pin_error(error.into()))?;
        self.check(&pin, &request)
            .map_err(|reason| self.pin_error(reason))?;
        Ok((pin, request))
    }

    /// The login inside an operation (PKCS#11 3.1, section 5.6.8, `CKU_CONTEXT_SPECIFIC`).
    pub(crate) fn log_in_to_operation(
        &self,
        session: &Pooled<'_>,
        pin: &Pin,
        request: &PinRequest,
    ) -> Result<(), Error> {
        self.present(session, UserType::ContextSpecific, pin, request)
    }

    /// Sends a PIN: the one place that does, one `C_Login` a call.
    fn present(
        &self,
        session: &Pooled<'_>,
        user: UserType,
        pin: &Pin,
        request: &PinRequest,
    ) -> Result<(), Error> {
        // The person may have been asked for minutes, and another thread been refused meanwhile.
        let info = self.slot().recent_token_info()?;
        let request = PinRequest {
            state: info.pin_state(self.module().path()),
            ..request.clone()
        };
        self.check(pin, &request)
            .map_err(|reason| self.pin_error(reason))?;
        let Some(session) = session.session() else {
            return Err(self
                .slot()
                .error("C_Login", ReturnCode::SESSION_HANDLE_INVALID));
        };
        let sent = match pin.typed() {
            Some(pin) => session.login_with_raw(user, pin),
            None => session.login(user, None),
        };
        self.slot().forget_said();
        sent.map_err(|error| self.refusal(ReturnCode::of(&error)))
    }

    /// What can be told of a PIN without the token, at no cost of a try.
    fn check(&self, pin: &Pin, request: &PinRequest) -> Result<(), PinError> {
        match request.state {
            PinState::Locked => return Err(PinError::Locked),
            PinState::FinalTry if !pin.allows_last_try() => return Err(PinError::LastTry),
            _ => {}
        }
        match (pin.typed(), request.lengths) {
            (None, _) if !request.has_pad => Err(PinError::NoPad),
            (Some(pin), Some((min, max))) if !(min..=max).contains(&pin.expose_secret().len()) => {
                Err(PinError::Length { min, max })
            }
            _ => Ok(()),
        }
    }

    fn refusal(&self, code: ReturnCode) -> Error {
        let reason = match code.code() as CK_RV {
            CKR_PIN_INCORRECT => PinError::Incorrect {
                tries: self.tries_left(),
            },
            CKR_PIN_LOCKED => PinError::Locked,
            // Lengths that it had told were checked before. OpenSC says CKR_DATA_INVALID.
            CKR_PIN_LEN_RANGE | CKR_PIN_INVALID | CKR_DATA_INVALID => PinError::Invalid,
            CKR_PIN_EXPIRED => PinError::Expired,
            CKR_USER_PIN_NOT_INITIALIZED => PinError::NotSet,
            CKR_FUNCTION_CANCELED | CKR_CANCEL => PinError::Cancelled,
            CKR_USER_ALREADY_LOGGED_IN => PinError::AlreadyUnlocked,
            CKR_USER_ANOTHER_ALREADY_LOGGED_IN | CKR_USER_TOO_MANY_TYPES => PinError::AnotherUser,
            _ => return self.slot().error("C_Login", code),
        };
        self.pin_error(reason)
    }

    fn tries_left(&self) -> TriesLeft {
        // The flags are news to tell; a failure to read them must not hide the refusal.
        self.slot()
            .token_info()
            .map_or(TriesLeft::Unknown, |info| info.tries_left())
    }

    fn request(&self, purpose: PinPurpose, state: PinState) -> PinRequest {
        PinRequest {
            token: self.slot().name().to_owned(),
            purpose,
            state,
            lengths: self.pin_lengths(),
            has_pad: self.flags().has_pin_pad(),
        }
    }

    fn with(&self, login: Arc<Login>) -> Unlocked {
        Unlocked {
            token: self.clone(),
            _login: login,
        }
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

/// The login of this process to one token.
#[derive(Default)]
pub(super) struct LoginState {
    current: Option<Current>,
}

struct Current {
    login: Weak<Login>,
    serial: u64,
    whose: Whose,
}

/// Who made the login, and so who may end it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Host,
    /// The token needs none.
    Nobody,
}

impl LoginState {
    fn current(&self) -> Option<Arc<Login>> {
        self.current.as_ref()?.login.upgrade()
    }

    pub(super) fn is_nobodys(&self) -> bool {
        self.current.is_none()
    }

    fn begin(&mut self, slot: &Arc<Slot>, whose: Whose) -> Arc<Login> {
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
        });
        login
    }

    /// Ends a login whose last holder is going in another thread and has not logged out yet.
    fn end_abandoned(&mut self, slot: &Slot, functions: &Functions) {
        if let Some(Current {
            whose: Whose::Ours, ..
        }) = self.current.take()
        {
            log_out(slot, functions);
        }
    }
}

/// Counted by its `Arc`: the last holder logs out.
struct Login {
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
    if let Some(Err(error)) = session.session().map(|session| session.logout()) {
        // Gone with its token, most likely; then so is the login.
        log::debug!("C_Logout: {error}");
    }
}
