//! Rules: calls that fail, are late, or are held.

use std::fmt::{Display, Write};
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::{CK_RV, CK_ULONG};

use super::Fault;

impl Fault {
    /// For one function, several with commas, or `*`: `fail("C_Sign").nth(2).with(code)`.
    pub fn fail(&self, functions: &str) -> Rule<'_> {
        Rule {
            fault: self,
            command: format!("rule {functions}"),
        }
    }

    pub fn clear_rules(&self) {
        self.command("clear-rules");
    }

    /// Waits until `calls` calls are held.
    #[track_caller]
    pub fn wait_until_held(&self, calls: u64) {
        let start = Instant::now();
        while self.number("held") < calls {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "no call came to be held"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets the held calls go.
    pub fn release(&self) {
        self.command("release");
    }
}

/// A rule in the making: when, then one of `with`, `after`, `delay`, `hold`, `then`.
#[must_use = "a rule is set by with, after, delay, hold or then"]
pub struct Rule<'a> {
    fault: &'a Fault,
    command: String,
}

impl Rule<'_> {
    /// On the n-th call from now alone; 1 is the next.
    pub fn nth(self, n: u64) -> Self {
        self.word("nth", n)
    }

    /// On every call from the n-th.
    pub fn from(self, n: u64) -> Self {
        self.word("from", n)
    }

    /// On the calls from the first to the last of these, both included.
    pub fn between(self, first: u64, last: u64) -> Self {
        self.word("nth", format_args!("{first}..{last}"))
    }

    /// Only calls with this value as their argument `index` (0 to 4): a slot, a user type.
    pub fn arg(self, index: usize, value: CK_ULONG) -> Self {
        self.word(&format!("arg{index}"), value)
    }

    /// They answer `code` and are not forwarded.
    #[track_caller]
    pub fn with(self, code: CK_RV) {
        self.word("return", code).set();
    }

    /// As `with`, and `command` is obeyed before the caller has the answer.
    #[track_caller]
    pub fn with_then(self, code: CK_RV, command: &str) {
        self.word("return", code).then(command);
    }

    /// They are forwarded and answer `code` all the same.
    #[track_caller]
    pub fn after(self, code: CK_RV) {
        self.word("after", code).set();
    }

    #[track_caller]
    pub fn delay(self, time: Duration) {
        self.word("delay", time.as_millis()).set();
    }

    /// They wait for `release`.
    #[track_caller]
    pub fn hold(mut self) {
        self.command.push_str(" hold");
        self.set();
    }

    /// They are forwarded, and `command` is obeyed before the caller has the answer.
    #[track_caller]
    pub fn then(mut self, command: &str) {
        self.command.push_str(" then ");
        self.command.push_str(command);
        self.set();
    }

    fn word(mut self, key: &str, value: impl Display) -> Self {
        write!(self.command, " {key}={value}").expect("a String takes everything");
        self
    }

    #[track_caller]
    fn set(self) {
        self.fault.command(&self.command);
    }
}
