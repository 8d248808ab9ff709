use std::io;
use std::path::PathBuf;

/// What went wrong in the search for modules. The modules that were found are usable all the same.
///
/// # Example
/// ```
/// use keyfob::LocateError;
///
/// let problem = LocateError::Relative { path: "librtpkcs11ecp.so".into() };
/// assert!(problem.to_string().contains("write the whole path"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocateError {
    /// `KEYFOB_MODULE` is set and the process has more rights than the user who started it, so that
    /// it was ignored: it would run that user's code with those rights.
    #[error(
        "KEYFOB_MODULE is ignored in a set-uid or otherwise privileged program: name the module in \
         the program, or register it with p11-kit in /etc/pkcs11/modules"
    )]
    Privileged,
    /// `KEYFOB_MODULE` is set and it cannot be told whether the process has more rights than the
    /// user who started it, so that it was ignored.
    #[error(
        "KEYFOB_MODULE is ignored since it cannot be told whether this program is set-uid \
         (/proc/self/auxv cannot be read): make /proc available, or name the module in the program"
    )]
    PrivilegeUnknown,
    /// A path in `KEYFOB_MODULE` is relative, so that what it names depends on the current folder.
    #[error("the path \"{}\" in KEYFOB_MODULE is relative and was not loaded: write the whole path", path.display())]
    Relative {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A configuration file or folder of p11-kit cannot be read.
    #[error("p11-kit's configuration {} cannot be read: {reason}; correct its permissions or remove it", file.display())]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        #[source]
        reason: io::Error,
    },
    /// A line of a configuration file of p11-kit is not in its format (pkcs11.conf(5)). Nothing in
    /// the file is used.
    #[error("{}, line {line}: {found} where \"name: value\" is expected; the file is passed over until it is corrected", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What stands there.
        found: &'static str,
    },
    /// A field in a configuration file of p11-kit has a value that it cannot have.
    #[error("{}: \"{field}\" is \"{value}\": write {expected}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: String,
        /// The values that it can have.
        expected: &'static str,
    },
    /// A file among p11-kit's configuration has a name that is not of the form `name.module`.
    #[error("{} is passed over: the name of a p11-kit configuration file is letters, digits, '_', '-', ',' and '.', and ends in \".module\"", file.display())]
    FileName {
        /// The file.
        file: PathBuf,
    },
    /// A module has both `enable-in` and `disable-in`; the first alone was heeded.
    #[error("{}: the module has both \"enable-in\" and \"disable-in\", and \"disable-in\" is ignored: remove one", file.display())]
    BothLists {
        /// The file that names the module.
        file: PathBuf,
    },
}

impl LocateError {
    pub(in crate::module) fn is_missing_file(&self) -> bool {
        use io::ErrorKind::{NotADirectory, NotFound};
        matches!(self, Self::Unreadable { reason, .. } if matches!(reason.kind(), NotFound | NotADirectory))
    }

    pub(in crate::module) fn is_denied(&self) -> bool {
        matches!(self, Self::Unreadable { reason, .. } if reason.kind() == io::ErrorKind::PermissionDenied)
    }
}
