//! Documents of every kind: each scheme, detached, attached and streamed, with one, two and three
//! signers, made by keyfob on SoftHSM.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use der::EncodePem;
use keyfob::{Identity, Scheme, Search, Unlocked, cms};

use crate::softhsm::{Filler, Kind, Leaf, PIN, SoftHsm, ca, schemes};

/// What the documents say.
pub const CONTENT: &[u8] = b"I owe the bearer seven roubles.\nSigned on a token.\n";

/// Tokens with three keys of each type, whose certificates have serial numbers of their own.
pub struct Desk {
    /// Before the turn ends with the bench, the token is locked again.
    pub fob: Unlocked,
    pub bench: SoftHsm,
    pub folder: PathBuf,
    /// The certificate of the authority that has issued all others, in PEM.
    pub ca: PathBuf,
}

/// A document, and what it is.
pub struct Case {
    pub scheme: Scheme,
    pub form: Form,
    pub signers: usize,
    pub document: PathBuf,
    pub content: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    Detached,
    /// In DER.
    Attached,
    /// Attached in BER, with indefinite lengths.
    Streamed,
}

pub const FORMS: [Form; 3] = [Form::Detached, Form::Attached, Form::Streamed];

const KINDS: [(Kind, &str); 5] = [
    (Kind::Rsa(2048), "rsa"),
    (Kind::P256, "p256"),
    (Kind::P384, "p384"),
    (Kind::P521, "p521"),
    (Kind::Ed25519, "ed25519"),
];

impl Desk {
    /// `folder`: for the files of one test.
    pub fn new(folder: &str) -> Self {
        let bench = SoftHsm::start();
        bench.token("documents", |token| {
            for (number, (kind, name)) in KINDS.iter().enumerate() {
                for copy in 1..=3 {
                    let number = number as u8 * 3 + copy;
                    identity(token, *kind, &format!("{name}-{copy}"), number);
                }
            }
        });
        let found = Search::new().module(bench.module()).named_only().run();
        let token = found.unwrap().select("documents").unwrap();
        let fob = token.unlock(&PIN.into()).unwrap();
        let folder = bench.folder().join(folder);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("ca.pem");
        fs::write(&path, pem(&ca())).unwrap();
        Self {
            bench,
            fob,
            folder,
            ca: path,
        }
    }

    pub fn identity(&self, label: &str) -> Identity {
        self.fob.identities().unwrap().label(label).only().unwrap()
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Signs the same content in every way there is.
    pub fn all(&self) -> Vec<Case> {
        let content = self.file("content", CONTENT);
        let mut cases = Vec::new();
        for scheme in schemes() {
            let signers = self.signers(scheme);
            for count in 1..=signers.len() {
                for form in FORMS {
                    let name = format!("{scheme}.{form:?}.{count}.p7s");
                    let document = self.folder.join(name);
                    sign(scheme, &signers[..count], form, &content, &document);
                    cases.push(Case {
                        scheme,
                        form,
                        signers: count,
                        document,
                        content: content.clone(),
                    });
                }
            }
        }
        cases
    }

    /// Three identities that the scheme fits.
    fn signers(&self, scheme: Scheme) -> Vec<Identity> {
        let identities = self.fob.identities().unwrap();
        let fitting = identities
            .into_iter()
            .filter(|one| scheme.fits(&one.key_type()));
        let signers: Vec<_> = fitting.collect();
        assert_eq!(signers.len(), 3, "{scheme}");
        signers
    }
}

fn sign(scheme: Scheme, signers: &[Identity], form: Form, content: &Path, document: &Path) {
    let signer = |identity| cms::Signer::new(identity).scheme(scheme);
    let mut signing = cms::sign(signer(&signers[0]));
    for another in &signers[1..] {
        signing = signing.and(signer(another));
    }
    let output = File::create(document).unwrap();
    match form {
        Form::Detached => {
            let p7s = signing.detached().path(content).unwrap();
            fs::write(document, p7s).unwrap();
        }
        Form::Attached => signing.attached().path(content, output).unwrap(),
        Form::Streamed => {
            let content = File::open(content).unwrap();
            signing.attached().reader(content, output).unwrap();
        }
    }
}

impl Case {
    pub fn name(&self) -> String {
        let file = self.document.file_name().unwrap();
        file.to_string_lossy().into_owned()
    }

    /// The same with one byte of the content changed: the files of a document that nobody may
    /// accept.
    pub fn with_changed_content(&self) -> Self {
        let change = |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            let at = find(&bytes, b"seven roubles").expect("the content is there");
            bytes[at] ^= 1;
            let changed = path.with_extension("changed");
            fs::write(&changed, bytes).unwrap();
            changed
        };
        match self.form {
            Form::Detached => self.with_files(self.document.clone(), change(&self.content)),
            _ => self.with_files(change(&self.document), self.content.clone()),
        }
    }

    /// The same with one byte of the last signature changed.
    pub fn with_changed_signature(&self) -> Self {
        let mut bytes = fs::read(&self.document).unwrap();
        let after = match self.form {
            Form::Streamed => 6, // three ends of contents
            _ => 0,
        };
        let at = bytes.len() - after - 1;
        bytes[at] ^= 1;
        let changed = self.document.with_extension("forged");
        fs::write(&changed, bytes).unwrap();
        self.with_files(changed, self.content.clone())
    }

    fn with_files(&self, document: PathBuf, content: PathBuf) -> Self {
        Self {
            document,
            content,
            ..*self
        }
    }
}

/// A key, and a certificate that names it by a serial number and a key identifier of its own.
pub fn identity(token: &Filler, kind: Kind, label: &str, number: u8) {
    let spki = token.key(kind, label, &[number]);
    let mut leaf = Leaf::new(&format!("CN={label},O=keyfob tests"));
    leaf.serial = vec![0x40, number];
    leaf.key_id = Some(vec![number; 20]);
    token.certificate(&leaf.issue(&spki), label, &[number]);
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

pub fn pem(certificate: &[u8]) -> String {
    let certificate: x509_cert::Certificate = der::Decode::from_der(certificate).unwrap();
    certificate.to_pem(der::pem::LineEnding::LF).unwrap()
}
