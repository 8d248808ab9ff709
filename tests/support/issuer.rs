//! OpenSSL with keys in software: it signs, and issues certificates.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use keyfob::{Certificate, Curve, KeyType, Scheme};

/// OpenSSL with a folder of its own.
pub struct Bench {
    pub folder: PathBuf,
}

impl Bench {
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("issuer")
            .join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        Self { folder }
    }

    /// A private key in software, made once in a test.
    pub fn key(&self, key_type: KeyType) -> PathBuf {
        let curve = |name| ["-algorithm", "EC", "-pkeyopt", name];
        let name = key_type.to_string();
        let path = self.folder.join(format!("{name}.key"));
        if path.exists() {
            return path;
        }
        match key_type {
            KeyType::Rsa { .. } => self.genpkey(&name, &["-algorithm", "RSA"]),
            KeyType::Ec(Curve::P256) => self.genpkey(&name, &curve("ec_paramgen_curve:P-256")),
            KeyType::Ec(Curve::P384) => self.genpkey(&name, &curve("ec_paramgen_curve:P-384")),
            KeyType::Ec(_) => self.genpkey(&name, &curve("ec_paramgen_curve:P-521")),
            _ => self.genpkey(&name, &["-algorithm", "ED25519"]),
        }
    }

    pub fn genpkey(&self, name: &str, options: &[&str]) -> PathBuf {
        let path = self.folder.join(format!("{name}.key"));
        self.run(&[&["genpkey"], options, &["-out", text(&path)]].concat());
        path
    }

    pub fn public_pem(&self, key: &Path) -> String {
        let output = self.run(&["pkey", "-in", text(key), "-pubout"]);
        String::from_utf8(output.stdout).expect("PEM is ASCII")
    }

    /// A self-signed certificate.
    pub fn certificate(&self, key: &Path, scheme: Scheme, options: &[&str]) -> Certificate {
        let path = self.folder.join("certificate.pem");
        let mut arguments = vec!["req", "-x509", "-days", "30", "-key", text(key)];
        arguments.extend(scheme_options(scheme));
        arguments.extend(options);
        arguments.extend(["-out", text(&path)]);
        self.run(&arguments);
        Certificate::read(&path).expect("a sound certificate")
    }

    pub fn sign(&self, scheme: Scheme, key: &Path, message: &[u8]) -> Vec<u8> {
        let input = self.folder.join("message");
        let output = self.folder.join("signature");
        fs::write(&input, message).expect("written");
        let mut arguments = match scheme {
            Scheme::Ed25519 => vec!["pkeyutl", "-sign", "-rawin", "-inkey", text(key), "-in"],
            _ => [
                &["dgst"],
                scheme_options(scheme).as_slice(),
                &["-sign", text(key)],
            ]
            .concat(),
        };
        match scheme {
            Scheme::Ed25519 => arguments.extend([text(&input), "-out", text(&output)]),
            _ => arguments.extend(["-out", text(&output), text(&input)]),
        }
        self.run(&arguments);
        fs::read(&output).expect("a signature")
    }

    pub fn openssl_accepts(
        &self,
        scheme: Scheme,
        key: &Path,
        message: &[u8],
        bytes: &[u8],
    ) -> bool {
        let input = self.folder.join("message");
        let signature = self.folder.join("signature");
        fs::write(&input, message).expect("written");
        fs::write(&signature, bytes).expect("written");
        let (input, signature, key) = (text(&input), text(&signature), text(key));
        let arguments = match scheme {
            Scheme::Ed25519 => vec![
                "pkeyutl", "-verify", "-rawin", "-inkey", key, "-in", input, "-sigfile", signature,
            ],
            _ => [
                &["dgst"],
                scheme_options(scheme).as_slice(),
                &["-prverify", key, "-signature", signature, input],
            ]
            .concat(),
        };
        self.output(&arguments).status.success()
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

/// The schemes that it knows without an engine.
pub fn schemes() -> impl Iterator<Item = Scheme> {
    let all = Scheme::ALL.iter().copied();
    all.filter(|scheme| !scheme.name().starts_with("gost"))
}

/// The digest and padding, for `openssl dgst` and `openssl req`.
fn scheme_options(scheme: Scheme) -> Vec<&'static str> {
    let digest = match scheme.digest_algorithm().map(|digest| digest.output_len()) {
        Some(32) => "-sha256",
        Some(48) => "-sha384",
        Some(_) => "-sha512",
        None => return vec![],
    };
    match scheme {
        Scheme::RsaPssSha256 | Scheme::RsaPssSha384 | Scheme::RsaPssSha512 => vec![
            digest,
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:digest",
        ],
        _ => vec![digest],
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder's name is UTF-8")
}
