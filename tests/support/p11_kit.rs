//! p11-kit's server, which serves a module's token to programs elsewhere: over a socket, here. The
//! test file has `mod running` too.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

use crate::running::{Running, kill_children};

const HOW: &str = "run the tests by ./softhsm-setup.sh cargo test";

/// A server, until this is dropped.
pub struct Server {
    address: String,
    socket: PathBuf,
    process: Running,
}

impl Server {
    /// Serves those tokens of a module that a URI fits, on a socket in this folder.
    #[track_caller]
    pub fn start(
        folder: &Path,
        module: &Path,
        uri: &str,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let socket = folder.join("p11-kit");
        let _ = fs::remove_file(&socket);
        let mut process = Running::start("p11-kit", HOW, |command| {
            command.args(["server", "--foreground", "--sh"]);
            command.arg("--provider").arg(module);
            command.arg("--name").arg(&socket).arg(uri);
            command.stdout(Stdio::piped());
            change(command);
        });
        let output = process.child().stdout.take().expect("it was piped");
        let (send, told) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("P11_KIT_SERVER_ADDRESS=") {
                    let address = address.split(';').next().unwrap_or_default();
                    let _ = send.send(address.to_owned());
                }
            }
        });
        let address = told.recv_timeout(Duration::from_secs(60));
        let address = address.expect("it tells its address");
        process.wait_until(|| socket.exists());
        Self {
            address,
            socket,
            process,
        }
    }

    /// For the environment of a program that uses it.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends the process behind each connection; the server itself takes new ones.
    #[track_caller]
    pub fn kill_connections(&self) {
        kill_children(self.process.id());
    }
}

/// The path of p11-kit-client.so.
#[track_caller]
pub fn client() -> PathBuf {
    module("p11-kit-client.so")
}

/// The path of p11-kit-proxy.so, which loads what p11-kit's configuration says.
#[track_caller]
pub fn proxy() -> PathBuf {
    module("p11-kit-proxy.so")
}

#[track_caller]
fn module(name: &str) -> PathBuf {
    let machine = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    [machine.as_str(), "/usr/lib64", "/usr/lib"]
        .iter()
        .flat_map(|folder| ["", "pkcs11"].map(|sub| Path::new(folder).join(sub)))
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {name}: {HOW}"))
}
