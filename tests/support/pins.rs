//! A card's PIN through OpenSC, which shows no flags before a login has failed: what every card
//! that tells its tries goes through. The test file has `mod pcscd`, `mod rutoken`, `mod vpcd`, and
//! a test `one_try` that is `in_new_process`.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::env;
use std::ffi::CString;
use std::process::Command;

use keyfob::{Discovery, Error, Pin, PinError, PinState, Search, Token, TriesLeft};
use pcsc::{Protocols, Scope, ShareMode};

use crate::pcscd::Reader;
use crate::rutoken::opensc::{self, run};
use crate::vpcd::{Card, Inserted};

pub const READER: Reader = Reader::First;
pub const WRONG: &str = "000000";

/// The token in the reader.
#[track_caller]
pub fn token() -> Token {
    let found = search();
    let mut tokens = found.tokens().iter();
    let token = tokens.find(|token| token.reader() == Some(READER.name()));
    let token = token.unwrap_or_else(|| panic!("{:?}", found.problems()));
    token.clone()
}

#[track_caller]
pub fn search() -> Discovery {
    // What a test that fails prints.
    let _ = log::set_logger(&Log);
    log::set_max_level(log::LevelFilter::Debug);
    let search = Search::new().module(opensc::module()).named_only();
    search.run().unwrap()
}

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{}", record.args());
    }

    fn flush(&self) {}
}

/// What came of a try: the state before it, and the answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    pub state: String,
    pub answer: String,
}

impl Attempt {
    fn new(state: PinState, answer: &str) -> Self {
        Self {
            state: format!("{state:?}"),
            answer: answer.to_owned(),
        }
    }

    fn of(token: &Token, pin: Pin) -> Self {
        let state = token.pin_state();
        match token.unlock(&pin) {
            Ok(_) => Self::new(state, "unlocked"),
            Err(Error::Pin { reason, .. }) => Self::new(state, &format!("{reason:?}")),
            Err(error) => panic!("{error}"),
        }
    }
}

fn pin(text: &str, allow_last_try: bool) -> Pin {
    match allow_last_try {
        true => Pin::from(text).allow_last_try(),
        false => Pin::from(text),
    }
}

/// Who makes the tries.
#[derive(Clone, Copy, Debug)]
pub enum By {
    ThisProcess,
    /// Each try from a process of its own.
    NewProcesses,
}

impl By {
    pub fn attempt(self, token: &mut Option<Token>, text: &str, allow_last_try: bool) -> Attempt {
        match self {
            Self::ThisProcess => {
                let token = token.get_or_insert_with(self::token);
                token.refresh().unwrap();
                Attempt::of(token, pin(text, allow_last_try))
            }
            Self::NewProcesses => {
                let allow_last_try = if allow_last_try { "yes" } else { "no" };
                let mut program = this_program("one_try");
                let printed = run(program.env(PIN, text).env(ALLOW, allow_last_try));
                let line = |name: &str| {
                    let mut lines = printed.lines();
                    let line = lines.find_map(|line| line.split_once(name));
                    line.unwrap_or_else(|| panic!("{printed}")).1.to_owned()
                };
                Attempt {
                    state: line("state: "),
                    answer: line("answer: "),
                }
            }
        }
    }
}

/// One test of this binary, in a process of its own.
pub fn this_program(test: &str) -> Command {
    let mut program = Command::new("timeout");
    program.arg("60").arg(env::current_exe().unwrap());
    program.args(["--exact", test, "--nocapture"]);
    program
}

const PIN: &str = "KEYFOB_TEST_PIN";
const ALLOW: &str = "KEYFOB_TEST_ALLOW_LAST_TRY";

/// Makes the try that its parent wants.
pub fn in_new_process() {
    let (Ok(text), Ok(allow)) = (env::var(PIN), env::var(ALLOW)) else {
        return;
    };
    let attempt = Attempt::of(&token(), pin(&text, allow == "yes"));
    println!("\nstate: {}\nanswer: {}", attempt.state, attempt.answer);
}

/// A card with its PIN, and what is known of it without keyfob.
pub struct Facts<'a, C: Card> {
    pub card: &'a Inserted<C>,
    pub pin: &'a str,
    pub tries: u8,
    /// The card's own counter.
    pub left: fn(&mut C) -> u8,
    /// What the last wrong PIN is answered.
    pub end: PinError,
    pub unblock: &'a dyn Fn(),
}

impl<C: Card> Facts<'_, C> {
    pub fn left(&self) -> u8 {
        self.card.card(self.left)
    }

    /// How often a PIN was sent.
    pub fn sent(&self) -> usize {
        let exchanges = self.card.exchanges();
        let pins = exchanges.iter();
        pins.filter(|(command, _)| command[1] == 0x20 && command.len() > 5)
            .count()
    }

    /// All that can become of a PIN, each try with its answer.
    #[track_caller]
    pub fn go_through(&self, by: By) {
        let mut token = None;
        let mut attempt = |pin: &str, allow, state, answer: &str, sent, left| {
            let before = self.sent();
            let attempt = by.attempt(&mut token, pin, allow);
            assert_eq!(attempt, Attempt::new(state, answer), "{by:?}");
            assert_eq!(self.sent() - before, sent, "{attempt:?}");
            assert_eq!(self.left(), left, "{attempt:?}");
        };
        let incorrect = |tries| format!("{:?}", PinError::Incorrect { tries });
        for left in (2..self.tries).rev() {
            let state = PinState::TriesLeft(left + 1);
            let answer = incorrect(TriesLeft::Several(left));
            attempt(WRONG, false, state, &answer, 1, left);
        }
        let answer = incorrect(TriesLeft::One);
        attempt(WRONG, true, PinState::TriesLeft(2), &answer, 1, 1);
        for pin in [WRONG, self.pin] {
            attempt(pin, false, PinState::FinalTry, "LastTry", 0, 1);
        }
        // The right one with the last try, and down again.
        attempt(
            self.pin,
            true,
            PinState::FinalTry,
            "unlocked",
            1,
            self.tries,
        );
        for left in (1..self.tries).rev() {
            let state = PinState::TriesLeft(left + 1);
            let tries = match left {
                1 => TriesLeft::One,
                left => TriesLeft::Several(left),
            };
            attempt(WRONG, false, state, &incorrect(tries), 1, left);
        }
        let end = format!("{:?}", self.end);
        attempt(WRONG, true, PinState::FinalTry, &end, 1, 0);
        for allow in [false, true] {
            attempt(self.pin, allow, PinState::Locked, "Locked", 0, 0);
        }
        (self.unblock)();
        let state = PinState::TriesLeft(self.tries);
        attempt(self.pin, false, state, "unlocked", 1, self.tries);
        let answer = match self.tries - 1 {
            left @ 2.. => incorrect(TriesLeft::Several(left)),
            _ => panic!("such a card is not tested"),
        };
        attempt(WRONG, false, state, &answer, 1, self.tries - 1);
        attempt(
            self.pin,
            false,
            PinState::TriesLeft(self.tries - 1),
            "unlocked",
            1,
            self.tries,
        );
    }

    /// Asking spends nothing, and logs out neither this process nor another program.
    #[track_caller]
    pub fn asking_disturbs_nobody(&self, verify: &[u8], is_verified: &[u8], sign: &dyn Fn(&Token)) {
        let mut token = token();
        for _ in 0..100 {
            token.refresh().unwrap();
            assert_eq!(token.pin_state(), PinState::TriesLeft(self.tries));
        }
        assert_eq!((self.left(), self.sent()), (self.tries, 0));

        // This process is logged in.
        let fob = token.unlock(&self.pin.into()).unwrap();
        for _ in 0..100 {
            token.refresh().unwrap();
        }
        // The card tells nothing then.
        assert_eq!(token.pin_state(), PinState::Unknown);
        sign(&fob);
        assert_eq!(self.sent(), 1);
        drop(fob);

        // Another program is.
        let context = pcsc::Context::establish(Scope::User).unwrap();
        let mut other = connect(&context, ShareMode::Shared);
        let send = |card: &pcsc::Card, command: &[u8]| {
            let mut room = [0; 300];
            card.transmit(command, &mut room).unwrap().to_vec()
        };
        let transaction = other.transaction().unwrap();
        assert_eq!(send(&transaction, verify), [0x90, 0x00]);
        drop(transaction);
        for _ in 0..20 {
            token.refresh().unwrap();
            assert_eq!(token.pin_state(), PinState::Unknown);
        }
        let transaction = other.transaction().unwrap();
        assert_eq!(send(&transaction, is_verified), [0x90, 0x00]);
    }
}

/// Connects to the card as another program does.
#[track_caller]
pub fn connect(context: &pcsc::Context, share: ShareMode) -> pcsc::Card {
    let name = CString::new(READER.name()).unwrap();
    context.connect(&name, share, Protocols::ANY).unwrap()
}
