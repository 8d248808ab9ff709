//! The terminal prompt, on a pseudo-terminal: what it shows, takes and leaves behind.
//!
//! tests/pin_memory/probe.rs is the program that asks.
#![cfg(target_os = "linux")]

#[path = "support/probe.rs"]
mod probe;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/terminal.rs"]
mod terminal;

use softhsm::{PIN, SoftHsm};
use terminal::{Terminal, run_without};

const TOKEN: &str = "prompt";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_U: &str = "\x15";

/// What came of one question.
struct Answered {
    outcome: String,
    /// What the terminal showed, with the question.
    shown: String,
}

impl Answered {
    /// What the terminal showed after the question.
    #[track_caller]
    fn shown_after(&self) -> &str {
        let question = self.shown.split_once(": ");
        question.expect("a question was asked").1
    }
}

/// Has the probe ask on a terminal, and types `keys` when it does.
#[track_caller]
fn asked(bench: &SoftHsm, terminal: &mut Terminal, mode: &str, keys: &str) -> Answered {
    probe::token(bench, TOKEN, PIN);
    let before = terminal.settings();
    let seen = terminal.shown().len();
    let mut command = probe::command(bench, mode, "terminal", TOKEN, "");
    let ended = terminal.run(&mut command, &[keys]);
    assert!(ended.status.success(), "{}{}", ended.output, ended.errors);
    assert_eq!(terminal.settings(), before, "the terminal's settings");
    Answered {
        outcome: outcome(&ended.output),
        shown: terminal.shown()[seen..].to_owned(),
    }
}

#[track_caller]
fn outcome(output: &str) -> String {
    let mut lines = output.lines();
    let line = lines.find_map(|line| line.strip_prefix("outcome "));
    line.expect(output).to_owned()
}

#[track_caller]
fn unlock(bench: &SoftHsm, keys: &str) -> Answered {
    asked(bench, &mut Terminal::new(), "unlock", keys)
}

#[test]
fn the_pin_is_not_shown() {
    let bench = SoftHsm::start();
    for end in ["\r", "\n"] {
        let answered = unlock(&bench, &format!("{PIN}{end}"));
        assert_eq!(answered.outcome, "done");
        assert!(answered.shown.starts_with("PIN of \"prompt\" (serial "));
        assert!(answered.shown.contains(") for unlocking: "));
        assert_eq!(answered.shown_after(), "\r\n");
    }
}

#[test]
fn each_use_of_a_key_that_wants_it_is_asked_for_by_name() {
    let bench = SoftHsm::start();
    probe::token(&bench, TOKEN, PIN);
    let mut terminal = Terminal::new();
    let mut command = probe::command(&bench, "always-ask", "terminal", TOKEN, "");
    let line = format!("{PIN}\r");
    let ended = terminal.run(&mut command, &[&line, &line]);
    assert_eq!(outcome(&ended.output), "done");
    let shown = terminal.shown();
    assert!(shown.contains("for unlocking: \r\nPIN of "), "{shown}");
    assert!(
        shown.ends_with(" for a signature with the key \"always-ask\": \r\n"),
        "{shown}"
    );
}

#[test]
fn mistakes_are_corrected() {
    let bench = SoftHsm::start();
    let (head, tail) = PIN.split_at(3);
    for keys in [
        format!("{head}xy\x7f\x7f{tail}\r"),
        format!("{head}xy\x08\x08{tail}\r"),
        // More of them than there are characters.
        format!("x\x7f\x7f\x7f{PIN}\r"),
        // Characters of two, three and four bytes.
        format!("{head}\u{e9}\u{20ac}\u{1f511}\x7f\x7f\x7f{tail}\r"),
        format!("xyz{CTRL_U}{PIN}\r"),
        format!("{CTRL_U}x{CTRL_U}{PIN}\r"),
    ] {
        let answered = unlock(&bench, &keys);
        assert_eq!(answered.outcome, "done", "{keys:?}");
        assert_eq!(answered.shown_after(), "\r\n", "{keys:?}");
    }
}

/// The process goes on, and the terminal is as it was: `asked` looks at both.
#[test]
fn ctrl_c_and_an_empty_line_cancel() {
    let bench = SoftHsm::start();
    for keys in [
        CTRL_C,
        CTRL_D,
        "\r",
        &format!("{PIN}{CTRL_C}"),
        &format!("{PIN}{CTRL_D}"),
        &format!("{PIN}{CTRL_U}\r"),
        "x\x7f\r",
    ] {
        let answered = unlock(&bench, keys);
        assert!(
            answered.outcome.contains("reason: Cancelled"),
            "{keys:?}: {}",
            answered.outcome
        );
        assert_eq!(answered.shown_after(), "\r\n", "{keys:?}");
    }
}

/// What was typed before the question is not taken for an answer, which would cost a try.
#[test]
fn keys_typed_too_early_are_dropped() {
    let bench = SoftHsm::start();
    let mut terminal = Terminal::new();
    terminal.type_in("yes\ry");
    let answered = asked(&bench, &mut terminal, "unlock", &format!("{PIN}\r"));
    assert_eq!(answered.outcome, "done");
}

/// Sent with the PIN, or instead of its end, they would cost a try.
#[test]
fn keys_that_are_no_part_of_a_pin_cancel() {
    let bench = SoftHsm::start();
    let endless = "1".repeat(2000);
    for keys in ["\x1a", "\x1b[A\r", "\t\r", &endless] {
        let answered = unlock(&bench, keys);
        assert!(
            answered.outcome.contains("reason: Cancelled"),
            "{keys:?}: {}",
            answered.outcome
        );
    }
}

#[test]
fn without_a_terminal_there_is_an_error() {
    let bench = SoftHsm::start();
    probe::token(&bench, TOKEN, PIN);
    let mut command = probe::command(&bench, "unlock", "nowhere", TOKEN, "");
    let ended = run_without(&mut command);
    let outcome = outcome(&ended.output);
    assert!(
        outcome.contains("no PIN was given: cannot ask for the PIN on the terminal: "),
        "{outcome}"
    );
}

#[test]
fn a_wrong_pin_is_told_at_the_next_question() {
    let bench = SoftHsm::start();
    let wrong = unlock(&bench, "wrong\r");
    assert!(
        wrong.outcome.contains("reason: Incorrect { tries: Low }"),
        "{}",
        wrong.outcome
    );
    let right = unlock(&bench, &format!("{PIN}\r"));
    assert_eq!(right.outcome, "done");
    assert!(
        right.shown.contains(" for unlocking (few tries left): "),
        "{}",
        right.shown
    );
}

#[test]
fn the_last_try_is_asked_for_only_where_it_is_allowed() {
    let bench = SoftHsm::start();
    let refused = asked(&bench, &mut Terminal::new(), "last-try", "");
    assert!(
        refused.outcome.contains("reason: LastTry"),
        "{}",
        refused.outcome
    );
    assert_eq!(refused.shown, "", "nobody was asked");

    let line = format!("{PIN}\r");
    let allowed = asked(&bench, &mut Terminal::new(), "last-try-allowed", &line);
    assert_eq!(allowed.outcome, "done");
    assert!(
        allowed.shown.contains(" for unlocking (LAST TRY): "),
        "{}",
        allowed.shown
    );
}
