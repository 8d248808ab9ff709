//! p11-kit's configuration: which modules the system and the user have registered.
//!
//! The format and the rules are those of pkcs11.conf(5), and where it is silent those of p11-kit's
//! `conf.c`, `lexer.c` and `modules.c`. One thing differs: a file that cannot be understood is
//! passed over and told, where p11-kit would load nothing at all.

mod config;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::locate::error::LocateError;
use crate::catalog::System;
use config::Config;

/// Reads the configuration in these places.
pub(crate) fn read(places: &Places) -> Registered {
    let mut registered = Registered::default();
    let mode = user_mode(places, &mut registered.problems);
    let mut configured = BTreeMap::<String, Vec<Config>>::new();
    let user = places.user.as_ref().filter(|_| mode != UserMode::None);
    if let Some(user) = user {
        let folder = Folder {
            path: &user.join("modules"),
            users: true,
        };
        folder.read(&mut configured, &mut registered.problems);
    }
    if mode != UserMode::Only {
        for path in places.system.iter().chain(&places.package) {
            let folder = Folder { path, users: false };
            folder.read(&mut configured, &mut registered.problems);
        }
    }
    for (name, layers) in configured {
        registered.register(name, &Layers(layers), places);
    }
    // Higher first, then by name: the map's order, which this sort keeps.
    registered
        .modules
        .sort_by_key(|module| std::cmp::Reverse(module.priority));
    registered
}

/// Where the configuration lies, and for which program it is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// The system's `pkcs11.conf`: the first that exists.
    pub(crate) global: Vec<PathBuf>,
    /// The user's folder, with its `pkcs11.conf` and `modules`; `None` where it must not be read.
    pub(crate) user: Option<PathBuf>,
    /// Folders of the administrator's `.module` files. They go before the packages' ones.
    pub(crate) system: Vec<PathBuf>,
    /// Folders of the packages' `.module` files.
    pub(crate) package: Vec<PathBuf>,
    /// Where a relative `module:` is looked for.
    pub(crate) modules: Vec<PathBuf>,
    /// The program's base name, for `enable-in` and `disable-in`.
    pub(crate) program: Option<String>,
}

/// What the configuration says.
#[derive(Debug, Default)]
pub(crate) struct Registered {
    /// The modules for this program, in the order to use them.
    pub(crate) modules: Vec<Module>,
    /// Files of modules that are not for this program: registered with p11-kit, and switched off
    /// for it.
    pub(crate) disabled: Vec<PathBuf>,
    /// What could not be read or understood.
    pub(crate) problems: Vec<LocateError>,
}

/// A registered module.
#[derive(Debug)]
pub(crate) struct Module {
    /// p11-kit's name for it: its file's without `.module`.
    pub(crate) name: String,
    /// The library, absolute. It need not exist.
    pub(crate) path: PathBuf,
    /// The configuration file that names the library.
    pub(crate) file: PathBuf,
    priority: i64,
}

impl Places {
    /// Those of this process.
    ///
    /// A process with more rights than its user's (`privileged`) does not read what that user can
    /// write, and neither does root, whose environment may be another user's (p11-kit does the
    /// same).
    pub(crate) fn of_this_process(privileged: bool) -> Self {
        if cfg!(windows) {
            return Self::default();
        }
        let mut prefixes = vec![
            ("/etc", "/usr/share"),
            ("/usr/local/etc", "/usr/local/share"),
        ];
        if cfg!(target_vendor = "apple") && !privileged {
            prefixes.push(("/opt/homebrew/etc", "/opt/homebrew/share"));
        }
        let etc = || {
            prefixes
                .iter()
                .map(|(etc, _)| Path::new(etc).join("pkcs11"))
        };
        let reads_user =
            !privileged && !is_root() && env::var_os("P11_KIT_NO_USER_CONFIG").is_none();
        Self {
            global: etc().map(|etc| etc.join("pkcs11.conf")).collect(),
            user: reads_user.then(user_folder).flatten(),
            system: etc().map(|etc| etc.join("modules")).collect(),
            package: prefixes
                .iter()
                .map(|(_, share)| Path::new(share).join("p11-kit/modules"))
                .collect(),
            modules: System::HERE
                .folders()
                .into_iter()
                .filter(|folder| folder.ends_with("pkcs11"))
                .collect(),
            program: program(),
        }
    }
}

fn user_folder() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let config = absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))?;
    Some(config.join("pkcs11"))
}

/// As p11-kit takes it: from the first argument, not from the file that runs.
fn program() -> Option<String> {
    let program = env::args_os().next()?;
    let name = Path::new(&program).file_name()?;
    Some(name.to_string_lossy().into_owned())
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Owned by the effective user. Without /proc this cannot be told in safe code.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// What `user-config` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UserMode {
    None,
    Merge,
    Only,
}

/// The system's setting, or `merge` where it has none; the user may then set it for themselves,
/// unless it is `none`.
fn user_mode(places: &Places, problems: &mut Vec<LocateError>) -> UserMode {
    let Some(user) = &places.user else {
        return UserMode::None;
    };
    let mut mode = UserMode::Merge;
    for file in &places.global {
        match Config::read(file) {
            Ok(config) => {
                mode = UserMode::of(&config, mode, problems);
                break;
            }
            Err(problem) if problem.is_missing_file() => {}
            Err(problem) => {
                // It may have said `none`.
                problems.push(problem);
                return UserMode::None;
            }
        }
    }
    if mode == UserMode::None {
        return mode;
    }
    match Config::read(&user.join("pkcs11.conf")) {
        Ok(config) => UserMode::of(&config, mode, problems),
        Err(problem) => {
            if !problem.is_missing_file() && !problem.is_denied() {
                problems.push(problem);
            }
            mode
        }
    }
}

impl UserMode {
    fn of(config: &Config, default: Self, problems: &mut Vec<LocateError>) -> Self {
        match config.field("user-config") {
            None => default,
            Some("none") => Self::None,
            Some("merge") => Self::Merge,
            Some("only" | "override") => Self::Only,
            Some(value) => {
                problems.push(config.bad_value("user-config", value, "none, merge or only"));
                Self::None
            }
        }
    }
}

/// A folder of `.module` files.
struct Folder<'a> {
    path: &'a Path,
    /// The user's own: not being let in is no problem to tell.
    users: bool,
}

impl Folder<'_> {
    fn read(
        &self,
        configured: &mut BTreeMap<String, Vec<Config>>,
        problems: &mut Vec<LocateError>,
    ) {
        let files = match self.files() {
            Ok(files) => files,
            Err(reason) => {
                let file = self.path.to_owned();
                self.tell(LocateError::Unreadable { file, reason }, problems);
                return;
            }
        };
        for file in files {
            match module_name(&file) {
                FileName::Module(name) => match Config::read(&file) {
                    Ok(config) => configured.entry(name).or_default().push(config),
                    Err(problem) => self.tell(problem, problems),
                },
                FileName::Hidden => {}
                FileName::Other => problems.push(LocateError::FileName { file }),
            }
        }
    }

    /// Everything in it but folders, sorted.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path)? {
            let path = entry?.path();
            if !path.is_dir() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn tell(&self, problem: LocateError, problems: &mut Vec<LocateError>) {
        let expected = problem.is_missing_file() || (self.users && problem.is_denied());
        if !expected {
            problems.push(problem);
        }
    }
}

enum FileName {
    Module(String),
    /// An editor's or a version control system's.
    Hidden,
    Other,
}

/// The name that a configuration file's name gives its module. p11-kit announces that it will
/// ignore files with other names; here they are ignored.
fn module_name(file: &Path) -> FileName {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if name.starts_with('.') {
        return FileName::Hidden;
    }
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b',');
    let well_formed =
        name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(allowed);
    match name.strip_suffix(".module") {
        Some(module) if well_formed => FileName::Module(module.to_owned()),
        _ => FileName::Other,
    }
}

/// The files that configure one module: the user's, the administrator's, the packages'. An earlier
/// one overrides a later one field by field.
struct Layers(Vec<Config>);

impl Layers {
    fn field(&self, name: &str) -> Option<(&Config, &str)> {
        self.0
            .iter()
            .find_map(|config| Some((config, config.field(name)?)))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.field(name).map(|(_, value)| value)
    }
}

impl Registered {
    fn register(&mut self, name: String, layers: &Layers, places: &Places) {
        // p11-kit runs a command instead of loading the module, and a trust policy has no tokens.
        if layers.value("remote").is_some() || layers.value("trust-policy") == Some("yes") {
            return;
        }
        let Some((config, module)) = layers.field("module") else {
            return;
        };
        if module.is_empty() {
            // How a user switches off what the system has registered.
            let mut hidden = layers.0.iter().filter_map(|config| config.field("module"));
            let hidden = hidden.find(|module| !module.is_empty());
            self.disabled
                .extend(hidden.map(|module| places.resolve(module)));
            return;
        }
        let path = places.resolve(module);
        if !self.is_enabled(config, layers, places) {
            self.disabled.push(path);
            return;
        }
        self.modules.push(Module {
            name,
            path,
            file: config.file().to_owned(),
            priority: layers.value("priority").map_or(0, leading_integer),
        });
    }

    fn is_enabled(&mut self, config: &Config, layers: &Layers, places: &Places) -> bool {
        let listed = |list: &str| {
            let is_separator = |c: char| c == ',' || config::is_space(c);
            let program = places.program.as_deref();
            list.split(is_separator)
                .any(|name| Some(name) == program && !name.is_empty())
        };
        match (layers.value("enable-in"), layers.value("disable-in")) {
            (None, None) => true,
            (None, Some(disable)) => !listed(disable),
            (Some(enable), None) => listed(enable),
            (Some(enable), Some(_)) => {
                let file = config.file().to_owned();
                self.problems.push(LocateError::BothLists { file });
                listed(enable)
            }
        }
    }
}

impl Places {
    /// The first folder that has the module; where none has it, the first folder, so that the file
    /// is told as missing.
    fn resolve(&self, module: &str) -> PathBuf {
        let module = Path::new(module);
        if module.is_absolute() {
            return module.to_owned();
        }
        let found = self.modules.iter().map(|folder| folder.join(module));
        found
            .clone()
            .find(|path| path.is_file())
            .or_else(|| found.clone().next())
            .unwrap_or_else(|| Path::new("/").join(module))
    }
}

/// As C's `atoi`, which p11-kit uses: digits at the start, and 0 where there are none.
fn leading_integer(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = digits
        .chars()
        .map_while(|c| c.to_digit(10))
        .fold(0_i64, |number, digit| {
            number.saturating_mul(10).saturating_add(digit.into())
        });
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests;
