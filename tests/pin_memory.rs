//! Nothing of a PIN is left in the process's memory once it has been used and dropped.
//!
//! tests/pin_memory/probe.rs uses a random PIN in a process of its own, drops everything, and
//! searches all its memory, freed memory and old stack frames too, for the PIN and for any eight
//! bytes of it.
#![cfg(target_os = "linux")]

#[path = "support/probe.rs"]
mod probe;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/terminal.rs"]
mod terminal;

use std::fs::{self, File};
use std::io::Read;
use std::sync::OnceLock;

use softhsm::SoftHsm;
use terminal::{Ended, Terminal};

const TOKEN: &str = "pin memory";

/// What a probe found.
struct Report {
    outcome: String,
    pieces: usize,
    whole: usize,
    /// The mappings, with what is in them.
    found: Vec<String>,
}

impl Report {
    #[track_caller]
    fn of(ended: &Ended, name: &str, pin: &str) -> Self {
        let said = format!("{name}:\n{}{}", ended.output, ended.errors);
        println!("{said}");
        assert!(ended.status.success(), "{said}");
        assert!(!said.contains(pin), "the PIN was printed");
        let line = |start| {
            let mut lines = ended.output.lines();
            lines
                .find_map(|line| line.strip_prefix(start))
                .expect(&said)
        };
        let (bytes, unreadable) = line("scanned ").split_once(" unreadable ").expect(&said);
        assert!(bytes.parse::<usize>().expect(&said) > 1 << 20, "{said}");
        // The kernel's own pages for the clock.
        for name in unreadable.split(['[', ']', '"', ',', ' ']) {
            assert!(name.is_empty() || name.starts_with("vvar"), "{said}");
        }
        let mut report = Self {
            outcome: line("outcome ").to_owned(),
            pieces: 0,
            whole: 0,
            found: Vec::new(),
        };
        for line in ended.output.lines() {
            if let Some(rest) = line.strip_prefix("found ") {
                let words: Vec<&str> = rest.split(' ').collect();
                report.pieces += words[1].parse::<usize>().expect(line);
                report.whole += words[3].parse::<usize>().expect(line);
                report.found.push(rest.to_owned());
            }
        }
        report
    }
}

/// Letters and digits, of which no eight stand in memory by accident; and so many that a freed copy
/// is not soon given to somebody else, as memory of common sizes is.
fn random_pin() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = [0u8; 121];
    let source = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random));
    source.expect("the system has randomness");
    random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}

/// The PIN of the token that the tests here share.
fn right_pin(bench: &SoftHsm) -> &'static str {
    static RIGHT: OnceLock<String> = OnceLock::new();
    let pin = RIGHT.get_or_init(random_pin);
    probe::token(bench, TOKEN, pin);
    pin
}

#[track_caller]
fn from_file(bench: &SoftHsm, mode: &str, pin: &str) -> Report {
    let path = bench.folder().join("pin");
    fs::write(&path, format!("{pin}\n")).expect("the target folder can be written to");
    let source = format!("file:{}", path.display());
    let mut command = probe::command(bench, mode, &source, TOKEN, pin);
    Report::of(
        &terminal::run_without(&mut command),
        &format!("{mode}, from a file"),
        pin,
    )
}

#[track_caller]
fn from_terminal(bench: &SoftHsm, mode: &str, pin: &str, times: usize) -> Report {
    let mut terminal = Terminal::new();
    let mut command = probe::command(bench, mode, "terminal", TOKEN, pin);
    let ended = terminal.run(&mut command, &vec![format!("{pin}\r").as_str(); times]);
    Report::of(&ended, &format!("{mode}, from the terminal"), pin)
}

#[track_caller]
fn from_other(bench: &SoftHsm, mode: &str, source: &str, pin: &str) -> Report {
    let mut command = probe::command(bench, mode, source, TOKEN, pin);
    command.env(
        "PROBE_PIN",
        if source.starts_with("env") { pin } else { "" },
    );
    let ended = terminal::run_without(&mut command);
    Report::of(&ended, &format!("{mode}, source {source}"), pin)
}

/// What SoftHSM itself leaves, used without keyfob: nothing where it was built with OpenSSL 3. With
/// a module that leaves more, keyfob can be held to no less than the module.
fn left_by_module(bench: &SoftHsm) -> usize {
    static LEFT: OnceLock<usize> = OnceLock::new();
    *LEFT.get_or_init(|| {
        let (right, wrong) = (right_pin(bench), random_pin());
        let mut left = 0;
        for (mode, pin, outcome) in [
            ("bare", right, "done"),
            ("bare-open", right, "done"),
            ("bare", &wrong, "panicked"),
        ] {
            let report = from_other(bench, mode, "text", pin);
            assert_eq!(report.outcome, outcome);
            left = left.max(report.pieces);
        }
        println!("SoftHSM itself leaves {left} pieces of a PIN\n");
        left
    })
}

#[track_caller]
fn assert_nothing_left(bench: &SoftHsm, report: &Report, outcome: &str) {
    assert!(report.outcome.contains(outcome), "{}", report.outcome);
    let allowed = left_by_module(bench);
    let found = &report.found;
    assert!(
        report.pieces <= allowed,
        "SoftHSM itself leaves {allowed}; found {found:#?}"
    );
}

#[test]
fn the_scan_finds_what_is_left() {
    let bench = SoftHsm::start();
    let pin = random_pin();
    for (mode, whole, mapping) in [
        ("leak-kept", 1, "[heap]"),
        // The allocator writes over the beginning of what is given back to it.
        ("leak-freed", 0, "[heap]"),
        ("leak-stack", 1, "[stack]"),
    ] {
        let report = from_other(&bench, mode, "text", &pin);
        assert_eq!(report.outcome, "done");
        assert_eq!((report.pieces, report.whole), (1, whole), "{mode}");
        assert!(report.found[0].ends_with(mapping), "{:?}", report.found);
    }
}

#[test]
fn nothing_is_left_of_a_pin_from_a_file() {
    let bench = SoftHsm::start();
    let pin = right_pin(&bench);
    for (mode, outcome) in [
        ("ask", "Cancelled"),
        ("unlock", "done"),
        ("held", "done"),
        ("always-ask", "done"),
        ("panic", "panicked"),
        ("panic-later", "panicked"),
    ] {
        assert_nothing_left(&bench, &from_file(&bench, mode, pin), outcome);
    }
    let wrong = from_file(&bench, "unlock", &random_pin());
    assert_nothing_left(&bench, &wrong, "Incorrect");
}

#[test]
fn nothing_is_left_of_a_pin_from_the_terminal() {
    let bench = SoftHsm::start();
    let pin = right_pin(&bench);
    for (mode, times, outcome) in [
        ("ask", 1, "Cancelled"),
        ("unlock", 1, "done"),
        ("held", 1, "done"),
        ("always-ask", 2, "done"),
        ("panic", 1, "panicked"),
    ] {
        let report = from_terminal(&bench, mode, pin, times);
        assert_nothing_left(&bench, &report, outcome);
    }
    let wrong = from_terminal(&bench, "unlock", &random_pin(), 1);
    assert_nothing_left(&bench, &wrong, "Incorrect");
}

/// A `String` given away is wiped with its room to spare.
#[test]
fn nothing_is_left_of_a_pin_that_was_text() {
    let bench = SoftHsm::start();
    let pin = right_pin(&bench);
    for (mode, outcome) in [
        ("ask", "Cancelled"),
        ("unlock", "done"),
        ("panic-later", "panicked"),
    ] {
        let report = from_other(&bench, mode, "text", pin);
        assert_nothing_left(&bench, &report, outcome);
    }
    let wrong = from_other(&bench, "unlock", "text", &random_pin());
    assert_nothing_left(&bench, &wrong, "Incorrect");
}

/// The environment, which the kernel puts at the stack's beginning, is the caller's.
#[test]
fn the_environment_alone_keeps_a_pin_that_was_in_it() {
    let bench = SoftHsm::start();
    let pin = right_pin(&bench);
    let allowed = left_by_module(&bench);
    for (mode, outcome) in [("ask", "Cancelled"), ("unlock", "done")] {
        let report = from_other(&bench, mode, "env:PROBE_PIN", pin);
        assert!(report.outcome.contains(outcome), "{}", report.outcome);
        assert_eq!(report.whole, 1, "{:#?}", report.found);
        assert!(report.pieces <= 1 + allowed, "{:#?}", report.found);
        let last = report.found.last().expect("it was found");
        assert!(last.ends_with("[stack]"), "{last}");
    }
}
