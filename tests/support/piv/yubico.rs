//! The card as yubico-piv-tool fills and uses it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use der::Document;

use crate::pcscd::Reader;

/// Makes a key pair in a slot, and a certificate for it, which `issue` makes from the public key's
/// SPKI. Returns that SPKI. OpenSC sees both when the card is inserted again.
#[track_caller]
pub fn make_identity(
    reader: Reader,
    slot: &str,
    algorithm: &str,
    issue: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let generate = ["-a", "generate", "-s", slot, "-A", algorithm];
    let public = run(reader, &generate, b"");
    let (_, spki) = Document::from_pem(&public).expect("it writes PEM");
    let import = ["-a", "import-certificate", "-s", slot, "-K", "DER"];
    run(reader, &import, &issue(spki.as_bytes()));
    spki.into_vec()
}

/// Runs the tool, which must succeed, and returns what it wrote.
#[track_caller]
pub fn run(reader: Reader, arguments: &[&str], input: &[u8]) -> String {
    let output = output(reader, arguments, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("what it writes is text")
}

#[track_caller]
pub fn output(reader: Reader, arguments: &[&str], input: &[u8]) -> Output {
    // Its RSA keys take the card seconds.
    let mut tool = Command::new("timeout")
        .args(["120", "yubico-piv-tool", "-r", reader.name()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("timeout is part of every system");
    let mut stdin = tool.stdin.take().expect("it was piped");
    // One that needs no input may be gone; what it is missing it will say itself.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = tool.wait_with_output().expect("it was started");
    let is_there = output.status.code() != Some(127);
    assert!(is_there, "no yubico-piv-tool: see CONTRIBUTING.md");
    output
}
