//! Signs files with a key on a token, and writes each signature to FILE.sig.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --example sign -- --key p256 README.md
//! ```

#[path = "shared/cli.rs"]
mod cli;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cli::Result;
use indicatif::{ProgressBar, ProgressStyle};
use keyfob::{PrivateKey, Scheme, Signature};

/// Sign files with a key on a token.
///
/// The PIN is taken from KEYFOB_PIN, or asked for on the terminal.
#[derive(Parser)]
struct Arguments {
    /// The token: a PKCS#11 URI, its label or its serial. Not needed where there is one.
    #[arg(long, value_name = "URI")]
    token: Option<String>,
    /// The key: a PKCS#11 URI or its label. Not needed where one identity can sign.
    #[arg(long, value_name = "URI|LABEL")]
    key: Option<String>,
    /// The signature scheme, for instance ecdsa-p256-sha256. By default the usual one of the key.
    #[arg(long, value_name = "NAME")]
    scheme: Option<Scheme>,
    /// Overwrite signatures that are there.
    #[arg(long)]
    force: bool,
    /// What to sign; `-` reads standard input and writes the signature to standard output.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(error.as_ref(), 1),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    for file in &arguments.files {
        refuse_early(file, arguments.force)?;
    }
    let found = keyfob::discover()?;
    let token = cli::token(&found, arguments.token.as_deref(), arguments.key.as_deref())?;
    let fob = cli::unlock(&token)?;
    let key = match &arguments.key {
        Some(name) => fob.key(name)?,
        None => {
            let me = cli::only(fob.identities()?.for_signing().valid_now())?;
            me.key().cloned().ok_or("the identity has no key")?
        }
    };
    let key = key.with_prompt(cli::prompt());
    let scheme = match arguments.scheme {
        Some(scheme) => scheme,
        None => Scheme::default_for(&key.key_type())
            .ok_or_else(|| format!("no scheme is known for {} keys", key.key_type()))?,
    };
    for (number, file) in arguments.files.iter().enumerate() {
        let place = format!("{}/{}", number + 1, arguments.files.len());
        let signature = sign(&key, scheme, file, &place)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        write(file, &signature, arguments.force)?;
    }
    Ok(())
}

fn sign(key: &PrivateKey, scheme: Scheme, file: &Path, place: &str) -> Result<Signature> {
    let (mut input, length): (Box<dyn Read>, _) = match is_standard(file) {
        true => (Box::new(io::stdin().lock()), None),
        false => {
            let file = File::open(file)?;
            let length = file.metadata()?.len();
            (Box::new(file), Some(length))
        }
    };
    let Some(limit) = scheme.message_limit() else {
        let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
        bar.set_style(ProgressStyle::with_template(
            "{prefix} {msg} {bytes}/{total_bytes} {bar:30} {bytes_per_sec}",
        )?);
        bar.set_prefix(place.to_owned());
        bar.set_message(file.display().to_string());
        let signature = key.sign_reader(scheme, bar.wrap_read(input))?;
        bar.finish_and_clear();
        return Ok(signature);
    };
    // One byte more than the limit is enough to be refused.
    let mut message = Vec::new();
    input
        .by_ref()
        .take(limit as u64 + 1)
        .read_to_end(&mut message)?;
    Ok(key.sign(scheme, &message)?)
}

fn write(file: &Path, signature: &Signature, force: bool) -> Result<()> {
    if is_standard(file) {
        return Ok(io::stdout().write_all(signature.as_bytes())?);
    }
    let path = signature_path(file);
    let mut options = OpenOptions::new();
    match force {
        true => options.write(true).create(true).truncate(true),
        false => options.write(true).create_new(true),
    };
    let mut output = options.open(&path).map_err(|error| in_file(&path, error))?;
    output.write_all(signature.as_bytes())?;
    println!("{} ({})", path.display(), signature.scheme());
    Ok(())
}

/// What can be refused before a PIN is asked for.
fn refuse_early(file: &Path, force: bool) -> Result<()> {
    if is_standard(file) {
        return Ok(());
    }
    fs::metadata(file).map_err(|error| in_file(file, error))?;
    let path = signature_path(file);
    match path.exists() && !force {
        true => Err(format!("{} is there already; --force overwrites it", path.display()).into()),
        false => Ok(()),
    }
}

fn signature_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

fn is_standard(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn in_file(file: &Path, error: io::Error) -> String {
    format!("{}: {error}", file.display())
}
