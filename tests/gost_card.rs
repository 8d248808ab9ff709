//! A virtual Rutoken ECP with GOST keys, the whole way: keys that are made on the card, certificates that
//! OpenSSL issues for them, documents that keyfob signs, and OpenSSL again, with its engine for GOST, to
//! judge them.
//!
//! It is left to be named, since it needs that engine: see CONTRIBUTING.md.
#![cfg(target_os = "linux")]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::fs;
use std::process::{Command, Output};

use engine::Engine;
use pcscd::{Pcscd, Reader};
use rutoken::gost::Set;
use rutoken::opensc::{self, output, pkcs11_tool, printed, run};
use rutoken::{PIN, Rutoken};
use softhsm::example;
use streebog::{Digest, Streebog256};
use vpcd::Inserted;

const READER: Reader = Reader::First;
/// OpenSC names a token by its label and its PIN's.
const TOKEN: &str = "Rutoken test (User PIN)";
const TRIES: u8 = 5;
const CONTENT: &[u8] = b"I owe the bearer seven roubles.\n";
const OTHER: &[u8] = b"I owe the bearer seventy roubles.\n";

/// CryptoPro's sets, which are those that OpenSC has for this card, and the ids of the keys.
const KEYS: [(&str, &str); 3] = [("A", "21"), ("B", "22"), ("C", "23")];

/// A card with a key of each set, and their certificates, which are not on it: OpenSC does not show
/// such a one.
struct Desk {
    engine: Engine,
    card: Inserted<Rutoken>,
    _pcscd: Pcscd,
}

impl Desk {
    fn new(name: &str) -> Self {
        let pcscd = Pcscd::start();
        let engine = Engine::new(name);
        engine.key("ca.key", "gost2012_512", "A");
        engine.certificate("ca.pem", "ca.key", "/CN=GOST CA", None, "ca");
        let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
        for (set, id) in KEYS {
            let set = Set::named(256, set);
            let public = opensc::generate_gost(READER, set, id);
            engine.file(&format!("{id}.der"), &set.spki(&public));
            let (der, pem) = (format!("{id}.der"), format!("{id}.pub"));
            engine.run(&[
                "pkey", "-pubin", "-inform", "DER", "-in", &der, "-out", &pem,
            ]);
            issue(&engine, id);
        }
        engine.file("letter.txt", CONTENT);
        engine.file("other.txt", OTHER);
        Self {
            engine,
            card,
            _pcscd: pcscd,
        }
    }

    /// The example, for a program that nobody has told of a module: it goes by the card.
    fn keyfob(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.arg("60").arg(example(name)).args(arguments);
        command.current_dir(&self.engine.folder);
        output(command.env("KEYFOB_PIN", PIN).env_remove("KEYFOB_MODULE"))
    }

    fn sign(&self, arguments: &[&str]) -> Output {
        self.keyfob("sign_document", &[&["--token", TOKEN], arguments].concat())
    }

    #[track_caller]
    fn signs(&self, arguments: &[&str]) {
        let output = self.sign(arguments);
        assert!(output.status.success(), "{}", printed(&output));
    }

    /// What OpenSSL says of letter.txt.p7s, by the rules of CAdES and without.
    fn judged(&self, options: &[&str]) -> [Output; 2] {
        let verify = ["cms", "-verify", "-binary", "-inform", "DER"];
        let named = ["-in", "letter.txt.p7s", "-out", "read"];
        let trusting = ["-CAfile", "ca.pem", "-purpose", "any"];
        [&[][..], &["-cades"]].map(|rules| {
            let arguments = [&verify[..], &named, &trusting, rules, options];
            self.engine.output(&arguments.concat())
        })
    }

    #[track_caller]
    fn accepted(&self, options: &[&str]) {
        for judged in self.judged(options) {
            assert!(judged.status.success(), "{}", printed(&judged));
            assert_eq!(fs::read(self.engine.path("read")).unwrap(), CONTENT);
        }
    }

    #[track_caller]
    fn refused(&self, options: &[&str], reason: &str) {
        for judged in self.judged(options) {
            let said = printed(&judged);
            assert!(!judged.status.success() && said.contains(reason), "{said}");
        }
    }
}

/// A certificate for the public key NAME.pub: the file NAME.pem.
fn issue(engine: &Engine, name: &str) {
    let [public, certificate] = ["pub", "pem"].map(|ending| format!("{name}.{ending}"));
    let subject = format!("/CN=Owner of {name}");
    let configuration = engine.configuration().to_str().unwrap();
    let new = ["x509", "-new", "-force_pubkey", &public, "-subj", &subject];
    let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30"];
    let with = ["-extfile", configuration, "-extensions", "leaf"];
    engine.run(&[&new[..], &by, &with, &["-out", &certificate]].concat());
}

#[test]
fn openssl_verifies_what_opensc_has_the_card_sign() {
    let desk = Desk::new("card-signatures");
    let engine = &desk.engine;
    let digest = engine.file("digest", &Streebog256::digest(CONTENT));
    for (_, id) in KEYS {
        let sign = ["--sign", "--mechanism", "GOSTR3410", "--id", id];
        run(pkcs11_tool(READER)
            .args(sign)
            .arg("--input-file")
            .arg(&digest)
            .arg("--output-file")
            .arg(engine.path("signature")));
        let public = format!("{id}.pub");
        let verify = ["dgst", "-md_gost12_256", "-verify", &public];
        let accepts = |file| {
            let of = ["-signature", "signature", file];
            engine.accepts(&[&verify[..], &of].concat())
        };
        assert!(accepts("letter.txt"), "{id}");
        assert!(!accepts("other.txt"), "{id}");
    }
}

#[test]
fn documents_detached_and_attached() {
    let desk = Desk::new("card-documents");
    for (set, id) in KEYS {
        let certificate = format!("{id}.pem");
        // Of the three keys it is the one that the certificate is of.
        let signing = ["--cert", &certificate, "--force"];
        desk.signs(&[&signing[..], &["letter.txt"]].concat());
        desk.accepted(&["-content", "letter.txt"]);
        desk.refused(&["-content", "other.txt"], "content verify error");
        let verify = |content| {
            let document = ["letter.txt.p7s", "--content", content, "--ca", "ca.pem"];
            let output = desk.keyfob("verify_document", &[&document[..], &["--cades"]].concat());
            output.status.code()
        };
        assert_eq!(verify("letter.txt"), Some(0), "{set}");
        assert_eq!(verify("other.txt"), Some(1), "{set}");

        desk.signs(&[&signing[..], &["--attached", "letter.txt"]].concat());
        desk.accepted(&[]);
        let path = desk.engine.path("letter.txt.p7s");
        let document = fs::read(&path).unwrap();
        let content = document
            .windows(CONTENT.len())
            .position(|one| one == CONTENT);
        for (at, reason) in [
            (content.unwrap(), "content verify error"),
            (document.len() - 1, "verification failure"),
        ] {
            let mut changed = document.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            desk.refused(&[], reason);
        }
    }
    assert_eq!(desk.card.remove().tries_left(), TRIES);
}

#[test]
fn its_keys_are_listed() {
    let desk = Desk::new("card-listed");
    let listed = desk.keyfob("list", &["--token", TOKEN, "--login"]);
    let listed = printed(&listed);
    for (set, id) in KEYS {
        let line = format!("- {id} (GOST-256 (CryptoPro-{set}))");
        assert!(listed.contains(&line), "{line}: {listed}");
    }
}

#[test]
fn the_certificate_of_another_key_is_refused() {
    let desk = Desk::new("card-refused");
    desk.engine.key("other.key", "gost2012_256", "A");
    let public = ["pkey", "-in", "other.key", "-pubout", "-out", "other.pub"];
    desk.engine.run(&public);
    issue(&desk.engine, "other");
    for arguments in [
        &["--cert", "other.pem", "letter.txt"][..],
        // Another key of the card than the one that was asked for.
        &["--key", "21", "--cert", "22.pem", "letter.txt"],
    ] {
        let refused = desk.sign(arguments);
        let said = printed(&refused);
        assert!(!refused.status.success(), "{said}");
        assert!(said.contains("another key"), "{said}");
        assert!(!desk.engine.path("letter.txt.p7s").exists());
    }
    desk.signs(&["--key", "21", "--cert", "21.pem", "letter.txt"]);
    desk.accepted(&["-content", "letter.txt"]);
}
