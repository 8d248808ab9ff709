//! PINs, and how to ask a person for one.

#[cfg(all(feature = "prompt", unix))]
mod terminal;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use cryptoki::types::RawAuthPin;
use secrecy::SecretBox;
use zeroize::{Zeroize, Zeroizing};

#[cfg(all(feature = "prompt", unix))]
pub use terminal::TerminalPrompt;

/// Longer than any token takes; what is longer is not a PIN.
const LONGEST: usize = 1024;

/// A PIN: held in one place, wiped when dropped, shown nowhere.
///
/// It has no `Clone`, no `Display`, and a `Debug` that says nothing. A PIN is bytes: most tokens
/// take UTF-8.
///
/// # Example
/// ```
/// use keyfob::Pin;
///
/// let pin = Pin::from("12345678");
/// assert_eq!(format!("{pin:?}"), "Pin(…)");
/// ```
pub struct Pin {
    source: Source,
    allow_last_try: bool,
}

enum Source {
    Typed(RawAuthPin),
    Pad,
}

impl Pin {
    /// The person types the PIN on the token's or reader's own pad, when the token asks.
    ///
    /// Unlocking a token that has no pad with it is refused with [`PinError::NoPad`].
    pub fn on_pad() -> Self {
        Self {
            source: Source::Pad,
            allow_last_try: false,
        }
    }

    /// The PIN in an environment variable. The copy in the environment is the caller's to care for.
    ///
    /// # Errors
    /// [`PinSourceError::NoVariable`] where it is not set, [`PinSourceError::Empty`].
    ///
    /// # Example
    /// ```
    /// # use keyfob::{Pin, PinSourceError};
    /// let missing = Pin::from_env("NO_SUCH_VARIABLE");
    /// assert!(matches!(missing, Err(PinSourceError::NoVariable { .. })));
    /// ```
    pub fn from_env(name: &str) -> Result<Self, PinSourceError> {
        let value = std::env::var_os(name).ok_or_else(|| PinSourceError::NoVariable {
            name: name.to_owned(),
        })?;
        Self::from(value.into_encoded_bytes()).not_empty()
    }

    /// The PIN in a file, without a line end at its end.
    ///
    /// # Errors
    /// [`PinSourceError::File`] where the file cannot be read or is longer than a PIN can be,
    /// [`PinSourceError::Empty`].
    ///
    /// # Example
    /// ```no_run
    /// # use keyfob::Pin;
    /// let pin = Pin::from_file("/run/secrets/token-pin")?;
    /// # Ok::<(), keyfob::PinSourceError>(())
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, PinSourceError> {
        let path = path.as_ref();
        Self::read(path)
            .map_err(|source| PinSourceError::File {
                path: path.to_owned(),
                source,
            })?
            .not_empty()
    }

    /// Read straight into memory that is wiped: a buffered reader would keep a copy.
    fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut bytes = Zeroizing::new([0u8; LONGEST]);
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match file.read(room) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == LONGEST {
            let text = format!("it is {LONGEST} bytes long or more, so it is not a PIN");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let text = bytes.get(..filled).unwrap_or_default();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        Ok(Self::from(text.strip_suffix(b"\r").unwrap_or(text)))
    }

    /// Allows this PIN to be sent when the token says that one try is left, after which it locks.
    ///
    /// Without it such a PIN is refused with [`PinError::LastTry`] before it is sent.
    #[must_use]
    pub fn allow_last_try(self) -> Self {
        Self {
            allow_last_try: true,
            ..self
        }
    }

    pub(crate) fn allows_last_try(&self) -> bool {
        self.allow_last_try
    }

    /// The bytes to send, or `None` for the pad.
    pub(crate) fn typed(&self) -> Option<&RawAuthPin> {
        match &self.source {
            Source::Typed(pin) => Some(pin),
            Source::Pad => None,
        }
    }

    fn not_empty(self) -> Result<Self, PinSourceError> {
        use secrecy::ExposeSecret;
        match self.typed() {
            Some(pin) if pin.expose_secret().is_empty() => Err(PinSourceError::Empty),
            _ => Ok(self),
        }
    }
}

impl From<Vec<u8>> for Pin {
    /// Takes the bytes over: they are wiped with the PIN.
    fn from(mut bytes: Vec<u8>) -> Self {
        // A box of the exact size moves the bytes where there is room to spare, and leaves the
        // old copy unwiped; so copy and wipe here.
        let exact = bytes.as_slice().to_vec();
        bytes.zeroize();
        Self {
            source: Source::Typed(SecretBox::new(Box::new(exact))),
            allow_last_try: false,
        }
    }
}

impl From<String> for Pin {
    /// Takes the text over: it is wiped with the PIN.
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&[u8]> for Pin {
    fn from(bytes: &[u8]) -> Self {
        Self::from(bytes.to_vec())
    }
}

impl From<&str> for Pin {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::Typed(_) => "Pin(…)",
            Source::Pad => "Pin(on pad)",
        })
    }
}

/// How to ask a person for a PIN.
///
/// Closures will do. Whoever asks must not ask again by itself after a refusal: every wrong answer
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

/// What a token says of its PIN.
///
/// Source: the flags of `CK_TOKEN_INFO`, PKCS#11 3.1, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinState {
    /// No wrong PIN since the last right one.
    Normal,
    /// A wrong PIN was entered since the last right one.
    Low,
    /// One more wrong PIN locks the token.
    FinalTry,
    /// Too many wrong PINs: the PIN must be reset by the token's administrator (SO PIN or PUK).
    Locked,
    /// The user's PIN was never set.
    NotSet,
    /// The PIN works, but must be changed first.
    MustChange,
    /// The token is used without a PIN.
    NotNeeded,
    /// The module shows nothing of the PIN's state until a login has failed.
    Unknown,
}

impl fmt::Display for PinState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "PIN normal",
            Self::Low => "PIN tries low",
            Self::FinalTry => "last PIN try",
            Self::Locked => "PIN locked",
            Self::NotSet => "PIN not set",
            Self::MustChange => "PIN must be changed",
            Self::NotNeeded => "no PIN needed",
            Self::Unknown => "PIN state unknown",
        })
    }
}

/// What is known of the tries left after a wrong PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TriesLeft {
    /// The token does not say.
    Unknown,
    /// Fewer than at first, more than one.
    Low,
    /// One.
    One,
    /// None: the PIN is locked now.
    None,
}

impl fmt::Display for TriesLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the token does not say how many tries are left",
            Self::Low => "the token says that few tries are left",
            Self::One => "one try is left before the token locks",
            Self::None => "no try is left and the PIN is locked now",
        })
    }
}

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
