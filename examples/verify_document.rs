//! Checks a signed document (CMS, CAdES): who signed it, when, and whether to believe it.
//!
//! Ends with 0 where it is valid, 1 where it is not, 2 where that could not be told.
//!
//! ```sh
//! cargo run --example verify_document -- contract.pdf.p7s --content contract.pdf --ca roots/
//! ```

#[path = "shared/cli.rs"]
mod cli;
#[path = "shared/report_json.rs"]
mod report_json;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use cli::Result;
use keyfob::Certificate;
use keyfob::cms::{self, Policy, Report, Verdict};
use keyfob::trust::{Revocation, Trust, Weakness};

/// Check a signed document.
#[derive(Parser)]
struct Arguments {
    /// The document or its signature: DER, BER, PEM or base64.
    file: PathBuf,
    /// What was signed, where it is not in the document.
    #[arg(long, value_name = "FILE")]
    content: Option<PathBuf>,
    /// An authority to trust: certificates in a file, or in the files of a folder.
    #[arg(long = "ca", value_name = "PEM|DER|FOLDER")]
    authorities: Vec<PathBuf>,
    /// More certificates: of signers or of authorities between.
    #[arg(long = "cert", value_name = "PEM|DER")]
    certificates: Vec<PathBuf>,
    /// A revocation list, or a folder of them.
    #[arg(long = "crl", value_name = "PEM|DER|FOLDER")]
    crls: Vec<PathBuf>,
    /// Demand a fresh revocation list for every certificate.
    #[arg(long)]
    require_crl: bool,
    /// Check as of this time, as 2026-01-31T12:00:00Z; now by default.
    #[arg(long, value_name = "TIME")]
    at: Option<der::DateTime>,
    /// Accept something weak: md5, sha1, short-rsa, gost94.
    #[arg(long, value_name = "WEAKNESS", value_parser = weakness)]
    allow: Vec<Weakness>,
    /// Demand CAdES: that the signer says which certificate it signed with.
    #[arg(long)]
    cades: bool,
    /// Where to write the content of an attached document, if it is valid.
    #[arg(long, value_name = "FILE")]
    extract: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(Verdict::Valid) => ExitCode::SUCCESS,
        Ok(Verdict::Invalid) => ExitCode::from(1),
        Ok(Verdict::CouldNotTell) => ExitCode::from(2),
        Err(error) => cli::fail(error.as_ref(), 2),
    }
}

fn run(arguments: &Arguments) -> Result<Verdict> {
    let report = check(arguments)?;
    match arguments.json {
        true => println!("{:#}", report_json::report(&report)),
        false => print!("{report}"),
    }
    if let (Some(path), Verdict::Valid) = (&arguments.extract, report.verdict()) {
        report.extract(open(&arguments.file)?, File::create(path)?)?;
    }
    Ok(report.verdict())
}

fn check(arguments: &Arguments) -> Result<Report> {
    let trust = trust(arguments)?;
    let mut policy = Policy::new();
    for weakness in &arguments.allow {
        policy = policy.allow(*weakness);
    }
    if arguments.cades {
        policy = policy.require_cades();
    }
    let certificates = arguments.certificates.iter().map(Certificate::read);
    let mut check = cms::verify(open(&arguments.file)?)
        .trust(&trust)
        .policy(policy)
        .certificates(certificates.collect::<std::result::Result<Vec<_>, _>>()?)
        .at(arguments
            .at
            .map_or_else(SystemTime::now, |time| time.to_system_time()));
    if let Some(path) = &arguments.content {
        check = check.content(open(path)?);
    }
    Ok(check.check()?)
}

fn trust(arguments: &Arguments) -> Result<Trust> {
    let mut trust = Trust::new();
    for path in &arguments.authorities {
        trust.anchors_from(path)?;
    }
    for path in &arguments.crls {
        trust.crls_from(path)?;
    }
    for weakness in &arguments.allow {
        trust.allow(*weakness);
    }
    if arguments.require_crl {
        trust.revocation(Revocation::Required);
    }
    for problem in trust.problems() {
        eprintln!("warning: {problem}");
    }
    Ok(trust)
}

fn weakness(name: &str) -> std::result::Result<Weakness, String> {
    match name {
        "md5" => Ok(Weakness::Md5),
        "sha1" => Ok(Weakness::Sha1),
        "short-rsa" => Ok(Weakness::ShortRsa),
        "gost94" => Ok(Weakness::Gost94),
        _ => Err("it is none of md5, sha1, short-rsa and gost94".into()),
    }
}

fn open(path: &Path) -> Result<File> {
    Ok(File::open(path).map_err(|error| format!("{}: {error}", path.display()))?)
}
