//! An independent counter of module calls: OpenSC's pkcs11-spy.so.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::softhsm::SoftHsm;

/// OpenSC's logging module, between keyfob and SoftHSM.
pub struct Spy {
    pub module: PathBuf,
    log: PathBuf,
}

impl Spy {
    pub fn between_us_and(bench: &SoftHsm) -> Self {
        let log = bench.folder().join("spy.log");
        // SAFETY: this test has the turn, and the spy reads its environment later, when loaded.
        unsafe {
            env::set_var("PKCS11SPY", bench.module());
            env::set_var("PKCS11SPY_OUTPUT", &log);
        }
        Self {
            module: spy_module(),
            log,
        }
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
