//! A certification authority of OpenSSL: signers of all kinds, and revocation lists.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use keyfob::trust::Trust;

use crate::issuer::{Bench, text};

/// What a certificate is for, as OpenSSL's extension files say it.
pub const SIGNER: &str = "basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature,nonRepudiation
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid";
pub const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash";
pub const NOT_FOR_SIGNING: &str = "basicConstraints=critical,CA:FALSE
keyUsage=critical,keyEncipherment
subjectKeyIdentifier=hash";
pub const TIME_STAMPS: &str = "basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
subjectKeyIdentifier=hash";

/// An authority, in a folder of its own.
pub struct Authority<'a> {
    bench: &'a Bench,
    folder: PathBuf,
    pub certificate: PathBuf,
}

/// A certificate and its key, both files in PEM.
#[derive(Clone)]
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What to put into a certificate.
pub struct Wanted<'a> {
    pub extensions: &'a str,
    /// `YYYYMMDDHHMMSSZ`.
    pub from: &'a str,
    pub until: &'a str,
    /// In hexadecimal; the next one, where there is none.
    pub serial: Option<&'a str>,
    /// What it is signed with.
    pub digest: &'a str,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self {
            extensions: SIGNER,
            from: "20200101000000Z",
            until: "20491231235959Z",
            serial: None,
            digest: "sha256",
        }
    }
}

impl<'a> Authority<'a> {
    pub fn new(bench: &'a Bench, name: &str) -> Self {
        let folder = bench.folder.join(name.replace(' ', "-"));
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let made = Self {
            bench,
            certificate: folder.join("ca.pem"),
            folder,
        };
        fs::write(made.folder.join("index.txt"), "").expect("written");
        fs::write(made.folder.join("serial"), "1000\n").expect("written");
        fs::write(made.folder.join("crlnumber"), "01\n").expect("written");
        fs::write(made.config(), made.config_text()).expect("written");
        let key = made.folder.join("ca.key");
        bench.run(&[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            text(&key),
        ]);
        let request = made.folder.join("ca.csr");
        let subject = format!("/O=keyfob tests/CN={name}");
        bench.run(&[
            "req",
            "-new",
            "-key",
            text(&key),
            "-subj",
            &subject,
            "-out",
            text(&request),
        ]);
        let extensions = made.folder.join("ca.ext");
        fs::write(&extensions, AUTHORITY).expect("written");
        // `openssl req` cannot say from when.
        bench.run(&[
            "ca",
            "-batch",
            "-config",
            text(&made.config()),
            "-selfsign",
            "-keyfile",
            text(&key),
            "-in",
            text(&request),
            "-out",
            text(&made.certificate),
            "-startdate",
            "20200101000000Z",
            "-enddate",
            "20491231235959Z",
            "-notext",
            "-extfile",
            text(&extensions),
        ]);
        made
    }

    /// A certificate for this key.
    pub fn issue(&self, name: &str, key: &Path, wanted: &Wanted<'_>) -> Issued {
        let file = |extension: &str| self.folder.join(format!("{name}.{extension}"));
        let (request, certificate) = (file("csr"), file("pem"));
        let extensions = file("ext");
        fs::write(&extensions, wanted.extensions).expect("written");
        let subject = format!("/O=keyfob tests/CN={name}");
        self.bench.run(&[
            "req",
            "-new",
            "-key",
            text(key),
            "-subj",
            &subject,
            "-out",
            text(&request),
        ]);
        if let Some(serial) = wanted.serial {
            fs::write(self.folder.join("serial"), format!("{serial}\n")).expect("written");
            // Or it would not be issued twice.
            fs::write(self.folder.join("index.txt"), "").expect("written");
        }
        self.run(&[
            "-notext",
            "-in",
            text(&request),
            "-out",
            text(&certificate),
            "-startdate",
            wanted.from,
            "-enddate",
            wanted.until,
            "-extfile",
            text(&extensions),
            "-md",
            wanted.digest,
        ]);
        Issued {
            certificate,
            key: key.to_owned(),
        }
    }

    pub fn revoke(&self, issued: &Issued) {
        self.run(&["-revoke", text(&issued.certificate)]);
    }

    /// A revocation list of what has been revoked so far.
    pub fn crl(&self) -> PathBuf {
        let path = self.folder.join("crl.pem");
        self.run(&["-gencrl", "-out", text(&path)]);
        path
    }

    /// Trust in this authority.
    pub fn trust(&self) -> Trust {
        let mut trust = Trust::new();
        trust
            .anchors_from(&self.certificate)
            .expect("a certificate");
        trust
    }

    /// Trust in this authority, with a fresh revocation list.
    pub fn trust_with_crl(&self) -> Trust {
        let mut trust = self.trust();
        trust.crls_from(self.crl()).expect("a revocation list");
        trust
    }

    fn run(&self, arguments: &[&str]) {
        let (config, key) = (self.config(), self.folder.join("ca.key"));
        let ca = [
            "ca",
            "-batch",
            "-config",
            text(&config),
            "-cert",
            text(&self.certificate),
            "-keyfile",
            text(&key),
        ];
        self.bench.run(&[&ca, arguments].concat());
    }

    fn config(&self) -> PathBuf {
        self.folder.join("ca.cnf")
    }

    fn config_text(&self) -> String {
        let folder = text(&self.folder);
        format!(
            "[ca]\ndefault_ca = here\n[here]\ndatabase = {folder}/index.txt\n\
             new_certs_dir = {folder}\nserial = {folder}/serial\ncrlnumber = {folder}/crlnumber\n\
             default_md = sha256\ndefault_crl_days = 30\nunique_subject = no\npolicy = any\n\
             [any]\norganizationName = optional\ncommonName = supplied\n"
        )
    }
}

/// What `openssl cms -sign` makes of a content, in DER where the options say nothing else.
pub fn openssl_cms(
    bench: &Bench,
    content: &[u8],
    signers: &[&Issued],
    options: &[&str],
) -> Vec<u8> {
    // Tests of one folder run at the same time.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = |name: &str| bench.folder.join(format!("cms-{number}.{name}"));
    let (input, output) = (file("in"), file("out"));
    fs::write(&input, content).expect("written");
    let mut arguments = vec![
        "cms",
        "-sign",
        "-binary",
        "-in",
        text(&input),
        "-out",
        text(&output),
    ];
    for signer in signers {
        arguments.extend([
            "-signer",
            text(&signer.certificate),
            "-inkey",
            text(&signer.key),
        ]);
        // Options of a key stand after it.
        arguments.extend(
            options
                .windows(2)
                .filter(|pair| pair[0] == "-keyopt")
                .flatten(),
        );
    }
    let mut rest = options.iter().peekable();
    while let Some(option) = rest.next() {
        match *option {
            "-keyopt" => drop(rest.next()),
            option => arguments.push(option),
        }
    }
    if !options.contains(&"-outform") {
        arguments.extend(["-outform", "DER"]);
    }
    bench.run(&arguments);
    fs::read(&output).expect("a document")
}
