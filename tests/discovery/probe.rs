//! A program that prints what it finds, for tests: what is searched for depends on the process's
//! environment, and what is loaded stays.
//!
//! Arguments: `NAME=ATR=MODULE` for each model to be known besides, the answer to reset as a
//! pattern in hexadecimal. It prints lines:
//!
//! ```text
//! module PATH
//! token LABEL in READER (or -) by FILE [or by FILE …]
//! problem TEXT
//! mapped PATH          each library in the process, whoever loaded it
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use keyfob::CardModel;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for model in env::args().skip(1) {
        let mut parts = model.split('=');
        let mut part = || parts.next().ok_or("NAME=ATR=MODULE");
        CardModel::new(part()?)
            .with_atr(part()?)?
            .with_module(part()?)
            .add_to_catalog();
    }
    let found = keyfob::discover()?;
    for module in found.modules() {
        println!("module {}", module.path().display());
    }
    for token in &found {
        let reader = token.reader().unwrap_or("-");
        print!(
            "token {} in {reader} by {}",
            token.label(),
            name(token.module().path())
        );
        for way in token.other_ways() {
            print!(" or by {}", name(way.module().path()));
        }
        println!();
    }
    for problem in found.problems() {
        println!("problem {problem}");
    }
    let maps = fs::read_to_string("/proc/self/maps")?;
    let files = maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]));
    for file in files.collect::<BTreeSet<_>>() {
        println!("mapped {file}");
    }
    Ok(())
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
