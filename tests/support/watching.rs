//! `keyfob::watch()` in a thread of its own.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyfob::{ReaderEvent, Stopper, watch};

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a watch with empty readers begins with.
pub const ADDED: [&str; 2] = [
    "reader added: Virtual PCD 00 00",
    "reader added: Virtual PCD 00 01",
];

pub struct Watching {
    events: Receiver<ReaderEvent>,
    pub stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    #[track_caller]
    pub fn start() -> Self {
        let watch = watch().unwrap();
        let stopper = watch.stopper();
        let (send, events) = mpsc::channel();
        let thread = thread::spawn(move || {
            for event in watch {
                let _ = send.send(event.unwrap());
            }
        });
        Self {
            events,
            stopper,
            thread: Some(thread),
        }
    }

    #[track_caller]
    pub fn next(&self) -> ReaderEvent {
        let event = self.events.recv_timeout(PATIENCE);
        event.expect("something happens to a reader")
    }

    #[track_caller]
    pub fn expect(&self, wanted: &[&str]) {
        for wanted in wanted {
            assert_eq!(self.next().to_string(), *wanted);
        }
    }

    #[track_caller]
    pub fn no_more(&self) {
        let more = self.events.recv_timeout(Duration::from_millis(100));
        assert!(more.is_err(), "{more:?}");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stopper.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))));
    }
}
