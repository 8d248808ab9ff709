//! OpenSSL as the independent judge of signatures.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyfob::{DigestAlgorithm, PublicKey, Scheme};

/// OpenSSL with one public key.
pub struct Judge {
    folder: PathBuf,
    key: PathBuf,
}

impl Judge {
    pub fn new(folder: &Path, key: &PublicKey) -> Self {
        let path = folder.join("judge.pem");
        fs::write(&path, key.to_pem()).expect("the target folder can be written to");
        Self {
            folder: folder.to_owned(),
            key: path,
        }
    }

    /// Whether OpenSSL accepts the signature.
    pub fn accepts(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let file = |name: &str, content: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, content).expect("the target folder can be written to");
            path
        };
        let message = file("judge.message", message);
        let signature = file("judge.signature", signature);
        let mut command = Command::new("openssl");
        match scheme.digest_algorithm() {
            Some(digest) => {
                command.arg("dgst").arg(option(digest));
                if scheme.name().starts_with("rsa-pss") {
                    command.args(["-sigopt", "rsa_padding_mode:pss"]);
                    command.args(["-sigopt", "rsa_pss_saltlen:digest"]);
                }
                command.arg("-verify").arg(&self.key);
                command.arg("-signature").arg(signature).arg(message);
            }
            None => {
                command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]);
                command.arg(&self.key).arg("-in").arg(message);
                command.arg("-sigfile").arg(signature);
            }
        }
        let output = command
            .output()
            .expect("openssl runs; ./softhsm-setup.sh installs it");
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.success() {
            true => true,
            // A refusal, and not a failure to judge.
            false => {
                let refusal = ["Verification failure", "Signature Verification Failure"];
                assert!(
                    refusal.iter().any(|text| said.contains(text)),
                    "{command:?}: {said}{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                false
            }
        }
    }
}

fn option(digest: DigestAlgorithm) -> &'static str {
    match digest {
        DigestAlgorithm::Sha256 => "-sha256",
        DigestAlgorithm::Sha384 => "-sha384",
        DigestAlgorithm::Sha512 => "-sha512",
        other => panic!("{other} is not known here"),
    }
}
