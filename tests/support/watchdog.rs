//! Ends a test that hangs, and says where.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{process, thread};

/// Longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks on as long as it lives.
pub struct Watchdog(Sender<String>);

impl Watchdog {
    pub fn start() -> Self {
        Self::with_patience(PATIENCE)
    }

    /// For steps that may take longer.
    pub fn with_patience(patience: Duration) -> Self {
        let (announce, announced) = channel::<String>();
        thread::spawn(move || {
            let mut step = "the beginning".to_owned();
            loop {
                match announced.recv_timeout(patience) {
                    Ok(next) => step = next,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("it hangs: {step}");
                        process::abort();
                    }
                }
            }
        });
        Self(announce)
    }

    /// The next step begins.
    pub fn at(&self, step: impl ToString) {
        self.0.send(step.to_string()).expect("it is listening");
    }
}
