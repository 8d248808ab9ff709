//! The example `sign_document`: what it writes, what it refuses, and a time stamp over HTTP.

#[path = "support/stamper.rs"]
mod authority;
#[path = "support/documents.rs"]
mod documents;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use authority::Authority;
use documents::{CONTENT, find, identity, pem};
use softhsm::{Kind, PIN, SoftHsm, ca, example};

struct Desk {
    bench: SoftHsm,
    folder: PathBuf,
}

impl Desk {
    fn new(folder: &str) -> Self {
        let bench = SoftHsm::start();
        bench.token("desk", |token| {
            identity(token, Kind::P256, "ann", 1);
            identity(token, Kind::P384, "bob", 2);
        });
        let folder = bench.folder().join(folder);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.pem"), pem(&ca())).unwrap();
        fs::write(folder.join("letter.txt"), CONTENT).unwrap();
        Self { bench, folder }
    }

    fn sign(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(example("sign_document"));
        command.args(arguments).current_dir(&self.folder);
        command
            .envs(self.bench.environment())
            .env("KEYFOB_PIN", PIN);
        command.output().unwrap()
    }

    #[track_caller]
    fn signed(&self, arguments: &[&str]) {
        let output = self.sign(arguments);
        assert!(output.status.success(), "{output:?}");
    }

    /// Has OpenSSL accept FILE.p7s; returns the content.
    #[track_caller]
    fn accepted(&self, file: &str, options: &[&str]) -> Vec<u8> {
        let mut openssl = Command::new("openssl");
        openssl.args(["cms", "-verify", "-binary", "-inform", "DER", "-in"]);
        openssl.arg(format!("{file}.p7s")).args(options);
        openssl
            .args(["-purpose", "any", "-CAfile", "ca.pem"])
            .current_dir(&self.folder);
        let output = openssl
            .output()
            .expect("openssl runs; ./softhsm-setup.sh installs it");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    fn document(&self) -> Vec<u8> {
        fs::read(self.folder.join("letter.txt.p7s")).unwrap()
    }
}

#[test]
fn many_files_on_one_pin() {
    let desk = Desk::new("many");
    let names: Vec<String> = (0..5).map(|number| format!("file{number}")).collect();
    for name in &names {
        fs::write(desk.folder.join(name), name).unwrap();
    }
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    desk.signed(&[&["--key", "ann"], &files[..]].concat());
    for name in files {
        assert_eq!(desk.accepted(name, &["-content", name]), name.as_bytes());
    }
}

#[test]
fn signed_and_signed_again_detached_and_attached() {
    let desk = Desk::new("again");
    let detached = ["-cades", "-content", "letter.txt"];
    desk.signed(&["--key", "ann", "letter.txt"]);
    desk.accepted("letter.txt", &detached);
    let by_ann = desk.document();
    desk.signed(&["--key", "bob", "--cosign", "letter.txt"]);
    desk.accepted("letter.txt", &detached);
    assert!(desk.document().len() > by_ann.len());

    desk.signed(&["--key", "ann", "--attached", "--force", "letter.txt"]);
    assert_eq!(desk.accepted("letter.txt", &["-cades"]), CONTENT);
    desk.signed(&["--key", "bob", "--attached", "--cosign", "letter.txt"]);
    assert_eq!(desk.accepted("letter.txt", &["-cades"]), CONTENT);
    assert!(find(&desk.document(), b"bob").is_some());
}

#[test]
fn what_is_there_stays_when_something_goes_wrong() {
    let desk = Desk::new("stays");
    desk.signed(&["--key", "ann", "letter.txt"]);
    let before = desk.document();
    let refuse = |arguments: &[&str], part: &str| {
        let output = desk.sign(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{said}");
        assert_eq!(desk.document(), before, "{arguments:?}");
        let mut rest = fs::read_dir(&desk.folder).unwrap().flatten();
        assert!(rest.all(|file| file.path().extension() != Some("part".as_ref())));
    };
    refuse(&["--key", "ann", "letter.txt"], "--cosign");
    refuse(
        &["--key", "bob", "--attached", "--cosign", "letter.txt"],
        "no content",
    );
    refuse(&["--key", "ann", "--cosign", "absent.txt"], "absent.txt");
    let nowhere = [
        "--timestamp",
        "ftp://tsa.example/",
        "--force",
        "--key",
        "ann",
        "letter.txt",
    ];
    refuse(&nowhere, "no http:// URL");
    fs::write(desk.folder.join("letter.txt"), b"another content").unwrap();
    refuse(
        &["--key", "bob", "--cosign", "letter.txt"],
        "another content",
    );
}

#[test]
fn stamped_over_http() {
    let desk = Desk::new("stamped");
    let authority = Authority::new(&desk.folder.join("tsa"), "sha256, sha384");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let url = |path| format!("http://{here}{path}");
    // Nobody waits for it, so that a failure does not.
    thread::spawn(move || serve(&listener, &authority));
    desk.signed(&["--key", "ann", "--timestamp", &url("/tsa"), "letter.txt"]);
    let refused = [
        "--key",
        "ann",
        "--force",
        "--timestamp",
        &url("/no"),
        "letter.txt",
    ];
    let refused = desk.sign(&refused);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("404"), "{said}");
    desk.accepted("letter.txt", &["-cades", "-content", "letter.txt"]);
    assert!(find(&desk.document(), b"Time Stamp Authority").is_some());
}

fn serve(listener: &TcpListener, authority: &Authority) {
    for socket in listener.incoming() {
        let mut socket = socket.unwrap();
        let (path, request) = request(&socket);
        let answer = match path.as_str() {
            "/tsa" => {
                let answer = authority.answer(&request).unwrap();
                let head = "HTTP/1.0 200 OK\r\nContent-Type: application/timestamp-reply\r\n\r\n";
                [head.as_bytes(), &answer].concat()
            }
            _ => b"HTTP/1.0 404 Not Found\r\n\r\nno".to_vec(),
        };
        socket.write_all(&answer).unwrap();
    }
}

fn request(socket: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(socket);
    let (mut path, mut length, mut is_query) = (String::new(), 0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if let Some(rest) = line.strip_prefix("POST ") {
            path = rest.split(' ').next().unwrap().to_owned();
        }
        if let Some(rest) = line.strip_prefix("Content-Length: ") {
            length = rest.parse().unwrap();
        }
        is_query |= line == "Content-Type: application/timestamp-query";
        if line.is_empty() {
            break;
        }
    }
    assert!(is_query);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (path, body)
}
