//! PINs, and how to ask a person for one.

mod error;
mod prompt;
mod state;
#[cfg(all(feature = "prompt", unix))]
mod terminal;

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::{fmt, io};

use cryptoki::types::RawAuthPin;
use secrecy::SecretBox;
use zeroize::{Zeroize, Zeroizing};

pub use error::{PinError, PinSourceError};
pub use prompt::{PinPrompt, PinPurpose, PinRequest};
pub use state::{PinState, TriesLeft};
#[cfg(all(feature = "prompt", unix))]
pub use terminal::TerminalPrompt;

use crate::privilege::Privilege;
use crate::uri::Uri;

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
    keep: bool,
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
            keep: false,
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

    /// The PIN that a URI carries (`pin-value`) or points to (`pin-source`: the absolute path of a
    /// file, or a `file:` URI), or `None` where it has neither.
    ///
    /// A URI with a PIN in it is seldom safe to keep, and one from a stranger would choose what
    /// this process reads: so nothing else looks at these attributes, and only where the caller
    /// asks here are they used. Programs, which RFC 7512 allows as `|command`, are never run.
    ///
    /// # Errors
    /// [`PinSourceError::UriSource`] where `pin-source` is no such path;
    /// [`PinSourceError::Privileged`] in a process that runs with more rights than the person who
    /// started it; else as [`from_file`](Self::from_file).
    ///
    /// # Example
    /// ```
    /// use keyfob::{Pin, PinSourceError};
    ///
    /// let uri = "pkcs11:token=keyfob?pin-value=12345678".parse().expect("a URI");
    /// assert!(Pin::from_uri(&uri)?.is_some());
    ///
    /// let uri = "pkcs11:token=keyfob?pin-source=%7Ccat%20pin".parse().expect("a URI");
    /// assert!(matches!(Pin::from_uri(&uri), Err(PinSourceError::UriSource)));
    /// # Ok::<(), PinSourceError>(())
    /// ```
    pub fn from_uri(uri: &Uri) -> Result<Option<Self>, PinSourceError> {
        if let Some(value) = uri.pin_value() {
            return Self::from(value).not_empty().map(Some);
        }
        let Some(source) = uri.pin_source() else {
            return Ok(None);
        };
        let path = source.strip_prefix("file:").unwrap_or(source);
        let path = match path.strip_prefix("//") {
            // The host in file://host/path is this one.
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => path,
        };
        if !Path::new(path).is_absolute() {
            return Err(PinSourceError::UriSource);
        }
        if Privilege::of_this_process() != Privilege::Ordinary {
            return Err(PinSourceError::Privileged);
        }
        Self::from_file(path).map(Some)
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

    /// Lets the token be unlocked with this PIN again, by itself, when it was pulled out and plugged
    /// in again, or its login was lost otherwise.
    ///
    /// Without it no PIN is kept after the login. With it a copy is kept in memory for as long as
    /// the token is unlocked; it is sent once for each loss, and wiped when the token refuses it.
    /// A PIN that is typed on a pad cannot be kept.
    ///
    /// # Example
    /// ```no_run
    /// use keyfob::Pin;
    ///
    /// let pin = Pin::from_file("/run/secrets/token-pin")?.keep_pin();
    /// let fob = keyfob::discover()?.only()?.unlock(&pin)?;
    /// # Ok::<(), keyfob::Error>(())
    /// ```
    #[must_use]
    pub fn keep_pin(self) -> Self {
        Self { keep: true, ..self }
    }

    /// A copy, where one is to be kept. It allows no last try.
    pub(crate) fn to_keep(&self) -> Option<Self> {
        use secrecy::ExposeSecret;
        let pin = self.typed().filter(|_| self.keep)?;
        Some(Self::from(pin.expose_secret().as_slice()))
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
        // What copied it left some of it in vector registers, which the dynamic linker saves on
        // the stack when it resolves a call; so copy as many zeros the same way.
        bytes.resize(exact.len(), 0);
        drop(black_box(black_box(bytes).clone()));
        Self {
            source: Source::Typed(SecretBox::new(Box::new(exact))),
            allow_last_try: false,
            keep: false,
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
