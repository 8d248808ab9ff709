//! Prints what happens to readers and tokens, until Ctrl-C.
//!
//! ```sh
//! cargo run --example watch
//! ```

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use keyfob::ReaderEvent;

/// Print what happens to readers and tokens, until Ctrl-C.
#[derive(Parser)]
struct Arguments {
    /// End after so many events.
    #[arg(long, value_name = "N")]
    events: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let limit = arguments.events.unwrap_or(usize::MAX);
    for event in keyfob::watch()?.take(limit) {
        let event = event?;
        println!("{event}");
        if let ReaderEvent::TokenInserted { card, .. } = &event
            && let Some(model) = card.model()
        {
            let modules = match model.modules() {
                none if none.is_empty() => "a module that its maker has to name".to_owned(),
                modules => modules.join(" or "),
            };
            println!("  made by {}, driven by {modules}", model.vendor());
        }
        // Whoever reads this through a pipe wants it now.
        io::stdout().flush()?;
    }
    Ok(())
}
