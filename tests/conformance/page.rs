//! The page that tells what was tested: it must say what the tests found, no more and no less.

use std::fs;
use std::path::Path;

use crate::bench::Bench;
use crate::checks::CHECKS;

const PAGE: &str = "docs/modules-tested.md";

/// docs/modules-tested.md: a table with a column for each module, and a chapter on each, which has a
/// table of what it lacks.
pub struct Page(Vec<String>);

impl Page {
    #[track_caller]
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        let text = fs::read_to_string(path).expect("the page is there");
        Self(text.lines().map(str::to_owned).collect())
    }

    #[track_caller]
    pub fn agrees_with(&self, bench: &Bench<'_>) {
        let lacks = |name| bench.lacks.iter().any(|lack| lack.check == name);
        let tested = CHECKS.iter().map(|check| {
            let told = if lacks(check.name) { "–" } else { "yes" };
            (check.name.to_owned(), told.to_owned())
        });
        let tested: Vec<_> = tested.collect();
        assert_eq!(self.column(bench.name), tested, "{PAGE}: {}", bench.name);
        let lacking = bench.lacks.iter();
        let mut lacking: Vec<_> = lacking
            .map(|lack| (lack.check.to_owned(), lack.why.to_owned()))
            .collect();
        let mut told = self.lacks_of(bench.name);
        lacking.sort();
        told.sort();
        assert_eq!(told, lacking, "{PAGE}: {}", bench.name);
    }

    /// The first cell of each row of the large table, with that of this module.
    fn column(&self, name: &str) -> Vec<(String, String)> {
        let mut rows = self.0.iter().map(|line| cells(line));
        let head = rows.find(|row| row.iter().any(|cell| cell == name));
        let head = head.unwrap_or_else(|| panic!("{PAGE} has no column {name}"));
        let at = head.iter().position(|cell| cell == name).unwrap_or(0);
        rows.skip(1)
            .take_while(|row| row.len() == head.len())
            .map(|row| (row[0].clone(), row[at].clone()))
            .collect()
    }

    /// The rows of the table in the chapter on this module.
    fn lacks_of(&self, name: &str) -> Vec<(String, String)> {
        let heading = format!("## {name}");
        let lines = self.0.iter().skip_while(|line| **line != heading).skip(1);
        let chapter = lines.take_while(|line| !line.starts_with("## "));
        let rows = chapter.map(|line| cells(line));
        // Without the head and the line below it.
        rows.filter(|row| row.len() == 2)
            .skip(2)
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect()
    }
}

/// The cells of a table's row; none of another line.
fn cells(line: &str) -> Vec<String> {
    let row = line.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
    let cells = row.map(|row| row.split('|').map(|cell| cell.trim().to_owned()));
    cells.map(Iterator::collect).unwrap_or_default()
}
