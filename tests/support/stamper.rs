//! OpenSSL as a time stamp authority (`openssl ts`).
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What OpenSSL stamps with when nothing else is asked for.
pub const POLICY: &str = "1.2.3.4.1";

/// An authority with a folder of its own.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    /// `digests`: those that it knows, as `sha256, sha384`.
    pub fn new(folder: &Path, digests: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let authority = Self {
            folder: folder.to_owned(),
        };
        let configuration = format!(
            "[tsa]\ndefault_tsa = here\n[here]\nserial = serial\nsigner_cert = tsa.pem\n\
             signer_key = tsa.key\nsigner_digest = sha256\ndefault_policy = {POLICY}\n\
             other_policies = 1.2.3.4.5\ndigests = {digests}\naccuracy = secs:1, millisecs:500\n\
             clock_precision_digits = 3\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n\
             [req]\ndistinguished_name = name\n[name]\n[extensions]\n\
             keyUsage = critical,digitalSignature\nextendedKeyUsage = critical,timeStamping\n"
        );
        fs::write(folder.join("ts.conf"), configuration).unwrap();
        fs::write(folder.join("serial"), "1001").unwrap();
        authority.openssl(&[
            "req",
            "-x509",
            "-config",
            "ts.conf",
            "-extensions",
            "extensions",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "tsa.key",
            "-out",
            "tsa.pem",
            "-subj",
            "/CN=Time Stamp Authority",
            "-days",
            "30",
            "-sha256",
        ]);
        authority
    }

    /// The answer to a request.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        self.write("request", request);
        self.openssl(&[
            "ts",
            "-reply",
            "-config",
            "ts.conf",
            "-queryfile",
            "request",
            "-out",
            "answer",
        ]);
        Ok(fs::read(self.folder.join("answer"))?)
    }

    /// A request that OpenSSL makes of these bytes.
    pub fn request(&self, data: &[u8], options: &[&str]) -> Vec<u8> {
        self.write("data", data);
        let query = ["ts", "-query", "-data", "data", "-out", "query"];
        self.openssl(&[&query, options].concat());
        fs::read(self.folder.join("query")).unwrap()
    }

    /// Whether OpenSSL accepts this token, a ContentInfo, as a stamp of these bytes.
    pub fn accepts(&self, token: &[u8], data: &[u8]) -> bool {
        self.write("token", token);
        self.write("data", data);
        let verify = [
            "ts",
            "-verify",
            "-data",
            "data",
            "-in",
            "token",
            "-token_in",
        ];
        let trusted = ["-CAfile", "tsa.pem"];
        let output = self.command(&[&verify[..], &trusted].concat()).output();
        output.unwrap().status.success()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = self.command(arguments).output();
        let output = output.expect("openssl runs; ./softhsm-setup.sh installs it");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(&self.folder);
        command
    }
}
