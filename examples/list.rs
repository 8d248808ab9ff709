//! Lists readers and the cards in them, modules, tokens, and who can sign with them.
//!
//! ```sh
//! ./softhsm-setup.sh cargo run --example list -- --login
//! ```

#[path = "shared/cli.rs"]
mod cli;
#[path = "shared/json.rs"]
mod json;
#[path = "shared/text.rs"]
mod text;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use cli::Result;
use keyfob::{Identities, Token};

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
    problems.dedup();
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
    let report = match arguments.json {
        true => format!("{:#}\n", json::report(&readers, &found, &listed, &problems)),
        false => text::report(&readers, &found, &listed),
    };
    match io::stdout().write_all(report.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        outcome => outcome?,
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
