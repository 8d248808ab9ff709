//! A token served by `p11-kit server`, and the client module that uses it.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// Longer than it takes to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Debian's packages are p11-kit and p11-kit-modules.
const CLIENTS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
    "/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
    "/usr/lib64/pkcs11/p11-kit-client.so",
];

/// The server of one token. Its end comes with the drop.
pub struct Server {
    process: Child,
    socket: PathBuf,
}

impl Server {
    /// Serves the token with this label, of the module that the environment is set for.
    ///
    /// While other threads wait for their turn: it sets the environment, for the client.
    #[track_caller]
    pub fn start(folder: &Path, module: &Path, label: &str) -> Self {
        // A socket's path may have some hundred bytes only, so it is a relative one there.
        let socket = folder.join("p11-kit.sock");
        let _ = fs::remove_file(&socket);
        let mut command = Command::new("p11-kit");
        command
            .args(["server", "--foreground", "--provider"])
            .arg(module)
            .args(["--name", "p11-kit.sock"])
            .arg(format!("pkcs11:token={label}"))
            .current_dir(folder)
            .stdout(Stdio::null());
        // A test that is aborted leaves no server behind.
        let die_with_us = || Ok(set_parent_process_death_signal(Some(Signal::TERM))?);
        // SAFETY: one system call, which is allowed between fork and exec.
        unsafe { command.pre_exec(die_with_us) };
        let process = command.spawn();
        let process = process.unwrap_or_else(|error| {
            panic!("p11-kit: {error}; it is in the package p11-kit");
        });
        let server = Self { process, socket };
        let start = Instant::now();
        while !server.socket.exists() {
            assert!(start.elapsed() < PATIENCE, "p11-kit server did not start");
            thread::sleep(Duration::from_millis(5));
        }
        let address = format!("unix:path={}", server.socket.display());
        // SAFETY: nobody else reads the environment now, see above.
        unsafe { env::set_var("P11_KIT_SERVER_ADDRESS", address) };
        server
    }

    /// The module that talks to it.
    #[track_caller]
    pub fn client() -> PathBuf {
        let client = CLIENTS
            .map(PathBuf::from)
            .into_iter()
            .find(|it| it.exists());
        client.expect("no p11-kit-client.so; it is in the package p11-kit-modules")
    }

    /// Kills what serves the connections that there are: each has a process of its own. How many.
    pub fn kill_connections(&self) -> usize {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.expect("the server runs");
        let ids = children
            .split_whitespace()
            .map(|id| id.parse().expect("a number"));
        let ids = ids.filter_map(Pid::from_raw);
        // One may have ended by itself.
        ids.filter(|id| kill_process(*id, Signal::KILL).is_ok())
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_connections();
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.socket);
    }
}
