//! Which PKCS#11 modules to load when the caller names none.

pub(super) mod error;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub use error::LocateError;

use super::image;
use super::p11_kit::{self, Places};
use crate::catalog::{DRIVERS, Driver, System};
use crate::privilege::Privilege;

/// The environment variable that names modules: one path, or several as in `PATH`.
pub(crate) const VARIABLE: &str = "KEYFOB_MODULE";

/// The modules of this system: [`locate`] with what this process has around it.
pub(crate) fn on_this_system() -> Located {
    locate(&Search::of_this_process())
}

/// The modules that the program itself names. A relative path is taken from the current folder: it
/// is the program's own word, not that of its environment.
pub(crate) fn named(paths: &[PathBuf]) -> Located {
    let mut located = Located::default();
    for path in paths {
        located.add(Candidate {
            path: std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            origin: Origin::Caller,
            driver: None,
        });
    }
    located
}

/// The modules to try, in this order:
///
/// 1. `KEYFOB_MODULE`, if it is set and not empty, and then nothing else;
/// 2. what p11-kit's configuration registers for this program;
/// 3. what the catalog knows and finds installed, unless p11-kit's configuration has the same
///    module or switches it off.
///
/// No file is named twice, by whatever links.
pub(crate) fn locate(search: &Search) -> Located {
    let mut located = Located::default();
    let named = search.named.as_ref().filter(|named| !named.is_empty());
    if let Some(named) = named
        && located.permits(search.privilege)
    {
        located.add_named(named);
        return located;
    }
    let mut registered = p11_kit::read(&search.places);
    located.problems.append(&mut registered.problems);
    for module in registered.modules {
        located.add(Candidate {
            path: module.path,
            origin: Origin::P11Kit {
                name: module.name,
                file: module.file,
            },
            driver: None,
        });
    }
    for driver in search.drivers {
        let usable = driver.needs_env.is_none_or(search.is_set);
        if usable && !located.knows(driver, &registered.disabled, search.system) {
            located.add_installed(driver, search);
        }
    }
    located.whole_system = true;
    located
}

/// Where to search: the process's own places, or a test's.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// The value of `KEYFOB_MODULE`.
    pub(crate) named: Option<OsString>,
    pub(crate) privilege: Privilege,
    /// p11-kit's configuration.
    pub(crate) places: Places,
    pub(crate) drivers: &'static [Driver],
    pub(crate) system: System,
    /// Where the drivers' files are looked for.
    pub(crate) folders: Vec<PathBuf>,
    /// Whether an environment variable is set.
    pub(crate) is_set: fn(&str) -> bool,
}

impl Search {
    /// The search that this process makes. It reads the environment anew each time.
    pub(crate) fn of_this_process() -> Self {
        let privilege = Privilege::of_this_process();
        Self {
            named: env::var_os(VARIABLE),
            privilege,
            places: Places::of_this_process(privilege != Privilege::Ordinary),
            drivers: &DRIVERS,
            system: System::HERE,
            folders: System::HERE.folders(),
            is_set: |name| env::var_os(name).is_some_and(|value| !value.is_empty()),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Located {
    pub(crate) candidates: Vec<Candidate>,
    /// Whether the catalog was asked: no word has limited the search.
    pub(crate) whole_system: bool,
    /// What went wrong; the candidates are right nevertheless.
    pub(crate) problems: Vec<LocateError>,
}

/// A module to try. That it is one, and that it is there at all, is for loading it to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
    /// What it is, where the catalog alone says that it be tried.
    pub(crate) driver: Option<&'static Driver>,
}

/// How a module came to be loaded.
///
/// # Example
/// ```
/// use keyfob::Origin;
///
/// fn advice(origin: &Origin) -> String {
///     match origin {
///         Origin::Environment => "see KEYFOB_MODULE".to_owned(),
///         Origin::P11Kit { file, .. } => format!("see {}", file.display()),
///         _ => String::new(),
///     }
/// }
/// assert_eq!(advice(&Origin::Environment), "see KEYFOB_MODULE");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The program named it.
    Caller,
    /// The environment variable `KEYFOB_MODULE` names it.
    Environment,
    /// It is registered with p11-kit (pkcs11.conf(5)).
    P11Kit {
        /// p11-kit's name for it: the file's, without `.module`.
        name: String,
        /// The configuration file that names it.
        file: PathBuf,
    },
    /// It is a known vendor's, installed in its usual place.
    Catalog,
}

impl Located {
    /// Adds what another search has found, but for files that are there already.
    pub(crate) fn extend(&mut self, other: Self) {
        for candidate in other.candidates {
            self.add(candidate);
        }
        self.problems.extend(other.problems);
        self.whole_system |= other.whole_system;
    }

    /// Whether the environment may say what code to run.
    fn permits(&mut self, privilege: Privilege) -> bool {
        self.problems.push(match privilege {
            Privilege::Ordinary => return true,
            Privilege::Elevated => LocateError::Privileged,
            Privilege::Unknown => LocateError::PrivilegeUnknown,
        });
        false
    }

    fn add_named(&mut self, named: &OsString) {
        let paths = env::split_paths(named).filter(|path| !path.as_os_str().is_empty());
        for path in paths {
            if path.is_absolute() {
                self.add(Candidate {
                    path,
                    origin: Origin::Environment,
                    driver: None,
                });
            } else {
                self.problems.push(LocateError::Relative { path });
            }
        }
    }

    /// Whether p11-kit's configuration has said all there is to say of the driver. Another copy of
    /// a module would show every token twice, and one that is switched off is to stay so.
    fn knows(&self, driver: &Driver, disabled: &[PathBuf], system: System) -> bool {
        let registered = self.candidates.iter().filter(|candidate| {
            matches!(candidate.origin, Origin::P11Kit { .. }) && candidate.path.is_file()
        });
        registered
            .map(|candidate| &candidate.path)
            .chain(disabled)
            .any(|path| driver.has_name_of(path, system))
    }

    /// The first of the driver's files that looks loadable: a 32-bit copy beside it is no fault.
    /// Where none does, the first, so that it is told what is wrong with it.
    fn add_installed(&mut self, driver: &'static Driver, search: &Search) {
        let files = driver.installed(search.system, &search.folders);
        let loadable = files.iter().find(|file| image::examine(file).is_ok());
        if let Some(path) = loadable.or(files.first()) {
            log::debug!("{} drives {}", path.display(), driver.drives.join(", "));
            self.add(Candidate {
                path: path.clone(),
                origin: Origin::Catalog,
                driver: Some(driver),
            });
        }
    }

    fn add(&mut self, candidate: Candidate) {
        let real = real_path(&candidate.path);
        if !self
            .candidates
            .iter()
            .any(|other| real_path(&other.path) == real)
        {
            self.candidates.push(candidate);
        }
    }
}

/// The path without links; as it is, where there is no such file.
fn real_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
