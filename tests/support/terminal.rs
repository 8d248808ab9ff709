//! A pseudo-terminal with a program on it, and somebody who types. Nothing here can hang.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetattr;

/// For a program that signs once; loaded machines are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal: its keyboard and screen here, its other end for a program.
pub struct Terminal {
    keyboard: File,
    /// Held open, or the screen would be gone with the program.
    line: File,
    shown: String,
}

/// A program that has ended.
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

impl Terminal {
    pub fn new() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).expect("the machine has pseudo-terminals");
        grantpt(&keyboard).expect("it is ours");
        unlockpt(&keyboard).expect("it is ours");
        let name = ptsname(&keyboard, Vec::new()).expect("it has a name");
        // The test may have no terminal itself, and this must not become it.
        let flags = i32::try_from(OpenptFlags::NOCTTY.bits()).expect("a small flag");
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true).write(true), flags);
        let path = OsStr::from_bytes(name.as_bytes());
        Self {
            keyboard: keyboard.into(),
            line: options.open(path).expect("it can be opened"),
            shown: String::new(),
        }
    }

    /// Echo, line editing, signals and the rest, as text to compare.
    pub fn settings(&self) -> String {
        format!("{:?}", tcgetattr(&self.line).expect("it is a terminal"))
    }

    pub fn type_in(&mut self, keys: &str) {
        let typed = self.keyboard.write_all(keys.as_bytes());
        typed.expect("the terminal takes it");
    }

    /// What has been on the screen up to now.
    pub fn shown(&mut self) -> &str {
        while self.wait_for_output(Duration::ZERO) {
            let mut text = [0; 4096];
            let count = self.keyboard.read(&mut text).expect("the screen");
            self.shown
                .push_str(&String::from_utf8_lossy(&text[..count]));
        }
        &self.shown
    }

    /// Runs a program with this terminal as its standard input, and types the next answer each
    /// time it has shown a question.
    #[track_caller]
    pub fn run(&mut self, command: &mut Command, answers: &[&str]) -> Ended {
        let line = self.line.try_clone().expect("a file handle");
        let mut answers = answers.iter();
        let mut answered = 0;
        run(command.stdin(line), |child| {
            self.wait_for_output(Duration::from_millis(20));
            if self.shown().len() > answered && self.shown.ends_with(": ") {
                answered = self.shown.len();
                match answers.next() {
                    Some(keys) => self.type_in(keys),
                    None => {
                        let _ = child.kill();
                        panic!("one question more than answers: {}", self.shown);
                    }
                }
            }
        })
    }

    fn wait_for_output(&self, time: Duration) -> bool {
        let mut keyboard = [PollFd::new(&self.keyboard, PollFlags::IN)];
        let time = Timespec::try_from(time).expect("a short time");
        poll(&mut keyboard, Some(&time)).expect("a terminal can be waited for") > 0
    }
}

/// Runs a program that has no terminal to read from.
#[track_caller]
pub fn run_without(command: &mut Command) -> Ended {
    run(command.stdin(Stdio::null()), |_| {
        sleep(Duration::from_millis(20));
    })
}

/// `meanwhile` is called again and again, and should take a moment.
#[track_caller]
fn run(command: &mut Command, mut meanwhile: impl FnMut(&mut Child)) -> Ended {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} hangs");
        }
        meanwhile(&mut child);
    };
    // It prints less than a pipe holds, so it could end before anyone read it.
    let rest = |pipe: Option<&mut dyn Read>| {
        let mut bytes = Vec::new();
        let read = pipe.expect("it was piped").read_to_end(&mut bytes);
        read.expect("a pipe");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ended {
        status,
        output: rest(child.stdout.as_mut().map(|pipe| pipe as _)),
        errors: rest(child.stderr.as_mut().map(|pipe| pipe as _)),
    }
}
