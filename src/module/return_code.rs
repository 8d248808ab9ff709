use core::fmt;

use cryptoki_sys::*;

/// A `CK_RV`: what a PKCS#11 function returned.
///
/// Displays as the standard's name where it has one, else as a number, for instance
/// `CKR_DEVICE_ERROR` or `0x80000123`.
///
/// # Example
/// ```
/// use keyfob::ReturnCode;
/// assert_eq!(ReturnCode::new(0x30).to_string(), "CKR_DEVICE_ERROR");
/// assert_eq!(ReturnCode::new(0x8000_0123).to_string(), "0x80000123");
/// ```
///
/// Source: PKCS#11 3.1, section 5.1 "Function return values".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReturnCode(CK_RV);

impl ReturnCode {
    /// What is made of answers that cannot be true.
    pub(crate) const GENERAL_ERROR: Self = Self(CKR_GENERAL_ERROR);
    pub(crate) const FUNCTION_NOT_SUPPORTED: Self = Self(CKR_FUNCTION_NOT_SUPPORTED);
    pub(crate) const KEY_HANDLE_INVALID: Self = Self(CKR_KEY_HANDLE_INVALID);
    pub(crate) const USER_NOT_LOGGED_IN: Self = Self(CKR_USER_NOT_LOGGED_IN);
    pub(crate) const TOKEN_NOT_PRESENT: Self = Self(CKR_TOKEN_NOT_PRESENT);

    /// The code with this number. On 32-bit systems, whose `CK_RV` has 32 bits, higher ones are
    /// cut off.
    pub fn new(code: u64) -> Self {
        Self(code as CK_RV)
    }

    /// The code's number.
    pub fn code(self) -> u64 {
        self.0 as u64
    }

    /// The standard's name, for instance `CKR_PIN_LOCKED`.
    pub fn name(self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|(code, _)| *code == self.0)
            .map(|(_, name)| *name)
    }

    /// `Ok` for `CKR_OK`, the code itself for everything else.
    pub(crate) fn check(code: CK_RV) -> Result<(), Self> {
        match code {
            CKR_OK => Ok(()),
            code => Err(Self(code)),
        }
    }

    pub(crate) fn is(self, code: CK_RV) -> bool {
        self.0 == code
    }

    pub(crate) fn is_any(self, codes: &[CK_RV]) -> bool {
        codes.contains(&self.0)
    }
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Debug for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! names {
    ($($name:ident)*) => { &[$(($name, stringify!($name))),*] };
}

const NAMES: &[(CK_RV, &str)] = names! {
    CKR_OK
    CKR_CANCEL
    CKR_HOST_MEMORY
    CKR_SLOT_ID_INVALID
    CKR_GENERAL_ERROR
    CKR_FUNCTION_FAILED
    CKR_ARGUMENTS_BAD
    CKR_NO_EVENT
    CKR_NEED_TO_CREATE_THREADS
    CKR_CANT_LOCK
    CKR_ATTRIBUTE_READ_ONLY
    CKR_ATTRIBUTE_SENSITIVE
    CKR_ATTRIBUTE_TYPE_INVALID
    CKR_ATTRIBUTE_VALUE_INVALID
    CKR_ACTION_PROHIBITED
    CKR_DATA_INVALID
    CKR_DATA_LEN_RANGE
    CKR_DEVICE_ERROR
    CKR_DEVICE_MEMORY
    CKR_DEVICE_REMOVED
    CKR_ENCRYPTED_DATA_INVALID
    CKR_ENCRYPTED_DATA_LEN_RANGE
    CKR_AEAD_DECRYPT_FAILED
    CKR_FUNCTION_CANCELED
    CKR_FUNCTION_NOT_PARALLEL
    CKR_FUNCTION_NOT_SUPPORTED
    CKR_KEY_HANDLE_INVALID
    CKR_KEY_SIZE_RANGE
    CKR_KEY_TYPE_INCONSISTENT
    CKR_KEY_NOT_NEEDED
    CKR_KEY_CHANGED
    CKR_KEY_NEEDED
    CKR_KEY_INDIGESTIBLE
    CKR_KEY_FUNCTION_NOT_PERMITTED
    CKR_KEY_NOT_WRAPPABLE
    CKR_KEY_UNEXTRACTABLE
    CKR_MECHANISM_INVALID
    CKR_MECHANISM_PARAM_INVALID
    CKR_OBJECT_HANDLE_INVALID
    CKR_OPERATION_ACTIVE
    CKR_OPERATION_NOT_INITIALIZED
    CKR_PIN_INCORRECT
    CKR_PIN_INVALID
    CKR_PIN_LEN_RANGE
    CKR_PIN_EXPIRED
    CKR_PIN_LOCKED
    CKR_SESSION_CLOSED
    CKR_SESSION_COUNT
    CKR_SESSION_HANDLE_INVALID
    CKR_SESSION_PARALLEL_NOT_SUPPORTED
    CKR_SESSION_READ_ONLY
    CKR_SESSION_EXISTS
    CKR_SESSION_READ_ONLY_EXISTS
    CKR_SESSION_READ_WRITE_SO_EXISTS
    CKR_SIGNATURE_INVALID
    CKR_SIGNATURE_LEN_RANGE
    CKR_TEMPLATE_INCOMPLETE
    CKR_TEMPLATE_INCONSISTENT
    CKR_TOKEN_NOT_PRESENT
    CKR_TOKEN_NOT_RECOGNIZED
    CKR_TOKEN_WRITE_PROTECTED
    CKR_UNWRAPPING_KEY_HANDLE_INVALID
    CKR_UNWRAPPING_KEY_SIZE_RANGE
    CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT
    CKR_USER_ALREADY_LOGGED_IN
    CKR_USER_NOT_LOGGED_IN
    CKR_USER_PIN_NOT_INITIALIZED
    CKR_USER_TYPE_INVALID
    CKR_USER_ANOTHER_ALREADY_LOGGED_IN
    CKR_USER_TOO_MANY_TYPES
    CKR_WRAPPED_KEY_INVALID
    CKR_WRAPPED_KEY_LEN_RANGE
    CKR_WRAPPING_KEY_HANDLE_INVALID
    CKR_WRAPPING_KEY_SIZE_RANGE
    CKR_WRAPPING_KEY_TYPE_INCONSISTENT
    CKR_RANDOM_SEED_NOT_SUPPORTED
    CKR_RANDOM_NO_RNG
    CKR_DOMAIN_PARAMS_INVALID
    CKR_CURVE_NOT_SUPPORTED
    CKR_BUFFER_TOO_SMALL
    CKR_SAVED_STATE_INVALID
    CKR_INFORMATION_SENSITIVE
    CKR_STATE_UNSAVEABLE
    CKR_CRYPTOKI_NOT_INITIALIZED
    CKR_CRYPTOKI_ALREADY_INITIALIZED
    CKR_MUTEX_BAD
    CKR_MUTEX_NOT_LOCKED
    CKR_NEW_PIN_MODE
    CKR_NEXT_OTP
    CKR_EXCEEDED_MAX_ITERATIONS
    CKR_FIPS_SELF_TEST_FAILED
    CKR_LIBRARY_LOAD_FAILED
    CKR_PIN_TOO_WEAK
    CKR_PUBLIC_KEY_INVALID
    CKR_FUNCTION_REJECTED
    CKR_TOKEN_RESOURCE_EXCEEDED
    CKR_OPERATION_CANCEL_FAILED
    CKR_KEY_EXHAUSTED
    CKR_PENDING
    CKR_SESSION_ASYNC_NOT_SUPPORTED
    CKR_SEED_RANDOM_REQUIRED
    CKR_OPERATION_NOT_VALIDATED
    CKR_TOKEN_NOT_INITIALIZED
    CKR_PARAMETER_SET_NOT_SUPPORTED
};
