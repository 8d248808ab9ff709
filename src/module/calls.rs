//! What goes around every call of a module: its trace in the log, and turns where it takes one call
//! at a time only.

use std::fmt::Display;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use log::Level;

/// Where calls are logged, at the level *trace*: the function, what it came to and how long it took.
/// No argument is, and so no PIN and no document.
const TARGET: &str = "keyfob::pkcs11";

/// How a module is called.
#[derive(Default)]
pub(crate) struct Calls {
    /// Held during each call of a module that cannot lock by itself.
    turn: OnceLock<Mutex<()>>,
}

impl Calls {
    /// One call at a time, from now on.
    pub(super) fn take_turns(&self) {
        self.turn.get_or_init(Mutex::default);
    }

    /// Makes a call.
    #[inline]
    pub(crate) fn make<T, E: Display>(
        &self,
        function: &str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let is_plain = self.turn.get().is_none() && !is_traced();
        match is_plain {
            true => call(),
            false => self.make_in_turn(function, call),
        }
    }

    #[cold]
    fn make_in_turn<T, E: Display>(
        &self,
        function: &str,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let _turn = self
            .turn
            .get()
            .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        if !is_traced() {
            return call();
        }
        let start = Instant::now();
        let outcome = call();
        let time = start.elapsed();
        match &outcome {
            Ok(_) => log::trace!(target: TARGET, "{function}: CKR_OK in {time:?}"),
            Err(error) => log::trace!(target: TARGET, "{function}: {error} in {time:?}"),
        }
        outcome
    }
}

fn is_traced() -> bool {
    log::log_enabled!(target: TARGET, Level::Trace)
}
