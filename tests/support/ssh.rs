//! An SSH server on this machine, which lets in the user who runs the test. The test file has
//! `mod running` too.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use crate::running::Running;

const HOW: &str = "see CONTRIBUTING.md for what the tests with SSH need";

/// The server, until this is dropped.
pub struct SshServer {
    folder: PathBuf,
    port: u16,
    _process: Running,
}

impl SshServer {
    /// `options` stand before the user's key in `authorized_keys`, and may limit what it is good for.
    #[track_caller]
    pub fn start(options: &str) -> Self {
        // Each has its own: tests may start them at the same time.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("ssh-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        for name in ["host", "user"] {
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            let made = make.arg(folder.join(name)).status();
            assert!(
                made.is_ok_and(|status| status.success()),
                "no ssh-keygen: {HOW}"
            );
        }
        let key = fs::read_to_string(folder.join("user.pub")).expect("it was made");
        let authorized = format!("{options} {key}");
        fs::write(folder.join("authorized_keys"), authorized.trim_start()).expect("it can be made");
        let port = free_port();
        let path = |name: &str| folder.join(name).display().to_string();
        let lines = [
            format!("ListenAddress 127.0.0.1:{port}"),
            format!("HostKey \"{}\"", path("host")),
            format!("AuthorizedKeysFile \"{}\"", path("authorized_keys")),
            // The folder may be one that others can write to.
            "StrictModes no".into(),
            "UsePAM no".into(),
            "PasswordAuthentication no".into(),
            "PidFile none".into(),
            "LogLevel ERROR".into(),
        ];
        fs::write(folder.join("config"), lines.join("\n")).expect("it can be written to");
        if rustix::process::geteuid().is_root() {
            // It will not start without this folder, which a system's own service makes for it.
            fs::create_dir_all("/run/sshd").expect("root can make it");
        }
        // It wants to be called by its whole name.
        let mut process = Running::start("/usr/sbin/sshd", HOW, |command| {
            command.args(["-D", "-e", "-f"]).arg(folder.join("config"));
        });
        process.wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Self {
            folder,
            port,
            _process: process,
        }
    }

    /// What is typed before the command that is to be run there.
    pub fn command(&self) -> String {
        let arguments = self.arguments().into_iter();
        let quoted: Vec<_> = arguments.map(|argument| format!("'{argument}'")).collect();
        format!("ssh {}", quoted.join(" "))
    }

    fn arguments(&self) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut arguments = vec!["-F".into(), "none".into()];
        for option in [
            format!("UserKnownHostsFile=\"{}\"", path("known_hosts")),
            "StrictHostKeyChecking=accept-new".into(),
            "BatchMode=yes".into(),
            "LogLevel=ERROR".into(),
            "ExitOnForwardFailure=yes".into(),
        ] {
            arguments.extend(["-o".into(), option]);
        }
        arguments.extend([
            "-i".into(),
            path("user"),
            "-p".into(),
            self.port.to_string(),
        ]);
        arguments.push(format!("{}@127.0.0.1", user()));
        arguments
    }

    /// Brings a socket of the other machine here, until what this returns is dropped.
    #[track_caller]
    pub fn forward(&self, here: &Path, there: &Path) -> Running {
        let _ = fs::remove_file(here);
        let sockets = format!("{}:{}", here.display(), there.display());
        let mut process = Running::start("ssh", HOW, |command| {
            command.args(["-N", "-L", &sockets]).args(self.arguments());
        });
        process.wait_until(|| here.exists());
        process
    }
}

fn user() -> String {
    let told = Command::new("id").arg("-un").stdin(Stdio::null()).output();
    let told = told.expect("id is part of every system").stdout;
    String::from_utf8_lossy(&told).trim().to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
