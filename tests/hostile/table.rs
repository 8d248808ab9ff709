//! What was answered wrongly, and what came of it, to be printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use crate::fault::Mutation;

#[derive(Default)]
pub struct Table {
    mutations: BTreeMap<Mutation, u64>,
    outcomes: BTreeMap<String, u64>,
}

impl Table {
    pub fn add(&mut self, mutations: BTreeMap<Mutation, u64>, outcomes: BTreeMap<String, u64>) {
        for (mutation, count) in mutations {
            *self.mutations.entry(mutation).or_default() += count;
        }
        for (outcome, count) in outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
    }

    pub fn mutations(&self) -> u64 {
        self.mutations.values().sum()
    }

    /// Those of these that were never made.
    pub fn never<'a>(&self, all: impl Iterator<Item = &'a Mutation>) -> Vec<&'a Mutation> {
        all.filter(|one| !self.mutations.contains_key(*one))
            .collect()
    }

    /// Not by `println!`, which shows nothing of a test that passes.
    pub fn print(&self) {
        let mut out = io::stdout().lock();
        let functions: BTreeSet<_> = self
            .mutations
            .keys()
            .map(|(function, _)| function)
            .collect();
        let mut line =
            |text: String| writeln!(out, "{text}").expect("the output can be written to");
        for function in functions {
            let made = self.mutations.iter().filter(|((of, _), _)| of == function);
            let all: u64 = made.clone().map(|(_, count)| count).sum();
            line(format!("{function:<20}{all:>8}"));
            for ((_, kind), count) in made {
                line(format!("    {kind:<16}{count:>8}"));
            }
        }
        line(format!("{:<20}{:>8}", "all", self.mutations()));
        for (outcome, count) in &self.outcomes {
            line(format!("{outcome:<28}{count:>8}"));
        }
    }
}
