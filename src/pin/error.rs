use std::io;
use std::path::PathBuf;

use super::TriesLeft;

/// Why a PIN was refused, by the token or before it was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The token says that this is not its PIN. It was sent once.
    #[error("the PIN is not right; {tries}; check it before you try again")]
    Incorrect {
        /// What is known of the tries left.
        tries: TriesLeft,
    },
    /// One more wrong PIN locks the token. The PIN was not sent.
    #[error(
        "the token says that one PIN try is left, so the PIN was not sent; \
         if you are sure of it, allow the last try (Pin::allow_last_try)"
    )]
    LastTry,
    /// The PIN is locked. Nothing was sent, or the token said so when it was.
    #[error("the PIN is locked; have it reset with the token's SO PIN or PUK")]
    Locked,
    /// The token takes no PIN of this length. It was not sent.
    #[error("the PIN has a length that this token does not take; it takes {min} to {max} bytes")]
    Length {
        /// The fewest bytes.
        min: usize,
        /// The most bytes.
        max: usize,
    },
    /// The token takes no PIN of this form, and says so itself.
    #[error("the PIN has a length or characters that this token does not take")]
    Invalid,
    /// The PIN has expired and must be changed before it is used.
    #[error("the PIN has expired; change it with the token's own tool first")]
    Expired,
    /// The user's PIN was never set.
    #[error("the token has no user PIN yet; set one with the token's own tool first")]
    NotSet,
    /// The person cancelled, on the pad or at the prompt.
    #[error("entering the PIN was cancelled")]
    Cancelled,
    /// The PIN was to be typed on a pad, and the token has none.
    #[error("the token has no PIN pad; give the PIN another way")]
    NoPad,
    /// The token is unlocked already in this process, so the PIN would not be checked.
    #[error(
        "the token is unlocked already in this process, so this PIN would not be checked; \
         ask for the handle that is there (Token::unlocked)"
    )]
    AlreadyUnlocked,
    /// Somebody else, for instance the security officer, is logged in to the token in this process.
    #[error("another user of the token is logged in in this process; log that one out first")]
    AnotherUser,
    /// The PIN could not be had.
    #[error("no PIN was given: {0}")]
    Source(String),
}

/// Why a PIN could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinSourceError {
    /// The person did not want to, or there is nobody to ask.
    #[error("entering the PIN was cancelled")]
    Cancelled,
    /// One try is left, and the prompt was not told to ask then.
    #[error("the token says that one PIN try is left, so the PIN was not asked for")]
    LastTry,
    /// The environment variable is not set.
    #[error("the environment variable {name} is not set; set it to the PIN")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The file could not be read.
    #[error("cannot read the PIN from {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The terminal could not be used.
    #[error("cannot ask for the PIN on the terminal: {0}")]
    Terminal(io::Error),
    /// A URI's `pin-source` is neither a file's path nor a `file:` URI.
    #[error("the URI's pin-source is no absolute path of a file; only such are read")]
    UriSource,
    /// A URI's `pin-source` chooses a file to read, in a process with more rights than the person
    /// who started it.
    #[error("a URI's pin-source is not read in a set-uid process; give the PIN another way")]
    Privileged,
    /// The PIN is empty.
    #[error("the PIN is empty")]
    Empty,
}

impl From<PinSourceError> for PinError {
    fn from(error: PinSourceError) -> Self {
        match error {
            PinSourceError::Cancelled => Self::Cancelled,
            PinSourceError::LastTry => Self::LastTry,
            error => Self::Source(error.to_string()),
        }
    }
}
