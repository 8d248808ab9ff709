//! What came of the cases, to be printed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// For each function: its cases, and in how many of them each kind of error came.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<String, Row>,
}

#[derive(Default)]
struct Row {
    cases: usize,
    unnoticed: usize,
    errors: BTreeMap<&'static str, usize>,
}

impl Table {
    pub fn add(&mut self, function: &str, errors: BTreeSet<&'static str>) {
        let row = self.rows.entry(function.to_owned()).or_default();
        row.cases += 1;
        row.unnoticed += usize::from(errors.is_empty());
        for kind in errors {
            *row.errors.entry(kind).or_default() += 1;
        }
    }

    pub fn cases(&self) -> usize {
        self.rows.values().map(|row| row.cases).sum()
    }

    /// Not by `println!`, which shows nothing of a test that passes.
    pub fn print(&self) {
        let mut out = io::stdout().lock();
        let kinds = self.rows.values().flat_map(|row| row.errors.keys());
        let kinds: BTreeSet<_> = kinds.copied().collect();
        let mut line = |name: &str, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
            writeln!(out, "{name:<20}{cells}").expect("the output can be written to");
        };
        let heads = ["cases", "no error"]
            .into_iter()
            .chain(kinds.iter().copied());
        line("", heads.map(str::to_owned).collect());
        for (function, row) in &self.rows {
            let counts = kinds
                .iter()
                .map(|kind| row.errors.get(kind).copied().unwrap_or(0));
            let counts = [row.cases, row.unnoticed].into_iter().chain(counts);
            line(function, counts.map(|count| count.to_string()).collect());
        }
        line("all", vec![self.cases().to_string()]);
    }
}
