//! Authorities made with OpenSSL's command line: certificates with any extensions, and CRLs.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use keyfob::Certificate;

/// A folder with authorities, each named as its files are.
pub struct Authorities {
    pub folder: PathBuf,
}

/// A certificate that is to be made. Extensions are as OpenSSL's configuration has them.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    pub name: &'a str,
    /// The subject as `openssl -subj` has it; `/CN=NAME` where empty.
    pub subject: String,
    /// The key's file, made if need be: the name, where empty.
    pub key: &'a str,
    /// Who issues it; itself, where empty.
    pub issuer: &'a str,
    pub extensions: String,
    /// The string types of the subject, as OpenSSL's string_mask has them; its own choice if empty.
    pub strings: &'a str,
    pub days: u32,
    pub options: Vec<&'a str>,
}

pub const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
pub const SIGNER: &str = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n";
pub const KEY_IDS: &str = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

impl<'a> Order<'a> {
    pub fn new(name: &'a str, issuer: &'a str) -> Self {
        Self {
            name,
            subject: String::new(),
            key: "",
            issuer,
            extensions: String::new(),
            strings: "",
            days: 1000,
            options: Vec::new(),
        }
    }

    /// An authority by the book, with more extensions or others in place of its own.
    pub fn authority(name: &'a str, issuer: &'a str, more: &str) -> Self {
        Self::new(name, issuer).with(&[AUTHORITY, KEY_IDS, more].concat())
    }

    /// A signer by the book, with more extensions or others in place of its own.
    pub fn signer(name: &'a str, issuer: &'a str, more: &str) -> Self {
        Self::new(name, issuer).with(&[SIGNER, KEY_IDS, more].concat())
    }

    /// Later lines replace earlier ones of the same extension; one without a value removes it.
    pub fn with(mut self, extensions: &str) -> Self {
        self.extensions.push_str(extensions);
        self
    }

    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = subject.to_owned();
        self
    }

    pub fn key(mut self, key: &'a str) -> Self {
        self.key = key;
        self
    }

    pub fn options(mut self, options: &[&'a str]) -> Self {
        self.options.extend(options);
        self
    }

    fn extension_lines(&self) -> String {
        let mut lines: Vec<(&str, &str)> = Vec::new();
        let mut sections = "";
        let mut text = self.extensions.as_str();
        if let Some(start) = text.find('[') {
            (text, sections) = text.split_at(start);
        }
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once('=').expect("name=value");
            lines.retain(|(known, _)| *known != name);
            if !value.is_empty() {
                lines.push((name, value));
            }
        }
        let lines: String = lines
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        format!("[e]\n{lines}\n{sections}")
    }
}

impl Authorities {
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("authorities")
            .join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A key by its name: `rsa1024…` is RSA of that size, `ed…` Ed25519, all else on P-256.
    ///
    /// Keys are shared by all cases of a test binary, since making them takes longer than all else.
    pub fn key(&self, name: &str) -> PathBuf {
        static KEYS: Mutex<()> = Mutex::new(());
        let _turn = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self
            .folder
            .with_file_name(concat!("keys-", env!("CARGO_CRATE_NAME")));
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let path = folder.join(format!("{name}.key"));
        let public = path.with_extension("pub");
        // Written last: a run that was ended before leaves none.
        if !public.exists() {
            let bits;
            let options = match name.strip_prefix("rsa") {
                Some(size) => {
                    bits = format!("rsa_keygen_bits:{}", &size[..4]);
                    vec!["-algorithm", "RSA", "-pkeyopt", &bits]
                }
                None if name.starts_with("ed") => vec!["-algorithm", "ED25519"],
                None => vec!["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            };
            self.run(&[&["genpkey"], options.as_slice(), &["-out", text(&path)]].concat());
            self.run(&["pkey", "-in", text(&path), "-pubout", "-out", text(&public)]);
        }
        path
    }

    /// Makes a certificate: the file NAME.pem.
    pub fn issue(&self, order: &Order<'_>) -> Certificate {
        let key = self.key(if order.key.is_empty() {
            order.name
        } else {
            order.key
        });
        let out = self.path(&format!("{}.pem", order.name));
        let extensions = self.path(&format!("{}.ext", order.name));
        fs::write(&extensions, order.extension_lines()).expect("written");
        let subject = match order.subject.is_empty() {
            true => format!("/CN={}", order.name),
            false => order.subject.clone(),
        };
        let days = order.days.to_string();
        let request = self.path(&format!("{}.csr", order.name));
        let mut arguments = match order.strings {
            "" => vec!["x509", "-new", "-subj", &subject, "-days", &days],
            strings => {
                self.request(&request, &key, &subject, strings);
                vec!["x509", "-req", "-in", text(&request), "-days", &days]
            }
        };
        // Without any it is of version 1.
        if !order.extensions.is_empty() {
            arguments.extend(["-extfile", text(&extensions), "-extensions", "e"]);
        }
        let (issuer, issuer_key, public);
        match order.issuer.is_empty() || order.issuer == order.name {
            true => arguments.extend(["-signkey", text(&key)]),
            false => {
                issuer = self.path(&format!("{}.pem", order.issuer));
                issuer_key = self.path(&format!("{}.issuing", order.issuer));
                public = key.with_extension("pub");
                if order.strings.is_empty() {
                    arguments.extend(["-force_pubkey", text(&public)]);
                }
                arguments.extend(["-CA", text(&issuer)]);
                arguments.extend(["-CAkey", text(&issuer_key)]);
            }
        }
        arguments.extend(order.options.iter().copied());
        arguments.extend(["-out", text(&out)]);
        self.once(order, &out, || {
            self.run(&arguments);
        });
        // What it signs with in its turn.
        fs::copy(&key, self.path(&format!("{}.issuing", order.name))).expect("copied");
        Certificate::read(&out).expect("a sound certificate")
    }

    fn request(&self, out: &Path, key: &Path, subject: &str, strings: &str) {
        let config = out.with_extension("req");
        let text_of = format!("[req]\nstring_mask={strings}\ndistinguished_name=d\n[d]\n");
        fs::write(&config, text_of).expect("written");
        let names = ["-utf8", "-subj", subject, "-out", text(out)];
        let with = ["req", "-new", "-key", text(key), "-config", text(&config)];
        self.run(&[with.as_slice(), &names].concat());
    }

    /// Most cases have the same root: what was ordered before of the same issuer is taken again.
    fn once(&self, order: &Order<'_>, out: &Path, make: impl FnOnce()) {
        static MADE: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
        let issuer = fs::read_to_string(self.path(&format!("{}.pem", order.issuer)));
        let key = format!("{order:?} {}", issuer.unwrap_or_default());
        let made = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made().get(&key).cloned();
        match known {
            Some(bytes) => fs::write(out, bytes).expect("written"),
            None => {
                make();
                made().insert(key, fs::read(out).expect("a certificate"));
            }
        }
    }

    /// Makes a CRL of this authority: the file NAME.crl. Each line of `revoked` is
    /// `CERTIFICATE [YYMMDDHHMMSSZ [REASON]]`.
    pub fn crl(&self, order: &CrlOrder<'_>) -> PathBuf {
        let folder = text(&self.folder).to_owned();
        let base = self.path(&format!("{}.database", order.name));
        let lines: String = order
            .revoked
            .iter()
            .map(|line| self.revoked(line))
            .collect();
        fs::write(&base, lines).expect("written");
        fs::write(
            base.with_extension("number"),
            format!("{:02X}\n", order.number),
        )
        .expect("written");
        let config = base.with_extension("cnf");
        fs::write(
            &config,
            format!(
                "[ca]\ndefault_ca=c\n[c]\ndatabase={folder}/{0}.database\n\
                 crlnumber={folder}/{0}.number\ndefault_md=sha256\ncrl_extensions=x\n\
                 [x]\nauthorityKeyIdentifier=keyid\n{1}\n",
                order.name, order.extensions
            ),
        )
        .expect("written");
        let out = self.path(&format!("{}.crl", order.name));
        let issuer = self.path(&format!("{}.pem", order.issuer));
        let key = match order.key {
            "" => self.path(&format!("{}.issuing", order.issuer)),
            key => self.key(key),
        };
        let mut arguments = vec![
            "ca",
            "-gencrl",
            "-config",
            text(&config),
            "-cert",
            text(&issuer),
        ];
        arguments.extend(["-keyfile", text(&key), "-crl_lastupdate", order.this_update]);
        arguments.extend(["-crl_nextupdate", order.next_update, "-out", text(&out)]);
        arguments.extend(order.options.iter().copied());
        self.run(&arguments);
        out
    }

    /// A line of OpenSSL's database of what an authority has issued.
    fn revoked(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let name = words.next().expect("a name");
        let certificate = Certificate::read(self.path(&format!("{name}.pem"))).expect("sound");
        let date = words.next().unwrap_or("250101000000Z");
        let reason = words
            .next()
            .map(|reason| format!(",{reason}"))
            .unwrap_or_default();
        let serial = certificate.serial_hex().to_uppercase();
        format!("R\t491231235959Z\t{date}{reason}\t{serial}\tunknown\t/CN={name}\n")
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        let output = self.output(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments:?}: {said}");
        output
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        Command::new("openssl")
            .args(arguments)
            .output()
            .unwrap_or_else(|error| {
                panic!("openssl does not run ({error}); ./softhsm-setup.sh installs it")
            })
    }
}

/// A CRL that is to be made.
#[derive(Clone)]
pub struct CrlOrder<'a> {
    pub name: &'a str,
    pub issuer: &'a str,
    /// A key other than the issuer's.
    pub key: &'a str,
    pub revoked: &'a [&'a str],
    pub this_update: &'a str,
    pub next_update: &'a str,
    pub number: u32,
    pub extensions: &'a str,
    pub options: Vec<&'a str>,
}

impl<'a> CrlOrder<'a> {
    /// Good from 2020 to 2049.
    pub fn new(name: &'a str, issuer: &'a str) -> Self {
        Self {
            name,
            issuer,
            key: "",
            revoked: &[],
            this_update: "20200101000000Z",
            next_update: "20490101000000Z",
            number: 1,
            extensions: "",
            options: Vec::new(),
        }
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder's name is UTF-8")
}
