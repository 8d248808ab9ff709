//! `openssl s_server` and `s_client`: the other end of a TLS connection, which believes the tests'
//! CA, and is believed by `Peer::certificate`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyfob::Certificate;

use crate::softhsm::{self, run};

/// How long the other end may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the files of the peers are: its own certificate and key, and the CA that it believes.
pub struct Desk {
    folder: PathBuf,
}

impl Desk {
    pub fn new(folder: &Path) -> Self {
        let desk = Self {
            folder: folder.to_owned(),
        };
        let ca = Certificate::from_der(&softhsm::ca()).expect("the tests' CA");
        fs::write(desk.ca(), ca.to_pem()).expect("the target folder can be written to");
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(desk.file("peer.key"))
            .arg("-out")
            .arg(desk.certificate()));
        desk
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The peer's own, for `localhost`, by no CA.
    pub fn certificate(&self) -> PathBuf {
        self.file("peer.pem")
    }

    /// The one that it believes.
    pub fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// A server for one connection that says each line backwards. It wants a certificate of the
    /// tests' CA.
    pub fn server(&self, options: &[&str]) -> Peer {
        let fixed = ["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"];
        let verify = ["-rev", "-Verify", "1"];
        let mut peer = self.start(&[&fixed[..], &verify, options].concat());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            let count = peer.stdout.read_line(&mut line).expect("it says where");
            assert_ne!(count, 0, "{}", peer.finish());
        }
        let address = line["ACCEPT ".len()..].trim();
        peer.address = Some(address.parse().expect("an address"));
        peer
    }

    /// A client that shows its own certificate if it is asked for one.
    pub fn client(&self, to: SocketAddr, options: &[&str]) -> Peer {
        let to = to.to_string();
        let fixed = ["s_client", "-brief", "-connect", &to];
        self.start(&[&fixed[..], options].concat())
    }

    fn start(&self, arguments: &[&str]) -> Peer {
        let mut child = Command::new("openssl")
            .args(arguments)
            .args(["-verify_return_error", "-CAfile"])
            .arg(self.ca())
            .arg("-cert")
            .arg(self.certificate())
            .arg("-key")
            .arg(self.file("peer.key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl runs; ./softhsm-setup.sh installs it");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let said = thread::spawn(move || {
            let mut said = Vec::new();
            stderr.read_to_end(&mut said).expect("a pipe can be read");
            String::from_utf8_lossy(&said).into_owned()
        });
        Peer {
            child,
            stdout,
            said: Some(said),
            address: None,
        }
    }
}

/// A running OpenSSL.
pub struct Peer {
    child: Child,
    stdout: BufReader<ChildStdout>,
    said: Option<JoinHandle<String>>,
    address: Option<SocketAddr>,
}

impl Peer {
    /// Where a server is.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("it is a server")
    }

    /// Connected to a server.
    pub fn connect(&self) -> TcpStream {
        patient(TcpStream::connect(self.address()).expect("it listens"))
    }

    /// Gives a client a line to send.
    pub fn send(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        // A client that has given up does not read: what it said of that is looked at.
        let _ = writeln!(stdin, "{line}");
    }

    /// A line that a client received.
    pub fn receive(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        line.trim_end().to_owned()
    }

    /// Waits for its end, once the connection has ended. Returns what it said of it.
    pub fn finish(mut self) -> String {
        drop(self.child.stdin.take());
        self.child.wait().expect("a child can be waited for");
        let said = self.said.take().expect("taken once");
        said.join().expect("reading does not panic")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next connection, from a client.
pub fn accept(listener: &TcpListener) -> TcpStream {
    patient(listener.accept().expect("a client comes").0)
}

fn patient(socket: TcpStream) -> TcpStream {
    let set = socket.set_read_timeout(Some(PATIENCE));
    set.expect("it is not zero");
    socket
}

/// What OpenSSL said of the connection: `fact(said, "Signature type")`.
pub fn fact<'a>(said: &'a str, name: &str) -> &'a str {
    let mut facts = said.lines().filter_map(|line| line.split_once(": "));
    let value = facts.find_map(|(found, value)| (found == name).then_some(value));
    value.unwrap_or_else(|| panic!("nothing of {name}: {said}"))
}
