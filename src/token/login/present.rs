//! Sending a PIN: once, and only where it may be.

use cryptoki::session::UserType;
use cryptoki_sys::*;
use secrecy::ExposeSecret;

use crate::Error;
use crate::module::ReturnCode;
use crate::pin::{Pin, PinError, PinPrompt, PinPurpose, PinRequest, PinState, TriesLeft};
use crate::token::{Pooled, Slot, TokenInfo};

impl Slot {
    /// Asks for the PIN of one signature, before anything is begun on the token.
    pub(crate) fn ask_for_signature(
        &self,
        prompt: &dyn PinPrompt,
        key: &str,
    ) -> Result<(Pin, PinRequest), Error> {
        let purpose = PinPurpose::Signature {
            key: key.to_owned(),
        };
        let request = self.request(&self.recent_token_info()?, purpose);
        if request.state == PinState::Locked {
            return Err(self.pin_error(PinError::Locked));
        }
        let pin = prompt
            .ask(&request)
            .map_err(|error| self.pin_error(error.into()))?;
        check(&pin, &request).map_err(|reason| self.pin_error(reason))?;
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
    pub(super) fn present(
        &self,
        session: &Pooled<'_>,
        user: UserType,
        pin: &Pin,
        request: &PinRequest,
    ) -> Result<(), Error> {
        // The person may have been asked for minutes, and another thread been refused meanwhile.
        let info = match self.said() {
            Some(info) => info,
            None => self.token_info_beside(session)?,
        };
        let request = self.request(&info, request.purpose.clone());
        check(pin, &request).map_err(|reason| self.pin_error(reason))?;
        let functions = session.functions();
        let sent = functions.login(session.handle(), user, pin.typed());
        self.forget_said();
        let sent = sent.map_err(|code| (code, self.refusal(session, code)));
        self.set_pin_refused(matches!(sent, Err((_, Some(_)))));
        sent.map_err(|(code, reason)| match reason {
            Some(reason) => self.pin_error(reason),
            None => self.lost(session, code),
        })
    }

    /// A login that failed for another reason than its PIN.
    fn lost(&self, session: &Pooled<'_>, code: ReturnCode) -> Error {
        match session.call::<()>("C_Login", Err(code)) {
            Err(error) => error,
            Ok(()) => self.error("C_Login", code),
        }
    }

    /// What a person is told who is asked for the PIN.
    pub(super) fn request(&self, info: &TokenInfo, purpose: PinPurpose) -> PinRequest {
        PinRequest {
            token: self.name().to_owned(),
            purpose,
            state: info.pin_state(self.module().path()),
            lengths: info.pin_lengths,
            has_pad: info.flags.has_pin_pad(),
        }
    }

    /// The error for a PIN that this token refused.
    pub(crate) fn pin_error(&self, reason: PinError) -> Error {
        Error::Pin {
            token: self.name().to_owned(),
            reason,
        }
    }

    /// What is wrong with the PIN, where that is what the code means.
    fn refusal(&self, session: &Pooled<'_>, code: ReturnCode) -> Option<PinError> {
        Some(match code.code() as CK_RV {
            CKR_PIN_INCORRECT => PinError::Incorrect {
                tries: self.tries_left(session),
            },
            CKR_PIN_LOCKED => PinError::Locked,
            // Lengths that it had told were checked before. OpenSC says CKR_DATA_INVALID.
            CKR_PIN_LEN_RANGE | CKR_PIN_INVALID | CKR_DATA_INVALID => PinError::Invalid,
            CKR_PIN_EXPIRED => PinError::Expired,
            CKR_USER_PIN_NOT_INITIALIZED => PinError::NotSet,
            CKR_FUNCTION_CANCELED | CKR_CANCEL => PinError::Cancelled,
            CKR_USER_ALREADY_LOGGED_IN => PinError::AlreadyUnlocked,
            CKR_USER_ANOTHER_ALREADY_LOGGED_IN | CKR_USER_TOO_MANY_TYPES => PinError::AnotherUser,
            _ => return None,
        })
    }

    fn tries_left(&self, session: &Pooled<'_>) -> TriesLeft {
        // They are news to tell; a failure to read them must not hide the refusal.
        self.token_info_beside(session)
            .map_or(TriesLeft::Unknown, |info| info.tries_left())
    }
}

/// What can be told of a PIN without the token, at no cost of a try.
fn check(pin: &Pin, request: &PinRequest) -> Result<(), PinError> {
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
