//! One loaded PKCS#11 library.

mod calls;
pub(crate) mod image;
mod inherited;
mod life;
pub(crate) mod locate;
pub(crate) mod p11_kit;
mod process;
pub(crate) mod raw;
mod registry;
mod return_code;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptoki_sys::CK_SLOT_ID;

pub(crate) use life::Alive;
pub use locate::{LocateError, Origin};
pub(crate) use registry::{Loaded, users_of_reader};
pub use return_code::ReturnCode;

use crate::Error;

/// A loaded and initialised PKCS#11 library.
///
/// A library is loaded and initialised once in a process, however many of these there are. The
/// last one to be dropped finalizes it, unless the host program had initialised it before.
///
/// # Example
/// ```no_run
/// for module in keyfob::discover()?.modules() {
///     println!("{}: {}", module.path().display(), module.info()?.description);
/// }
/// # Ok::<(), keyfob::Error>(())
/// ```
#[derive(Clone)]
pub struct Module {
    loaded: Arc<Loaded>,
}

impl Module {
    /// Loads the library at `path`, or finds it loaded already.
    ///
    /// # Errors
    /// [`Error::Module`] with the reason; [`Error::Forked`] in a process that inherited the module
    /// from its parent's memory while it was in use.
    ///
    /// # Example
    /// ```
    /// use keyfob::{Error, Module, ModuleError};
    ///
    /// let missing = Module::load("/no/such/module.so");
    /// assert!(matches!(missing, Err(Error::Module { reason: ModuleError::Missing, .. })));
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self {
            loaded: registry::load(path.as_ref())?,
        })
    }

    /// The library's real path, with symbolic links resolved.
    pub fn path(&self) -> &Path {
        self.loaded.path()
    }

    /// The library's own name for itself.
    ///
    /// # Errors
    /// [`Error::Call`] where the module does not answer.
    pub fn info(&self) -> Result<ModuleInfo, Error> {
        let info = self.call("C_GetInfo", self.loaded()?.functions().info())?;
        Ok(ModuleInfo {
            manufacturer: text(&info.manufacturerID),
            description: text(&info.libraryDescription),
            version: (info.libraryVersion.major, info.libraryVersion.minor),
        })
    }

    pub(crate) fn slots_with_token(&self) -> Result<Vec<CK_SLOT_ID>, Error> {
        let mut slots = self.call("C_GetSlotList", self.loaded()?.slots())?;
        let mut seen = BTreeSet::new();
        // Told twice, it would be two tokens of which neither can be chosen.
        slots.retain(|slot| seen.insert(*slot));
        Ok(slots)
    }

    /// The loaded library, where this process may call it.
    pub(crate) fn loaded(&self) -> Result<&Arc<Loaded>, Error> {
        self.loaded.check_process()?;
        Ok(&self.loaded)
    }

    /// The loaded library, unchecked: for comparing and for what makes no call.
    pub(crate) fn inner(&self) -> &Loaded {
        &self.loaded
    }

    fn call<T>(&self, function: &'static str, outcome: Result<T, ReturnCode>) -> Result<T, Error> {
        outcome.map_err(|code| Error::Call {
            subject: format!("the module {}", self.path().display()),
            function,
            code,
        })
    }
}

impl PartialEq for Module {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.loaded, &other.loaded)
    }
}

impl Eq for Module {}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Module").field(&self.path()).finish()
    }
}

/// What a module says of itself (`CK_INFO`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleInfo {
    /// Who made the library.
    pub manufacturer: String,
    /// What the library is.
    pub description: String,
    /// The library's version, major and minor.
    pub version: (u8, u8),
}

/// Why a module cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// There is no such file.
    #[error("there is no such file; install the token's driver or correct the path")]
    Missing,
    /// It is not a file.
    #[error("it is not a file; name the library itself")]
    NotAFile,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// It is not a shared library.
    #[error("it is not a shared library ({found})")]
    NotALibrary {
        /// What it is instead, for instance "text file".
        found: &'static str,
    },
    /// It was built for another kind of processor.
    #[error("it is built for {file}, and this program for {ours}; install the driver for {ours}")]
    OtherArchitecture {
        /// What the file is built for.
        file: String,
        /// What this program is built for.
        ours: String,
    },
    /// The system's loader refused it, for instance for a library that it needs itself.
    #[error("the system cannot load it: {0}")]
    Loader(String),
    /// It has no `C_GetFunctionList`, or a broken one: not a PKCS#11 module.
    #[error("it is a library but no PKCS#11 module: it has no C_GetFunctionList that works")]
    NotPkcs11,
    /// `C_Initialize` failed.
    #[error("it cannot be initialised: {0}")]
    Initialize(ReturnCode),
    /// The path is not absolute.
    #[error("the path is not absolute; what a relative one would load depends on the folder")]
    RelativePath,
    /// The process runs with more rights than the person who started it, who must not choose code
    /// for it through the environment or a URI.
    #[error("it was named by the environment or a URI in a set-uid process, and so is not loaded")]
    Privileged,
}

/// The text in a fixed field of a PKCS#11 structure, which is padded with blanks by the standard
/// and with zeros by some modules. Bytes that are no UTF-8 are replaced.
pub(crate) fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | 0))
        .map_or(0, |last| last + 1);
    let field = field.get(..end).unwrap_or_default();
    // What follows a terminating zero is not text.
    let field = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(field).trim_end().to_owned()
}

/// A module's path as messages show it.
pub(crate) fn module_error(path: impl Into<PathBuf>, reason: ModuleError) -> Error {
    Error::Module {
        path: path.into(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn padded_text() {
        assert_eq!(text(b"keyfob          "), "keyfob");
        assert_eq!(text(b"keyfob\0\0\0\0"), "keyfob");
        assert_eq!(text(b"keyfob\0junk    "), "keyfob");
        assert_eq!(text(b"                "), "");
        assert_eq!(text(&[0xff; 4]), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }
}
