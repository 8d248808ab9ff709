//! An independent counter of module calls: OpenSC's pkcs11-spy.so.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::softhsm::SoftHsm;

/// OpenSC's logging module, between keyfob and another.
pub struct Spy {
    pub module: PathBuf,
    log: PathBuf,
}

impl Spy {
    pub fn between_us_and(bench: &SoftHsm) -> Self {
        Self::at(spy_module(), bench.module(), bench.folder().join("spy.log"))
    }

    /// A copy of its own, with its log in a folder: once loaded, a spy keeps to one module for good.
    pub fn before(module: &Path, folder: &Path, name: &str) -> Self {
        fs::create_dir_all(folder).expect("the target folder can be written to");
        let log = folder.join(format!("{name}.log"));
        let _ = fs::remove_file(&log);
        let copy = folder.join(format!("{name} spy.so"));
        fs::copy(spy_module(), &copy).expect("the target folder can be written to");
        Self::at(copy, module, log)
    }

    fn at(spy: PathBuf, module: &Path, log: PathBuf) -> Self {
        // SAFETY: this test has the turn, and the spy reads its environment later, when loaded.
        unsafe {
            env::set_var("PKCS11SPY", module);
            env::set_var("PKCS11SPY_OUTPUT", &log);
        }
        Self { module: spy, log }
    }

    /// The calls so far, by name.
    pub fn calls(&self) -> Vec<String> {
        // The log has the module's texts in it, which need not be UTF-8.
        let log = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        log.lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(number, name)| number.parse::<u32>().is_ok() && name.starts_with("C_"))
            .map(|(_, name)| name.trim().to_owned())
            .collect()
    }
}

/// Where softhsm-setup.sh has found or put it.
fn spy_module() -> PathBuf {
    let mut folders = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")];
    folders.extend(
        fs::read_dir("/usr/lib")
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    folders
        .iter()
        .flat_map(|folder| ["pkcs11-spy.so", "pkcs11/pkcs11-spy.so"].map(|name| folder.join(name)))
        .find(|path| path.exists())
        .expect("no pkcs11-spy.so: run the tests by ./softhsm-setup.sh cargo test")
}
