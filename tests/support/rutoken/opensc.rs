//! The card as OpenSC's tools initialise and use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, process};

use super::gost::Set;
use super::{LABEL, PIN, SO_PIN};
use crate::pcscd::Reader;
use crate::softhsm::unhex;

/// The path of opensc-pkcs11.so.
#[track_caller]
pub fn module() -> PathBuf {
    let machine = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    [machine.as_str(), "/usr/lib64", "/usr/lib"]
        .iter()
        .flat_map(|folder| ["", "pkcs11"].map(|sub| Path::new(folder).join(sub)))
        .map(|folder| folder.join("opensc-pkcs11.so"))
        .find(|path| path.exists())
        .expect("no opensc-pkcs11.so: run the tests by ./softhsm-setup.sh cargo test")
}

/// Makes a blank card a token.
#[track_caller]
pub fn initialise(reader: Reader) {
    let pkcs15_init = |arguments: &[&str]| {
        let mut tool = tool("pkcs15-init", reader);
        run(tool.args(arguments));
    };
    pkcs15_init(&["--erase-card"]);
    let so = ["--so-pin", SO_PIN];
    pkcs15_init(
        &[
            &["--create-pkcs15", "--so-puk", "", "--label", LABEL],
            &so[..],
        ]
        .concat(),
    );
    let user = ["--store-pin", "--label", "User PIN", "--auth-id", "02"];
    let pin = ["--pin", PIN, "--puk", "", "--finalize"];
    pkcs15_init(&[&user[..], &pin, &so].concat());
}

/// Makes a key pair on the card, of a type that pkcs11-tool knows. Returns the public key's SPKI.
#[track_caller]
pub fn generate(reader: Reader, key_type: &str, id: &str) -> Vec<u8> {
    generate_with(reader, key_type, id, &[])
}

/// As `generate`, with more options of the tool.
#[track_caller]
pub fn generate_with(reader: Reader, key_type: &str, id: &str, options: &[&str]) -> Vec<u8> {
    let public = Scratch::new(&[]);
    let arguments = ["--keypairgen", "--key-type", key_type, "--id", id];
    let mut tool = pkcs11_tool(reader);
    run(tool.args(arguments).args(["--label", id]).args(options));
    let read = ["--read-object", "--type", "pubkey", "--id", id];
    run(pkcs11_tool(reader)
        .args(read)
        .arg("--output-file")
        .arg(&public.0));
    fs::read(&public.0).expect("pkcs11-tool has written it")
}

/// Makes a GOST key pair on the card, with one of CryptoPro's sets. Returns the public key, which
/// pkcs11-tool prints and cannot write to a file.
#[track_caller]
pub fn generate_gost(reader: Reader, set: Set, id: &str) -> Vec<u8> {
    let key_type = format!("GOSTR3410:{}", set.name);
    let arguments = ["--keypairgen", "--key-type", &key_type, "--id", id];
    let told = run(pkcs11_tool(reader).args(arguments).args(["--label", id]));
    let (_, value) = told.split_once("VALUE:").expect("a public key");
    let digits = value.lines().take_while(|line| !line.contains(':'));
    let value = unhex(&digits.map(str::trim).collect::<String>());
    let public = value.strip_prefix(&[0x04, 0x40]);
    public.expect("an OCTET STRING").into()
}

#[track_caller]
pub fn write_certificate(reader: Reader, der: &[u8], id: &str) {
    let file = Scratch::new(der);
    let arguments = ["--type", "cert", "--id", id, "--label", id];
    run(pkcs11_tool(reader)
        .args(arguments)
        .arg("--write-object")
        .arg(&file.0));
}

/// pkcs11-tool with opensc-pkcs11.so, logged in.
#[track_caller]
pub fn pkcs11_tool(reader: Reader) -> Command {
    let mut command = limited("pkcs11-tool");
    command.arg("--module").arg(module());
    command.args(["--slot-description", reader.name()]);
    command.args(["--login", "--pin", PIN]);
    command
}

/// One of OpenSC's tools that is told its reader.
pub fn tool(name: &str, reader: Reader) -> Command {
    let mut command = limited(name);
    command.args(["--reader", reader.name()]);
    command
}

/// A program that is ended after a minute.
pub fn limited(name: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["60", name]).stdin(Stdio::null());
    command
}

/// Runs a program, which must succeed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    let text = printed(&output);
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

#[track_caller]
pub fn output(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub fn printed(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes))
        .concat()
}

/// A file for a tool to read or write, removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    #[track_caller]
    pub fn new(content: &[u8]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("scratch-{}-{number}", process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, content).expect("the target folder can be written to");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
