//! Lists modules, tokens, and who can sign with them.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --example list -- --login
//! ```

#[path = "shared/cli.rs"]
mod cli;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use cli::Result;
use keyfob::{Certificate, Discovery, Identities, Identity, Token};
use serde_json::{Value, json};

/// List modules, tokens, and who can sign with them.
#[derive(Parser)]
struct Arguments {
    /// Only this token: a PKCS#11 URI, its label or its serial.
    #[arg(long, value_name = "URI")]
    token: Option<String>,
    /// Unlock the token first: most show their private keys only then. The PIN is taken from
    /// KEYFOB_PIN, or asked for.
    #[arg(long)]
    login: bool,
    /// For machines.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(error.as_ref(), 1),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let found = keyfob::discover()?;
    let mut problems: Vec<String> = found.problems().iter().map(ToString::to_string).collect();
    let tokens = match (&arguments.token, arguments.login) {
        (Some(name), _) => vec![found.select(name)?],
        // One PIN is for one token: tried on others, it would cost them a try each.
        (None, true) => vec![found.only()?],
        (None, false) => found.tokens().to_vec(),
    };
    let mut listed = Vec::new();
    for token in tokens {
        match identities(&token, arguments.login) {
            Ok(identities) => {
                problems.extend(identities.problems().iter().map(ToString::to_string));
                listed.push((token, identities.into_iter().collect()));
            }
            Err(error) if arguments.login => return Err(error),
            Err(error) => {
                problems.push(error.to_string());
                listed.push((token, Vec::new()));
            }
        }
    }
    match arguments.json {
        true => println!("{:#}", as_json(&found, &listed, &problems)),
        false => print(&found, &listed),
    }
    for problem in problems {
        eprintln!("problem: {problem}");
    }
    Ok(())
}

fn identities(token: &Token, login: bool) -> Result<Identities> {
    Ok(match login {
        true => cli::unlock(token)?.identities()?,
        false => token.identities()?,
    })
}

fn print(found: &Discovery, listed: &[(Token, Vec<Identity>)]) {
    for module in found.modules() {
        println!("module {}", module.path().display());
        for (token, identities) in listed.iter().filter(|(token, _)| token.module() == module) {
            let slot = token.slot_description().unwrap_or_default();
            println!("  slot {} {slot}", token.slot_id());
            if !token.flags().is_initialized() {
                println!("    a token that is not initialised");
                continue;
            }
            println!("    token {} ({})", token.label(), token.pin_state());
            println!("      {} {}", token.manufacturer(), token.model());
            println!("      {}", token.uri());
            for identity in identities {
                print_identity(identity);
            }
        }
    }
}

fn print_identity(identity: &Identity) {
    println!("      - {} ({})", identity.label(), identity.key_type());
    if let Some(certificate) = identity.certificate() {
        println!("        owner   {}", certificate.subject());
        println!("        issuer  {}", certificate.issuer());
        let (from, to) = validity(certificate);
        let now = match certificate.is_valid_at(SystemTime::now()) {
            true => "",
            false => " (NOT VALID NOW)",
        };
        println!("        valid   {from} to {to}{now}");
    }
    match identity.key() {
        Some(key) => println!("        key     {}", key.protection()),
        None => println!("        key     {}", identity.key_status()),
    }
    println!("        {}", identity.uri());
}

fn as_json(found: &Discovery, listed: &[(Token, Vec<Identity>)], problems: &[String]) -> Value {
    let modules: Vec<_> = found.modules().iter().map(|one| one.path()).collect();
    let tokens: Vec<_> = listed
        .iter()
        .map(|(token, identities)| {
            json!({
                "label": token.label(), "serial": token.serial(),
                "manufacturer": token.manufacturer(), "model": token.model(),
                "initialized": token.flags().is_initialized(),
                "pin_state": token.pin_state().to_string(),
                "slot": token.slot_id(), "module": token.module().path(),
                "uri": token.uri().to_string(),
                "identities": identities.iter().map(identity_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "modules": modules, "tokens": tokens, "problems": problems })
}

fn identity_json(identity: &Identity) -> Value {
    json!({
        "label": identity.label(), "uri": identity.uri().to_string(),
        "key_type": identity.key_type().to_string(),
        "key_status": identity.key_status().to_string(),
        "never_left_token": identity.key().map(|key| key.protection().never_left_token()),
        "protection": identity.key().map(|key| key.protection().to_string()),
        "certificate": identity.certificate().map(|certificate| json!({
            "subject": certificate.subject(), "issuer": certificate.issuer(),
            "serial": certificate.serial_hex(),
            "not_before": validity(certificate).0, "not_after": validity(certificate).1,
            "for_signing": certificate.allows_signing(),
        })),
    })
}

/// The first and last moment, as RFC 3339 writes them.
fn validity(certificate: &Certificate) -> (String, String) {
    let text = |time| {
        der::DateTime::from_system_time(time).map_or_else(|_| "?".into(), |time| time.to_string())
    };
    (
        text(certificate.not_before()),
        text(certificate.not_after()),
    )
}
