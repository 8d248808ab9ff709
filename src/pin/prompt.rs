use std::fmt;

use super::{Pin, PinSourceError, PinState};

/// How to ask a person for a PIN.
///
/// Closures will do. The token waits for the answer: whoever asks must not use it meanwhile.
/// Whoever asks must not ask again by itself after a refusal: every wrong answer
/// costs one of the token's tries, so the caller decides.
///
/// # Example
/// ```
/// use keyfob::{Pin, PinPrompt, PinRequest, PinSourceError};
///
/// let prompt = |request: &PinRequest| -> Result<Pin, PinSourceError> {
///     println!("PIN of {} for {}", request.token, request.purpose);
///     Err(PinSourceError::Cancelled) // nobody there
/// };
/// fn takes_a_prompt(_: &dyn PinPrompt) {}
/// takes_a_prompt(&prompt);
/// ```
pub trait PinPrompt: Send + Sync {
    /// Asks once.
    ///
    /// # Errors
    /// [`PinSourceError::Cancelled`] where the person does not want to, or there is nobody to ask.
    fn ask(&self, request: &PinRequest) -> Result<Pin, PinSourceError>;
}

impl<F> PinPrompt for F
where
    F: Fn(&PinRequest) -> Result<Pin, PinSourceError> + Send + Sync,
{
    fn ask(&self, request: &PinRequest) -> Result<Pin, PinSourceError> {
        self(request)
    }
}

/// What a [`PinPrompt`] should tell the person.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PinRequest {
    /// The token's label and serial, to show.
    pub token: String,
    /// What the PIN is for.
    pub purpose: PinPurpose,
    /// What the token says of its tries.
    pub state: PinState,
    /// The lengths that the token takes, in bytes, where it says.
    pub lengths: Option<(usize, usize)>,
    /// The token can ask for the PIN on its own pad: [`Pin::on_pad`] is an answer too.
    pub has_pad: bool,
}

/// What a PIN is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinPurpose {
    /// To unlock the token.
    Unlock,
    /// To use, once, a key that wants the PIN each time.
    Signature {
        /// The key's label.
        key: String,
    },
}

impl fmt::Display for PinPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlock => f.write_str("unlocking"),
            Self::Signature { key } => write!(f, "a signature with the key \"{key}\""),
        }
    }
}
