use std::path::Path;

use cryptoki_sys::*;

use crate::catalog;
use crate::module::text;
use crate::pin::{PinState, TriesLeft};

/// What a token tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenInfo {
    pub(crate) label: String,
    pub(crate) manufacturer: String,
    pub(crate) model: String,
    pub(crate) serial: String,
    pub(crate) flags: TokenFlags,
    pub(crate) pin_lengths: Option<(usize, usize)>,
    /// The tries left, where the card itself was asked and told.
    pub(crate) tries: Option<u8>,
    /// The most sessions that can be open at once.
    pub(crate) max_sessions: usize,
}

impl TokenInfo {
    /// Whether this is the same token as before, as far as it can tell.
    pub(crate) fn is_same_token(&self, other: &Self) -> bool {
        self.manufacturer == other.manufacturer
            && self.model == other.model
            && self.serial == other.serial
            && self.label == other.label
    }

    /// Whether the flags of the PIN can be missing although they are true.
    pub(crate) fn hides_pin_flags(&self, module: &Path) -> bool {
        catalog::hides_pin_flags(&self.model, &self.manufacturer, module)
    }

    /// What is known of the PIN, of which the worst comes first.
    pub(crate) fn pin_state(&self, module: &Path) -> PinState {
        let flags = self.flags;
        match self.tries_left() {
            TriesLeft::None => PinState::Locked,
            TriesLeft::One => PinState::FinalTry,
            _ if flags.has(CKF_USER_PIN_TO_BE_CHANGED) => PinState::MustChange,
            TriesLeft::Low => PinState::Low,
            _ if !flags.login_required() => PinState::NotNeeded,
            _ if !flags.pin_initialized() => PinState::NotSet,
            TriesLeft::Several(tries) => PinState::TriesLeft(tries),
            TriesLeft::Unknown if self.hides_pin_flags(module) => PinState::Unknown,
            TriesLeft::Unknown => PinState::Normal,
        }
    }

    /// What is known of the tries left. The card's word counts before the flags, which a module may
    /// have put up long ago.
    pub(crate) fn tries_left(&self) -> TriesLeft {
        match self.tries {
            Some(0) => TriesLeft::None,
            Some(1) => TriesLeft::One,
            Some(tries) => TriesLeft::Several(tries),
            None if self.flags.has(CKF_USER_PIN_LOCKED) => TriesLeft::None,
            None if self.flags.has(CKF_USER_PIN_FINAL_TRY) => TriesLeft::One,
            None if self.flags.has(CKF_USER_PIN_COUNT_LOW) => TriesLeft::Low,
            None => TriesLeft::Unknown,
        }
    }
}

impl From<&CK_TOKEN_INFO> for TokenInfo {
    fn from(info: &CK_TOKEN_INFO) -> Self {
        let (min, max) = (info.ulMinPinLen as usize, info.ulMaxPinLen as usize);
        Self {
            label: text(&info.label),
            manufacturer: text(&info.manufacturerID),
            model: text(&info.model),
            serial: text(&info.serialNumber),
            flags: TokenFlags(info.flags),
            pin_lengths: (max > 0 && min <= max && max < CK_UNAVAILABLE_INFORMATION as usize)
                .then_some((min, max)),
            tries: None,
            max_sessions: match info.ulMaxSessionCount {
                CK_EFFECTIVELY_INFINITE | CK_UNAVAILABLE_INFORMATION => usize::MAX,
                count => count as usize,
            },
        }
    }
}

/// The flags of a token.
///
/// Source: `CK_TOKEN_INFO`, PKCS#11 3.1, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFlags(CK_FLAGS);

impl TokenFlags {
    /// All of them, as the `CKF_…` bits.
    pub fn bits(self) -> u64 {
        self.0 as u64
    }

    /// The token has been initialised. One that has not has no label, PIN or keys.
    pub fn is_initialized(self) -> bool {
        self.has(CKF_TOKEN_INITIALIZED)
    }

    /// The user must log in for some of what the token does.
    pub fn login_required(self) -> bool {
        self.has(CKF_LOGIN_REQUIRED)
    }

    /// The user's PIN has been set.
    pub fn pin_initialized(self) -> bool {
        self.has(CKF_USER_PIN_INITIALIZED)
    }

    /// The PIN can be typed on the token or its reader.
    pub fn has_pin_pad(self) -> bool {
        self.has(CKF_PROTECTED_AUTHENTICATION_PATH)
    }

    /// Nothing can be written to the token.
    pub fn is_write_protected(self) -> bool {
        self.has(CKF_WRITE_PROTECTED)
    }

    fn has(self, flag: CK_FLAGS) -> bool {
        self.0 & flag != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(flags: CK_FLAGS) -> TokenInfo {
        TokenInfo::from(&CK_TOKEN_INFO {
            flags,
            ..Default::default()
        })
    }

    #[test]
    fn the_worst_flag_is_the_state() {
        let usual = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
        let state = |flags| info(usual | flags).pin_state(Path::new("libany.so"));
        assert_eq!(state(0), PinState::Normal);
        assert_eq!(state(CKF_USER_PIN_COUNT_LOW), PinState::Low);
        assert_eq!(
            state(CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY),
            PinState::FinalTry
        );
        assert_eq!(
            state(CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED),
            PinState::Locked
        );
        assert_eq!(state(CKF_USER_PIN_TO_BE_CHANGED), PinState::MustChange);
        let opensc = Path::new("/usr/lib/opensc-pkcs11.so");
        assert_eq!(info(usual).pin_state(opensc), PinState::Unknown);
        let any = Path::new("libany.so");
        assert_eq!(info(CKF_LOGIN_REQUIRED).pin_state(any), PinState::NotSet);
        assert_eq!(info(0).pin_state(any), PinState::NotNeeded);
    }

    #[test]
    fn the_cards_word_counts_before_the_flags() {
        let opensc = Path::new("/usr/lib/opensc-pkcs11.so");
        let state = |flags, tries| {
            let usual = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
            let mut info = info(usual ^ flags);
            info.tries = tries;
            info.pin_state(opensc)
        };
        let last = CKF_USER_PIN_FINAL_TRY;
        assert_eq!(state(0, Some(3)), PinState::TriesLeft(3));
        assert_eq!(state(0, Some(1)), PinState::FinalTry);
        assert_eq!(state(last, Some(0)), PinState::Locked);
        assert_eq!(state(last, Some(5)), PinState::TriesLeft(5));
        let locked = CKF_USER_PIN_LOCKED | last | CKF_USER_PIN_COUNT_LOW;
        assert_eq!(state(locked, Some(2)), PinState::TriesLeft(2));
        assert_eq!(state(locked, None), PinState::Locked);
        let change = CKF_USER_PIN_TO_BE_CHANGED;
        assert_eq!(state(change, Some(3)), PinState::MustChange);
        assert_eq!(state(change, Some(1)), PinState::FinalTry);
        let unset = CKF_USER_PIN_INITIALIZED;
        assert_eq!(state(unset, Some(3)), PinState::NotSet);
        assert_eq!(state(CKF_LOGIN_REQUIRED, Some(3)), PinState::NotNeeded);
    }

    #[test]
    fn pin_lengths_that_make_no_sense_are_no_limits() {
        let lengths = |min, max| {
            TokenInfo::from(&CK_TOKEN_INFO {
                ulMinPinLen: min,
                ulMaxPinLen: max,
                ..Default::default()
            })
            .pin_lengths
        };
        assert_eq!(lengths(4, 8), Some((4, 8)));
        assert_eq!(lengths(0, 0), None);
        assert_eq!(lengths(9, 8), None);
        assert_eq!(lengths(0, CK_UNAVAILABLE_INFORMATION), None);
    }
}
