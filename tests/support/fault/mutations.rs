//! Random wrong answers.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;

/// A function, and what is wrong with its answer.
pub type Mutation = (String, String);

impl Fault {
    /// From now on one call in `one_in` of these functions, or of all where none is named, is
    /// answered wrongly. The same seed gives the same answers.
    pub fn mutate(&self, seed: u64, one_in: u64, functions: &[&str]) {
        let functions = match functions {
            [] => String::new(),
            some => format!(" functions={}", some.join(",")),
        };
        self.command(&format!(
            "find sort\nmutate seed={seed} one-in={one_in}{functions}"
        ));
    }

    /// All that was asked for is still known.
    pub fn stop_mutating(&self) {
        self.command("mutate off");
    }

    /// How many of each there were.
    pub fn mutations(&self) -> BTreeMap<Mutation, u64> {
        let lines = self.command("mutations");
        let read = |line: &str| {
            let (mutation, count) = line.rsplit_once(' ').expect("a count");
            (pair(mutation), count.parse().expect("a number"))
        };
        lines.lines().map(read).collect()
    }

    /// The first of them, in order.
    pub fn mutation_log(&self) -> Vec<String> {
        let lines = self.command("mutations log");
        lines.lines().map(Into::into).collect()
    }

    /// All that there can be.
    pub fn all_mutations(&self) -> BTreeSet<Mutation> {
        self.command("mutations kinds").lines().map(pair).collect()
    }
}

fn pair(line: &str) -> Mutation {
    let (function, kind) = line.split_once(' ').expect("a function and a kind");
    (function.to_owned(), kind.to_owned())
}
