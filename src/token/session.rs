use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::session::Session;
use cryptoki::slot::Slot as SlotNumber;
use cryptoki_sys::*;

use super::Slot;
use crate::Error;
use crate::module::raw::Functions;
use crate::module::{Module, ReturnCode, lock};

/// Idle sessions kept for the next call; more are closed.
pub(super) const KEPT: usize = 16;

/// How long one waits for a session where the token allows no more of them, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// The open sessions of a token.
///
/// A session is opened when none is idle, and kept for the next call. One stays open as long as
/// the token is unlocked, since closing the last one is a logout (PKCS#11 3.1, section 5.6.2).
pub(super) struct Pool {
    module: Module,
    state: Mutex<State>,
    /// One was given back or closed.
    changed: Condvar,
}

struct State {
    idle: Vec<Session>,
    /// Those in use and those that are being opened included.
    open: usize,
    /// Those of which the token has said that there are to be no more.
    limit: usize,
    /// Counts how often all of them were lost. What was opened before is none of this pool's.
    epoch: u64,
    patience: Duration,
    /// How many wait for one. To wake nobody costs a system call.
    waiting: usize,
}

impl Pool {
    pub(super) fn new(module: Module, limit: usize) -> Self {
        Self {
            module,
            state: Mutex::new(State {
                idle: Vec::new(),
                open: 0,
                limit,
                epoch: 0,
                patience: PATIENCE,
                waiting: 0,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn set_patience(&self, patience: Duration) {
        lock(&self.state).patience = patience;
    }

    pub(super) fn epoch(&self) -> u64 {
        lock(&self.state).epoch
    }

    /// Begins a new epoch: all sessions are lost. Those in use are no longer counted.
    pub(super) fn renew(&self) {
        let mut state = lock(&self.state);
        state.epoch += 1;
        state.open = 0;
        let lost = std::mem::take(&mut state.idle);
        self.wake(&state);
        drop(state);
        // The module may only have said that they are.
        lost.into_iter().for_each(|one| self.end(one));
    }

    /// Closes the idle sessions, but for one: the token needs the room.
    pub(super) fn make_room(&self) {
        let mut state = lock(&self.state);
        let kept = usize::from(state.open == state.idle.len());
        let surplus = state.idle.len().saturating_sub(kept);
        let surplus: Vec<_> = state.idle.drain(..surplus).collect();
        state.open -= surplus.len();
        self.wake(&state);
        drop(state);
        surplus.into_iter().for_each(|one| self.end(one));
    }

    /// Closes the sessions if all of them are idle. Waits for nobody.
    pub(super) fn close_idle(&self) -> bool {
        let Ok(mut state) = self.state.try_lock() else {
            return false;
        };
        if state.open != state.idle.len() {
            return false;
        }
        state.open = 0;
        state.idle.drain(..).for_each(|one| self.end(one));
        true
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.open = 0;
        state.idle.drain(..).for_each(|one| self.end(one));
    }

    fn end(&self, session: Session) {
        let calls = self.module.inner().functions().calls();
        // A session whose token is gone is closed already.
        if let Err(error) = calls.make("C_CloseSession", || session.close()) {
            log::debug!("C_CloseSession: {error}");
        }
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let woken = self.changed.wait_timeout(state, time);
        let (mut state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    fn wake(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

impl Slot {
    /// A session to use alone: an idle one or a new one. Dropping it gives it back.
    ///
    /// `functions` are this slot's ([`Slot::functions`]): whoever has them has checked, before any
    /// lock was touched, that this process may call the module.
    pub(crate) fn session<'a>(&'a self, functions: &'a Functions) -> Result<Pooled<'a>, Error> {
        let pooled = |session, epoch, is_used| Pooled {
            slot: self,
            functions,
            session: Some(session),
            epoch,
            is_used,
            health: Cell::new(Health::Good),
        };
        let mut end = None;
        let mut state = lock(&self.pool.state);
        loop {
            let epoch = state.epoch;
            if let Some(session) = state.idle.pop() {
                return Ok(pooled(session, epoch, true));
            }
            if state.open < state.limit {
                state.open += 1;
                drop(state);
                let opened = self.open_session();
                state = lock(&self.pool.state);
                let is_new = state.epoch != epoch;
                match opened {
                    Ok(session) if is_new => self.pool.end(session),
                    Ok(session) => return Ok(pooled(session, epoch, false)),
                    Err(error) => {
                        if !is_new {
                            state.open -= 1;
                            self.pool.wake(&state);
                        }
                        // The token, which others use too, takes fewer than it has said: they
                        // are shared.
                        if !is_code(&error, CKR_SESSION_COUNT) || state.open == 0 {
                            return Err(error);
                        }
                        state.limit = state.open;
                    }
                }
                continue;
            }
            let now = Instant::now();
            let end = *end.get_or_insert(now + state.patience);
            if end <= now {
                return Err(Error::Busy {
                    token: self.name().to_owned(),
                });
            }
            state = self.pool.wait(state, end - now);
        }
    }

    fn open_session(&self) -> Result<Session, Error> {
        self.take_card()?;
        let loaded = self.module().loaded()?;
        let number = SlotNumber::try_from(u64::from(self.id()))
            .map_err(|_| self.error("C_OpenSession", ReturnCode::SLOT_ID_INVALID))?;
        // Closed by the pool: a session that closes itself would do so in a forked child too.
        let open = || loaded.context().open_ro_session_no_drop(number);
        let opened = loaded.functions().calls().make("C_OpenSession", open);
        opened.map_err(|error| self.error("C_OpenSession", ReturnCode::of(&error)))
    }
}

/// Whether it is about this code.
pub(super) fn is_code(error: &Error, code: CK_RV) -> bool {
    matches!(error, Error::Call { code: found, .. } if found.is(code))
}

/// A session on loan.
pub(crate) struct Pooled<'a> {
    slot: &'a Slot,
    functions: &'a Functions,
    /// Always there until the drop.
    session: Option<Session>,
    epoch: u64,
    /// Others have used it before.
    is_used: bool,
    health: Cell<Health>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// Nothing is known of its state; an operation may be open.
    Spoiled,
    /// The module says that there is no such session.
    Gone,
}

impl Pooled<'_> {
    pub(crate) fn handle(&self) -> CK_SESSION_HANDLE {
        self.session.as_ref().map_or(0, Session::handle)
    }

    pub(crate) fn functions(&self) -> &Functions {
        self.functions
    }

    /// The epoch of the handles that are found with it.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Several attributes of an object: [`Functions::attributes`].
    pub(crate) fn attributes(
        &self,
        object: CK_OBJECT_HANDLE,
        wanted: &[(CK_ATTRIBUTE_TYPE, usize)],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let values = self.functions.attributes(self.handle(), object, wanted);
        self.call("C_GetAttributeValue", values)
    }

    /// The objects that fit a template: [`Functions::find`].
    pub(crate) fn find(
        &self,
        template: &[(CK_ATTRIBUTE_TYPE, &[u8])],
        few: bool,
    ) -> Result<Vec<CK_OBJECT_HANDLE>, Error> {
        let handles = self.functions.find(self.handle(), template, few);
        self.call("C_FindObjects", handles)
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// What a call with this session came to. After one that failed the session is not used again:
    /// an operation may be open in it.
    pub(crate) fn call<T>(
        &self,
        function: &'static str,
        outcome: Result<T, ReturnCode>,
    ) -> Result<T, Error> {
        outcome.map_err(|code| {
            // What is wrong with an object is not wrong with the session.
            if !code.is(CKR_OBJECT_HANDLE_INVALID) || function != "C_GetAttributeValue" {
                self.spoil();
            }
            if code.is_any(&[CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED]) {
                self.health.set(Health::Gone);
            }
            self.slot.error(function, code)
        })
    }

    /// The session is in a state of which nothing is known, perhaps with an operation open: it is
    /// closed and not used again.
    pub(crate) fn spoil(&self) {
        self.health.set(Health::Spoiled);
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        // The process is the one that borrowed it: no caller's code, and so no fork, comes between.
        let pool = &self.slot.pool;
        let mut state = lock(&pool.state);
        if state.epoch != self.epoch {
            drop(state);
            // The number of a session that is gone may be another's by now.
            if self.health.get() != Health::Gone {
                pool.end(session);
            }
            return;
        }
        match self.health.get() {
            Health::Good if state.idle.len() < KEPT => {
                state.idle.push(session);
                pool.wake(&state);
                return;
            }
            // Closing the only session would be a logout: another is opened first. Under the
            // lock, or each of two threads would rely on the session that the other closes.
            _ if state.open == 1 => match self.slot.open_session() {
                Ok(another) => state.idle.push(another),
                Err(_) => state.open = 0,
            },
            _ => state.open -= 1,
        }
        pool.wake(&state);
        drop(state);
        pool.end(session);
    }
}
