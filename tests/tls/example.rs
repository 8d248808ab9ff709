//! The example `tls`, which is also the command line.

use std::process::{Child, Stdio};

use super::*;
use crate::softhsm::example;

fn start(bench: &SoftHsm, arguments: &[&str]) -> Child {
    Command::new(example("tls"))
        .args(arguments)
        .current_dir(bench.folder())
        .envs(bench.environment())
        .env("KEYFOB_PIN", PIN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn connect_talks_to_a_server() {
    let bench = SoftHsm::start();
    fill(&bench);
    let desk = Desk::new(bench.folder());
    let server = desk.server(&[]);
    let address = server.address().to_string();
    let key = "pkcs11:token=tls;object=p384";
    let mut tls = start(
        &bench,
        &["connect", &address, "--ca", "peer.pem", "--key", key],
    );
    let mut stdin = tls.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(tls.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdin);
    let ended = tls.wait_with_output().unwrap();
    assert_eq!(line, "olleh\n", "{ended:?}");
    assert!(ended.status.success(), "{ended:?}");
    let said = server.finish();
    assert_eq!(fact(&said, "Peer certificate"), "CN = Test p384");
    assert_eq!(fact(&said, "Verification"), "OK");
}

#[test]
fn listen_talks_to_a_client() {
    let bench = SoftHsm::start();
    fill(&bench);
    let desk = Desk::new(bench.folder());
    let fixed = ["listen", "127.0.0.1:0", "--token", "tls"];
    let options = ["--key", "ed25519", "--client-ca", "peer.pem"];
    let mut tls = start(&bench, &[fixed, options].concat());
    let mut line = String::new();
    let mut stderr = BufReader::new(tls.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("waiting on ").expect(&line);
    let mut client = desk.client(address.parse().unwrap(), &[]);
    client.send("hello");
    let mut stdin = tls.stdin.take().unwrap();
    stdin.write_all(b"good day\n").unwrap();
    assert_eq!(client.receive(), "good day");
    let said = client.finish();
    assert_eq!(fact(&said, "Peer certificate"), "CN = Test ed25519");
    assert_eq!(fact(&said, "Verification"), "OK");
    let ended = tls.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "hello\n");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(ended.status.success(), "{rest}");
    assert!(rest.contains("the peer is CN=localhost"), "{rest}");
}

/// A server that cannot be believed is not talked to.
#[test]
fn connect_refuses_a_stranger() {
    let bench = SoftHsm::start();
    fill(&bench);
    let desk = Desk::new(bench.folder());
    let server = desk.server(&[]);
    let address = server.address().to_string();
    let key = "pkcs11:token=tls;object=p256";
    let tls = start(
        &bench,
        &["connect", &address, "--ca", "ca.pem", "--key", key],
    );
    let ended = tls.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains("UnknownIssuer"), "{said}");
    assert!(!server.finish().contains("ESTABLISHED"));
}
