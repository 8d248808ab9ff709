//! Signs documents with a key on a token, and writes each signed document (CMS, CAdES) to FILE.p7s.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --example sign_document -- --key p256 README.md
//! ```

#[path = "shared/cli.rs"]
mod cli;
#[path = "shared/http.rs"]
mod http;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cli::Result;
use indicatif::{ProgressBar, ProgressStyle};
use keyfob::{Certificate, Identities, Identity, Scheme, cms};

/// Sign documents with a key on a token.
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
    /// The certificate of the key, where the token does not have it: a DER or PEM file.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The signature scheme, for instance rsa-pss-sha256. By default the usual one of the key.
    #[arg(long, value_name = "NAME")]
    scheme: Option<Scheme>,
    /// Put the content into the signed document.
    #[arg(long)]
    attached: bool,
    /// Add a signature to the FILE.p7s that is there.
    #[arg(long)]
    cosign: bool,
    /// Have the signature stamped by the authority at this http:// URL.
    #[arg(long, value_name = "URL")]
    timestamp: Option<String>,
    /// Overwrite signed documents that are there.
    #[arg(long, conflicts_with = "cosign")]
    force: bool,
    /// What to sign.
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
        refuse_early(arguments, file)?;
    }
    let found = keyfob::discover()?;
    let token = cli::token(&found, arguments.token.as_deref(), arguments.key.as_deref())?;
    let mut identities = cli::unlock(&token)?.identities()?;
    if let Some(name) = arguments.key.as_deref() {
        identities = match keyfob::Uri::looks_like(name) {
            true => identities.uri(&name.parse()?),
            false => identities.label(name),
        };
    }
    let me = match &arguments.cert {
        Some(file) => with_certificate(&identities, file)?,
        None if arguments.key.is_some() => identities.only()?,
        None => cli::only(identities.for_signing().valid_now())?,
    };
    let me = me.with_prompt(cli::prompt());
    for (number, file) in arguments.files.iter().enumerate() {
        let place = format!("{}/{}", number + 1, arguments.files.len());
        // What is there stays until there is something whole to put in its place.
        let part = with_ending(file, ".p7s.part");
        let signed = sign(arguments, &me, file, &part, &place);
        if let Err(error) = signed {
            let _ = fs::remove_file(&part);
            return Err(format!("{}: {error}", file.display()).into());
        }
        fs::rename(&part, signed_path(file))?;
        println!("{}", signed_path(file).display());
    }
    Ok(())
}

/// The identity whose key this certificate is of.
fn with_certificate(identities: &Identities, file: &Path) -> Result<Identity> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let certificate = Certificate::read(file).map_err(|error| named(&error))?;
    let mut refused = None;
    for identity in identities.iter().filter(|one| one.key().is_some()) {
        match identity.clone().with_certificate(certificate.clone()) {
            Ok(identity) => return Ok(identity),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(
        || named(&"the token shows no key to complete"),
        |error| named(&error),
    ))?
}

fn sign(
    arguments: &Arguments,
    me: &Identity,
    file: &Path,
    output: &Path,
    place: &str,
) -> Result<()> {
    let mut signer = cms::Signer::new(me);
    if let Some(scheme) = arguments.scheme {
        signer = signer.scheme(scheme);
    }
    if let Some(url) = &arguments.timestamp {
        signer = signer.timestamp(|request| http::post_timestamp_query(url, request));
    }
    let signing = cms::sign(signer);

    let (input, cosigned) = match (arguments.cosign, arguments.attached) {
        (false, _) => (file.to_owned(), None),
        (true, true) => (signed_path(file), None),
        (true, false) => (file.to_owned(), Some(fs::read(signed_path(file))?)),
    };
    let input = File::open(input)?;
    let bar = ProgressBar::new(input.metadata()?.len());
    bar.set_style(ProgressStyle::with_template(
        "{prefix} {msg} {bytes}/{total_bytes} {bar:30} {bytes_per_sec}",
    )?);
    bar.set_prefix(place.to_owned());
    bar.set_message(file.display().to_string());
    let input = bar.wrap_read(input);
    match (arguments.cosign, arguments.attached) {
        (false, false) => fs::write(output, signing.detached().reader(input)?)?,
        (false, true) => signing.attached().seekable(input, File::create(output)?)?,
        (true, false) => {
            let document = signing.cosign(&cosigned.unwrap_or_default())?;
            fs::write(output, document.reader(input)?)?;
        }
        (true, true) => signing.cosign_attached(input, File::create(output)?)?,
    }
    bar.finish_and_clear();
    Ok(())
}

/// What can be refused before a PIN is asked for.
fn refuse_early(arguments: &Arguments, file: &Path) -> Result<()> {
    let document = signed_path(file);
    for needed in [file, &document] {
        if needed == file || arguments.cosign {
            fs::metadata(needed).map_err(|error| format!("{}: {error}", needed.display()))?;
        }
    }
    match document.exists() && !arguments.force && !arguments.cosign {
        true => Err(format!(
            "{} is there already; --cosign adds a signature to it, --force overwrites it",
            document.display()
        )
        .into()),
        false => Ok(()),
    }
}

fn signed_path(file: &Path) -> PathBuf {
    with_ending(file, ".p7s")
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
