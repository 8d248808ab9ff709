//! Over a pipe, as p11-kit's configuration has it with `remote: |command`.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::{env, fs};

use keyfob::{Search, Token};

use crate::far::{LABEL, made};
use crate::p11_kit::proxy;
use crate::softhsm::{self, SoftHsm};

/// In the environment of a test that its parent runs.
const CHILD: &str = "KEYFOB_TEST_CHILD";

/// The token behind the pipe, through p11-kit's proxy: its client knows sockets alone.
pub fn token() -> Token {
    let found = Search::new().module(proxy()).named_only().run().unwrap();
    let token = found.select(LABEL);
    token.unwrap_or_else(|error| panic!("{error}: {found:?}"))
}

/// Runs a test in a process whose p11-kit has one token: behind the command that `remote` says.
///
/// p11-kit takes no configuration of root's own, so where root tests, that process is nobody's.
#[track_caller]
pub fn in_a_process_with(test: &str, remote: impl FnOnce(&SoftHsm) -> String, act: impl FnOnce()) {
    if is_child() {
        act();
        println!("{CHILD} has come to its end");
        return;
    }
    let softhsm = SoftHsm::start();
    made(&softhsm);
    let folder = softhsm.folder().join("config");
    let modules = folder.join("pkcs11/modules");
    fs::create_dir_all(&modules).unwrap();
    fs::write(folder.join("pkcs11/pkcs11.conf"), "user-config: only\n").unwrap();
    let remote = format!("remote: |{}\n", remote(&softhsm));
    fs::write(modules.join("far.module"), remote).unwrap();

    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new("timeout");
    command.arg("120");
    if is_root {
        command.args(["unshare", "--user"]);
    }
    command.arg(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env("XDG_CONFIG_HOME", &folder).env(CHILD, "yes");
    command.envs(softhsm.environment());
    let said = softhsm::run(&mut command);
    assert!(said.contains("has come to its end"), "{said}");
}

/// Whether this is the process that such a test has started.
pub fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}
