//! What is known beforehand: which file each vendor's PKCS#11 module is, where it is installed, and
//! what sets some tokens apart. The tables are in `models.rs`; this file reads them.

#[cfg(feature = "pcsc")]
pub(crate) mod card;
mod models;

use std::fs;
use std::path::{Path, PathBuf};

#[cfg(any(feature = "pcsc", test))]
pub(crate) use models::Serves;
pub(crate) use models::{DRIVERS, Driver};
use models::{MULTIARCH, QUIRKS, Quirk, RACY, REMOTE};

/// Whether this token's PIN flags (`CKF_USER_PIN_COUNT_LOW`, `…_FINAL_TRY`, `…_LOCKED`) may be
/// missing although they are true, until a login has failed in this process. Their absence then
/// means *unknown*, not *normal*.
///
/// `model` and `manufacturer` are `CK_TOKEN_INFO`'s; `module_file` is the file of the module that
/// serves the token.
pub(crate) fn hides_pin_flags(model: &str, manufacturer: &str, module_file: &Path) -> bool {
    QUIRKS
        .iter()
        .any(|quirk| quirk.pin_flags_after_failure && quirk.fits(model, manufacturer, module_file))
}

/// Whether the tokens of a module are another machine's, or may be. They are in no reader of this
/// one then, whatever their slots are called; and where the other side is away, the module may show
/// no slots until it is initialised again.
pub(crate) fn is_remote(module_file: &Path) -> bool {
    let name = file_name(module_file);
    name.is_some_and(|name| REMOTE.iter().any(|begin| name.starts_with(begin)))
}

/// Whether a module that says it can be called by several threads at once cannot.
pub(crate) fn must_take_turns(module_file: &Path) -> bool {
    let name = file_name(module_file);
    let is_racy = name.is_some_and(|name| RACY.iter().any(|begin| name.starts_with(begin)));
    is_racy || is_remote(module_file)
}

impl Quirk {
    fn fits(&self, model: &str, manufacturer: &str, module_file: &Path) -> bool {
        let file = file_name(module_file);
        let begins =
            |text: &str, with: Option<&str>| with.is_none_or(|with| text.starts_with(with));
        begins(model, self.model)
            && begins(manufacturer, self.manufacturer)
            && self
                .module_file
                .is_none_or(|part| file.is_some_and(|file| file.contains(part)))
    }
}

/// The operating systems that the tables tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// Linux, and the other systems that keep libraries where it does.
    Linux,
    MacOs,
    Windows,
}

impl System {
    /// The one this was built for.
    pub(crate) const HERE: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_vendor = "apple") {
        Self::MacOs
    } else {
        Self::Linux
    };

    /// The folders in which modules are installed, those of the system before local ones.
    ///
    /// Linux is tested. The others follow the vendors' installers and nobody has run them here.
    pub(crate) fn folders(self) -> Vec<PathBuf> {
        match self {
            Self::Linux => linux_folders(),
            Self::MacOs => [
                "/Library/Frameworks",
                "/Library/OpenSC/lib",
                "/usr/local/lib",
                "/usr/local/lib/pkcs11",
                "/opt/homebrew/lib",
                "/opt/homebrew/lib/pkcs11",
            ]
            .map(PathBuf::from)
            .to_vec(),
            // Fixed, not from %SystemRoot% and its like: whoever sets a variable must not choose
            // what is loaded.
            Self::Windows => [
                r"C:\Windows\System32",
                r"C:\Program Files\OpenSC Project\OpenSC\pkcs11",
                r"C:\Program Files\Yubico\Yubico PIV Tool\bin",
                r"C:\SoftHSM2\lib",
            ]
            .map(PathBuf::from)
            .to_vec(),
        }
    }
}

fn linux_folders() -> Vec<PathBuf> {
    let mut libraries = Vec::new();
    for prefix in ["/usr", "/usr/local"] {
        let prefix = Path::new(prefix);
        libraries.extend(MULTIARCH.map(|tuple| prefix.join("lib").join(tuple)));
        libraries.push(prefix.join("lib64"));
        libraries.push(prefix.join("lib"));
    }
    libraries
        .into_iter()
        .flat_map(|folder| {
            let modules = folder.join("pkcs11");
            [folder, modules]
        })
        .collect()
}

impl Driver {
    /// The driver's files that are installed, the likeliest first. They are one module under
    /// several names, or several copies of it: load one of them.
    pub(crate) fn installed(&self, system: System, folders: &[PathBuf]) -> Vec<PathBuf> {
        self.files(system)
            .iter()
            .flat_map(|file| places(Path::new(file), folders))
            .filter(|path| path.is_file())
            .collect()
    }

    /// Whether the file of this path has one of the driver's names, wherever it lies.
    pub(crate) fn has_name_of(&self, path: &Path, system: System) -> bool {
        let Some(name) = file_name(path) else {
            return false;
        };
        self.files(system)
            .iter()
            .any(|file| file_name(Path::new(file)).as_deref() == Some(&name))
    }

    /// Whether it exists for this system.
    #[cfg(feature = "pcsc")]
    pub(crate) fn is_for(&self, system: System) -> bool {
        !self.files(system).is_empty()
    }

    fn files(&self, system: System) -> &'static [&'static str] {
        match system {
            System::Linux => self.linux,
            System::MacOs => self.macos,
            System::Windows => self.windows,
        }
    }
}

/// Where this file is installed: one of [`CardModel::with_module`](crate::CardModel::with_module).
#[cfg(feature = "pcsc")]
pub(crate) fn installed(file: &str) -> Option<PathBuf> {
    places(Path::new(file), &System::HERE.folders())
        .into_iter()
        .find(|path| path.is_file())
}

/// Where a file of the table may lie: in each folder, or, if its path is absolute, where it says. A
/// `*` in an absolute path stands for every folder there.
fn places(file: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
    if !file.has_root() {
        return folders.iter().map(|folder| folder.join(file)).collect();
    }
    let mut found = vec![PathBuf::new()];
    for part in file.components() {
        found = if part.as_os_str() == "*" {
            found.iter().flat_map(|folder| entries(folder)).collect()
        } else {
            found.iter().map(|folder| folder.join(part)).collect()
        };
    }
    found
}

/// What is in a folder, sorted; nothing, if it cannot be listed.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    entries
}

/// In lower case, for file systems that do not tell the cases apart.
fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opensc_hides_pin_flags() {
        let opensc = Path::new("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so");
        let onepin = Path::new("/usr/lib/x86_64-linux-gnu/pkcs11/onepin-opensc-pkcs11.so");
        let remote = Path::new("/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so");
        let rutoken = Path::new("/usr/lib/librtpkcs11ecp.so");
        assert!(hides_pin_flags("anything", "", opensc));
        assert!(hides_pin_flags("anything", "", onepin));
        assert!(hides_pin_flags("PKCS#15 emulated", "piv_II", remote));
        assert!(!hides_pin_flags("Rutoken ECP", "Aktiv Co.", rutoken));
        assert!(!hides_pin_flags("SoftHSM v2", "SoftHSM project", remote));
        assert!(!hides_pin_flags("not PKCS#15", "", Path::new("")));
    }

    #[test]
    fn some_modules_are_called_in_turns() {
        let tpm = "/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1";
        for name in [tpm, "/usr/lib64/p11-kit-proxy.so"] {
            assert!(must_take_turns(Path::new(name)), "{name}");
        }
        assert!(!must_take_turns(Path::new("/usr/lib/libsofthsm2.so")));
    }

    #[test]
    fn p11_kit_is_remote() {
        for name in [
            "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
            "/usr/lib64/p11-kit-proxy.so",
            "/usr/lib/x86_64-linux-gnu/libp11-kit.so.0.3.0",
        ] {
            assert!(is_remote(Path::new(name)), "{name}");
        }
        assert!(!is_remote(Path::new("/usr/lib/pkcs11/p11-kit-trust.so")));
        assert!(!is_remote(Path::new(
            "/usr/lib/p11-kit-client/libsofthsm2.so"
        )));
    }

    #[test]
    fn files_are_found_in_folders_and_under_a_star() {
        let root = crate::temp_dir::TempDir::new("catalog");
        let in_folder = root.file("lib/pkcs11/libb.so", "");
        let first = root.file("opt/vendor/a-arch/liba.so", "");
        let second = root.file("opt/vendor/b-arch/liba.so", "");
        root.file("opt/vendor/b-arch/other.so", "");
        let pattern = root.path().join("opt/vendor/*/liba.so");
        let pattern: &'static str = Box::leak(pattern.to_str().unwrap().into());
        let driver = Driver {
            name: "A",
            serves: Serves::ItsCards,
            drives: &["A"],
            linux: Box::leak(vec!["pkcs11/libb.so", pattern, "libc.so"].into()),
            macos: &[],
            windows: &[],
            needs_env: None,
        };
        let folders = [root.path().join("none"), root.path().join("lib")];
        assert_eq!(
            driver.installed(System::Linux, &folders),
            [in_folder, first, second]
        );
        assert!(driver.installed(System::MacOs, &folders).is_empty());
        assert!(driver.has_name_of(Path::new("/x/LIBA.so"), System::Linux));
        assert!(!driver.has_name_of(Path::new("/x/liba.so.1"), System::Linux));
        assert!(!driver.has_name_of(Path::new("/"), System::Linux));
    }

    #[test]
    fn tables_are_sound() {
        for driver in &DRIVERS {
            assert!(!driver.drives.is_empty());
            for system in [System::Linux, System::MacOs, System::Windows] {
                for file in driver.files(system) {
                    let path = Path::new(file);
                    assert!(path.file_name().is_some_and(|name| name != "*"), "{file}");
                    // A relative path with `*` would be looked up as it stands.
                    assert!(path.has_root() || !file.contains('*'), "{file}");
                    let owners = DRIVERS.iter().filter(|d| d.has_name_of(path, system));
                    assert_eq!(owners.count(), 1, "{file} has two drivers");
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn softhsm_of_this_machine_is_found() {
        let softhsm = DRIVERS
            .iter()
            .find(|driver| driver.drives.contains(&"SoftHSM 2"))
            .unwrap();
        let found = softhsm.installed(System::Linux, &System::Linux.folders());
        assert!(
            !found.is_empty(),
            "SoftHSM is not installed: run ./softhsm-setup.sh"
        );
    }
}
