//! The examples are the command line: their output, and how they end.

#[path = "support/softhsm.rs"]
mod softhsm;

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use softhsm::{Kind, Leaf, PIN, SoftHsm, example};

/// The tokens and files of these tests.
struct Desk {
    bench: SoftHsm,
    folder: PathBuf,
}

impl Desk {
    fn new(folder: &str) -> Self {
        let bench = SoftHsm::start();
        bench.token("desk", |token| {
            token.identity(Kind::P256, "p256", &[1]);
            token.identity(Kind::Ed25519, "ed25519", &[2]);
            token.identity(Kind::Rsa(2048), "rsa2048", &[3]);
        });
        bench.token("single", |token| {
            token.identity(Kind::P384, "lonely", &[1]);
            token.key(Kind::P256, "no-certificate", &[2]);
        });
        let folder = bench.folder().join(folder);
        fs::create_dir_all(&folder).unwrap();
        Self { bench, folder }
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(example(name));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(self.bench.environment())
            .env("KEYFOB_PIN", PIN);
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Output {
        self.command(name, arguments).output().unwrap()
    }
}

#[test]
fn sign_then_verify_with_token_and_with_certificate() {
    let desk = Desk::new("round");
    desk.file("letter.txt", b"hello");
    for key in ["p256", "ed25519", "rsa2048"] {
        let uri = format!("pkcs11:token=desk;object={key}");
        let signed = desk.run("sign", &["--force", "--key", &uri, "letter.txt"]);
        assert!(signed.status.success(), "{signed:?}");
        let token = ["--token", "desk", "--key", key];
        let verify = |file: &str| {
            let arguments = [&token[..], &[file, "letter.txt.sig"]].concat();
            desk.run("verify", &arguments).status.code()
        };
        assert_eq!(verify("letter.txt"), Some(0), "{key}");
        desk.file("other.txt", b"hullo");
        assert_eq!(verify("other.txt"), Some(1), "{key}");
        assert_eq!(verify("absent.txt"), Some(2), "{key}");
    }
}

#[test]
fn verify_by_a_certificate_from_a_file() {
    let desk = Desk::new("certificate");
    desk.file("letter.txt", b"hello");
    let signed = desk.run("sign", &["--token", "single", "--force", "letter.txt"]);
    assert!(signed.status.success(), "{signed:?}");
    let text = String::from_utf8(desk.run("list", &["--token", "single", "--json"]).stdout);
    let listed: serde_json::Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert_eq!(listed["tokens"][0]["identities"][0]["label"], "lonely");

    // The certificate, as another tool takes it from the token.
    let tool = Command::new("pkcs11-tool")
        .args(["--module".as_ref(), desk.bench.module().as_os_str()])
        .args([
            "--token-label",
            "single",
            "--read-object",
            "--type",
            "cert",
            "--id",
            "01",
        ])
        .args(["--output-file", "lonely.der"])
        .current_dir(&desk.folder)
        .envs(desk.bench.environment())
        .output()
        .expect("pkcs11-tool runs; ./softhsm-setup.sh installs it");
    assert!(tool.status.success(), "{tool:?}");
    let verify = |arguments: &[&str]| desk.run("verify", arguments).status.code();
    let good = ["--cert", "lonely.der", "letter.txt", "letter.txt.sig"];
    assert_eq!(verify(&good), Some(0));
    desk.file("not-a-certificate", b"hello");
    let none = [
        "--cert",
        "not-a-certificate",
        "letter.txt",
        "letter.txt.sig",
    ];
    assert_eq!(verify(&none), Some(2));
}

#[test]
fn what_there_is_stays_unless_forced() {
    let desk = Desk::new("force");
    desk.file("letter.txt", b"hello");
    desk.file("letter.txt.sig", b"precious");
    let refused = desk.run("sign", &["--token", "single", "letter.txt"]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--force"), "{said}");
    let kept = fs::read(desk.folder.join("letter.txt.sig")).unwrap();
    assert_eq!(kept, b"precious");
    let forced = desk.run("sign", &["--token", "single", "--force", "letter.txt"]);
    assert!(forced.status.success(), "{forced:?}");
    let written = fs::read(desk.folder.join("letter.txt.sig")).unwrap();
    assert_ne!(written, b"precious");
}

#[test]
fn standard_input_to_standard_output() {
    let desk = Desk::new("standard");
    let mut child = desk
        .command("sign", &["--token", "single", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    desk.file("letter.txt", b"hello");
    desk.file("letter.sig", &output.stdout);
    let arguments = [
        "--token",
        "single",
        "--key",
        "lonely",
        "letter.txt",
        "letter.sig",
    ];
    assert_eq!(desk.run("verify", &arguments).status.code(), Some(0));
}

#[test]
fn several_identities_are_told_with_how_to_choose() {
    let desk = Desk::new("several");
    desk.file("letter.txt", b"hello");
    let output = desk.run("sign", &["--token", "desk", "letter.txt"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in ["--key", "object=p256", "object=ed25519", "object=rsa2048"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Two tokens, and none named.
    let output = desk.run("sign", &["letter.txt"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains("token=desk") && said.contains("token=single"),
        "{said}"
    );
}

#[test]
fn many_files_with_one_pin() {
    let desk = Desk::new("many");
    let names: Vec<String> = (0..20).map(|number| format!("file{number}")).collect();
    for name in &names {
        desk.file(name, name.as_bytes());
    }
    let mut arguments = vec!["--token", "single", "--force"];
    arguments.extend(names.iter().map(String::as_str));
    let output = desk.run("sign", &arguments);
    assert!(output.status.success(), "{output:?}");
    for name in &names {
        let signature = format!("{name}.sig");
        let arguments = ["--token", "single", "--key", "lonely", name, &signature];
        assert_eq!(
            desk.run("verify", &arguments).status.code(),
            Some(0),
            "{name}"
        );
    }
}

#[test]
fn list_shows_who_can_sign() {
    let desk = Desk::new("list");
    desk.bench.token("expired", |token| {
        let spki = token.key(Kind::P256, "old", &[1]);
        let mut leaf = Leaf::new("CN=Old,O=Past Ltd");
        leaf.valid = (946_684_800, 978_307_200);
        token.certificate(&leaf.issue(&spki), "old", &[1]);
    });
    let output = desk.run("list", &["--token", "expired", "--login"]);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "libsofthsm2.so",
        "token expired (PIN normal)",
        "O=Past Ltd",
        "CN=keyfob test CA",
        "2000-01-01T00:00:00Z",
        "NOT VALID NOW",
        "P-256",
        "made on the token, never left it",
        "object=old",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let locked = desk.run("list", &["--token", "expired"]);
    let said = String::from_utf8_lossy(&locked.stdout).into_owned();
    assert!(
        said.contains("hidden until the token is unlocked"),
        "{said}"
    );
}

#[test]
fn list_warns_of_certificates_that_end_soon_and_shows_the_owners_numbers() {
    let desk = Desk::new("list-soon");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let day = 24 * 60 * 60;
    desk.bench.token("ending", |token| {
        for (name, id, days) in [("soon", 1, 10), ("last-day", 2, 0), ("later", 3, 40)] {
            let spki = token.key(Kind::P256, name, &[id]);
            let subject = format!("CN={name},OU=BIN940140000385,OU=BIN940140000386,O=Roga {name}");
            let mut leaf = Leaf::new(&subject);
            leaf.valid = (now - day, now + days * day + day / 2);
            token.certificate(&leaf.issue(&spki), name, &[id]);
        }
    });
    let output = desk.run("list", &["--token", "ending"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.matches("EXPIRES").count(), 2, "{said}");
    for part in [
        "(EXPIRES IN 10 DAYS)",
        "(EXPIRES WITHIN A DAY)",
        " Roga soon\n",
        " BIN 940140000385\n",
        " BIN 940140000386 (wrong check digit)\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let output = desk.run("list", &["--token", "ending", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let identities = listed["tokens"][0]["identities"].as_array().unwrap();
    let later = identities
        .iter()
        .find(|one| one["label"] == "later")
        .unwrap();
    let certificate = &later["certificate"];
    assert_eq!(certificate["days_left"], 40);
    assert_eq!(certificate["expires_soon"], false);
    assert_eq!(certificate["organization"], "Roga later");
    assert_eq!(certificate["for_documents"], true);
    assert_eq!(certificate["identifiers"][0]["kind"], "BIN");
    let wrong = certificate["identifiers"].as_array().unwrap();
    assert!(
        wrong.iter().any(|one| one["check_digit"] == false),
        "{wrong:?}"
    );
}

#[test]
fn list_tells_problems_last_and_goes_on() {
    let desk = Desk::new("problems");
    let modules = env::join_paths([Path::new("/no/such/module.so"), desk.bench.module()]).unwrap();
    let output = desk
        .command("list", &[])
        .env("KEYFOB_MODULE", modules)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("/no/such/module.so"), "{said}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("token desk"), "{said}");
}
