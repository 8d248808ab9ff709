use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::reader::service::{Code, Context};

/// Ends a [`Watch`](crate::Watch), from any thread and for good.
///
/// Clones are cheap, and end the same watch.
#[derive(Clone)]
pub struct Stopper {
    turn: Arc<Turn>,
}

/// A service that hangs does not end a wait, and shall not hang its stopper with it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one request to end the wait may stay without effect before the next one.
const AGAIN: Duration = Duration::from_millis(2);

impl Stopper {
    pub(super) fn new(turn: Arc<Turn>) -> Self {
        Self { turn }
    }

    /// Ends the watch: its iterator gives no more events, those left over included. Returns when it
    /// no longer waits, which is at once, or after five seconds with a service that hangs.
    pub fn stop(&self) {
        let mut state = self.turn.lock();
        state.stopped = true;
        self.turn.changed.notify_all();
        let end = Instant::now() + PATIENCE;
        // A request is lost on a wait that has not quite begun. So it is made until it has worked.
        while let Some(context) = state.waiting.clone() {
            drop(state);
            if Instant::now() > end {
                log::warn!("the smart card service does not answer a request to stop waiting");
                return;
            }
            if let Err(code) = context.cancel() {
                log::debug!("SCardCancel: {code}");
            }
            drop(context);
            state = self.turn.wait(self.turn.lock(), AGAIN);
        }
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

/// What a watch and its stoppers share.
#[derive(Default)]
pub(super) struct Turn {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// The context that is waited with.
    waiting: Option<Context>,
}

impl Turn {
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits, unless stopped: then, and when it is stopped meanwhile, the wait is cancelled.
    pub(super) fn take(
        &self,
        context: &Context,
        wait: impl FnOnce() -> Result<(), Code>,
    ) -> Result<(), Code> {
        let mut state = self.lock();
        if state.stopped {
            return Err(Code::Cancelled);
        }
        state.waiting = Some(context.clone());
        drop(state);
        // Also in a panic: its stopper waits for it.
        let _over = Over(self);
        wait()
    }

    /// Lets time pass, until stopped.
    pub(super) fn pause(&self, time: Duration) {
        let state = self.lock();
        if !state.stopped {
            drop(self.wait(state, time));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let woken = self.changed.wait_timeout(state, time);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }
}

struct Over<'a>(&'a Turn);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting = None;
        self.0.changed.notify_all();
    }
}
