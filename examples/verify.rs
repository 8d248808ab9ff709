//! Verifies a signature in software, with the public key of a certificate or of a token.
//!
//! Ends with 0 where the signature is good, 1 where it is bad, 2 where that could not be told.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --example verify -- --token keyfob --key p256 README.md README.md.sig
//! ```

#[path = "shared/cli.rs"]
mod cli;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cli::Result;
use keyfob::{Certificate, Error, PublicKey, Scheme, Uri, VerifyError};

/// Verify a signature.
#[derive(Parser)]
struct Arguments {
    /// The signer's certificate, a file in DER or PEM.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "key"])]
    cert: Option<PathBuf>,
    /// The token that has the signer's certificate or key.
    #[arg(long, value_name = "URI", required_unless_present_any = ["cert", "key"])]
    token: Option<String>,
    /// Which one on the token: a PKCS#11 URI or a label.
    #[arg(long, value_name = "URI|LABEL")]
    key: Option<String>,
    /// The signature scheme. By default the usual one of the key.
    #[arg(long, value_name = "NAME")]
    scheme: Option<Scheme>,
    /// What was signed; `-` reads standard input.
    file: PathBuf,
    /// The signature.
    signature: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => {
            println!("good signature");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("BAD signature");
            ExitCode::from(1)
        }
        Err(error) => cli::fail(error.as_ref(), 2),
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let public_key = match &arguments.cert {
        Some(path) => Certificate::read(path)?.public_key()?,
        None => on_token(arguments.token.as_deref(), arguments.key.as_deref())?,
    };
    let scheme = match arguments.scheme {
        Some(scheme) => scheme,
        None => Scheme::default_for(&public_key.key_type())
            .ok_or_else(|| format!("no scheme is known for {} keys", public_key.key_type()))?,
    };
    let signature = fs::read(&arguments.signature)
        .map_err(|error| format!("{}: {error}", arguments.signature.display()))?;
    let verdict = match scheme.message_limit() {
        None => public_key.verify_reader(scheme, open(&arguments.file)?, &signature),
        Some(limit) => {
            let mut message = Vec::new();
            open(&arguments.file)?
                .take(limit as u64 + 1)
                .read_to_end(&mut message)?;
            public_key.verify(scheme, &message, &signature)
        }
    };
    match verdict {
        Ok(()) => Ok(true),
        Err(Error::Verify(VerifyError::BadSignature { .. })) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The public key of an identity on a token. Most tokens show it without a PIN.
fn on_token(token: Option<&str>, key: Option<&str>) -> Result<PublicKey> {
    let found = keyfob::discover()?;
    let identities = cli::token(&found, token, key)?.identities()?;
    let identity = match key {
        Some(name) if Uri::looks_like(name) => {
            // The private key may be hidden, and its public half is what is wanted.
            let mut uri = Uri::new();
            let named: Uri = name.parse()?;
            if let Some(label) = named.object() {
                uri = uri.with_object(label);
            }
            if let Some(id) = named.id() {
                uri = uri.with_id(id);
            }
            identities.uri(&uri)
        }
        Some(label) => identities.label(label),
        None => identities,
    }
    .only()?;
    Ok(identity
        .public_key()
        .cloned()
        .ok_or("the token shows no public key for it")?)
}

fn open(file: &Path) -> Result<Box<dyn Read>> {
    Ok(match file.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => {
            Box::new(File::open(file).map_err(|error| format!("{}: {error}", file.display()))?)
        }
    })
}
