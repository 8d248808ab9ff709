//! Lists readers and the cards in them, modules, tokens, and who can sign with them.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --example list -- --login
//! ```

#[path = "shared/cli.rs"]
mod cli;
#[path = "shared/json.rs"]
mod json;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Parser;
use cli::Result;
use keyfob::{CardModel, Discovery, Identities, Identity, Reader, Token};

/// List readers and the cards in them, modules, tokens, and who can sign with them.
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
    // Tokens without a reader need no service for readers.
    let readers = keyfob::readers().unwrap_or_else(|error| {
        problems.push(error.to_string());
        Vec::new()
    });
    let mut listed = Vec::new();
    for token in tokens {
        if !token.flags().is_initialized() {
            listed.push((token, Vec::new()));
            continue;
        }
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
        true => println!("{:#}", json::report(&readers, &found, &listed, &problems)),
        false => {
            readers.iter().for_each(print_reader);
            print(&found, &listed);
        }
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

fn print_reader(reader: &Reader) {
    println!("reader {} ({})", reader.name(), reader.state());
    let Some(card) = reader.card() else { return };
    println!("  card {card}");
    match card.model().map(CardModel::modules) {
        None => println!("    no model that is known: name its module in KEYFOB_MODULE"),
        Some(modules) if modules.is_empty() => {
            println!("    its module is not publicly known: name it in KEYFOB_MODULE");
        }
        Some(modules) => println!("    driven by {}", modules.join(" or ")),
    }
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
        let (from, to) = cli::validity(certificate);
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
