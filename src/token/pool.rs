//! The sessions of a token: which are open, which are idle, and who waits for one.

use std::time::{Duration, Instant};

use cryptoki_sys::CK_SESSION_HANDLE;

use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};

/// Idle sessions kept for the next call; more are closed.
pub(super) const KEPT: usize = 16;

/// How long sessions are kept that were not needed: more than were ever in use at once in that time.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// To look at the clock for each would cost as much as the rest.
const LOOKS_AT_CLOCK: u8 = 16;

/// How long one waits for a session where the token allows no more of them, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// An open session, to be closed by whoever has it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) handle: CK_SESSION_HANDLE,
    /// The module's life that it was opened in.
    pub(super) life: u64,
}

/// The token, as a pool knows it.
pub(super) trait Sessions {
    type Error;

    fn open(&self) -> Result<Session, Self::Error>;

    /// Closes a session, if it is still of the module's life: its number may be another's by now.
    fn close(&self, session: Session);

    /// Whether no session was opened since the token takes no more.
    fn is_full(&self, error: &Self::Error) -> bool;

    /// The error of who has waited too long.
    fn busy(&self) -> Self::Error;
}

/// The open sessions of a token.
///
/// A session is opened when none is idle, and kept for the next call. One stays open as long as
/// the token is unlocked, since closing the last one is a logout (PKCS#11 3.1, section 5.6.2).
pub(super) struct Pool {
    state: Mutex<State>,
    /// One was given back or closed.
    changed: Condvar,
}

struct State {
    idle: Vec<Session>,
    /// Those in use and those that are being opened included.
    open: usize,
    /// Those that are being opened: not there yet, so that none may rely on them.
    opening: usize,
    /// Those of which the token has said that there are to be no more.
    limit: usize,
    /// Counts how often all of them were lost. What was opened before is none of this pool's.
    epoch: u64,
    /// The module's life that this epoch is in.
    life: u64,
    patience: Duration,
    /// How many wait for one. To wake nobody costs a system call.
    waiting: usize,
    need: Need,
}

/// How many sessions were in use at once, at most, since then.
struct Need {
    most: usize,
    since: Instant,
    kept_for: Duration,
    /// Counts down to the next look at the clock.
    looks_in: u8,
}

/// A session on loan.
pub(super) struct Loan {
    pub(super) session: Session,
    pub(super) epoch: u64,
    /// Others have used it before.
    pub(super) is_used: bool,
}

/// What is known of a session that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// Nothing is known of its state; an operation may be open.
    Spoiled,
    /// The module says that there is no such session.
    Gone,
}

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                idle: Vec::new(),
                open: 0,
                opening: 0,
                limit,
                epoch: 0,
                life: 0,
                patience: PATIENCE,
                waiting: 0,
                need: Need {
                    most: 0,
                    since: Instant::now(),
                    kept_for: KEPT_FOR,
                    looks_in: LOOKS_AT_CLOCK,
                },
            }),
            changed: Condvar::new(),
        }
    }

    /// An idle session or a new one. Waits where there may be no more.
    ///
    /// `life` is the module's, which does not end before the session is taken back.
    #[inline]
    pub(super) fn lend<S: Sessions>(&self, sessions: &S, life: u64) -> Result<Loan, S::Error> {
        let mut state = lock(&self.state);
        if state.life != life {
            // What was open has gone with the life before.
            state.life = life;
            state.lose();
            self.wake(&state);
        }
        match state.idle_one() {
            Some(loan) => Ok(loan),
            None => self.open_or_wait(sessions, state),
        }
    }

    /// None is idle.
    #[cold]
    fn open_or_wait<'a, S: Sessions>(
        &'a self,
        sessions: &S,
        mut state: MutexGuard<'a, State>,
    ) -> Result<Loan, S::Error> {
        let mut end = None;
        loop {
            if let Some(loan) = state.idle_one() {
                return Ok(loan);
            }
            let epoch = state.epoch;
            if state.open < state.limit {
                state.open += 1;
                state.opening += 1;
                drop(state);
                let opened = sessions.open();
                state = lock(&self.state);
                let is_new = state.epoch != epoch;
                if !is_new {
                    state.opening -= 1;
                }
                match opened {
                    Ok(session) if is_new => sessions.close(session),
                    Ok(session) => {
                        state.is_needed();
                        return Ok(Loan {
                            session,
                            epoch,
                            is_used: false,
                        });
                    }
                    Err(error) => {
                        if !is_new {
                            state.open -= 1;
                            self.wake(&state);
                        }
                        // The token, which others use too, takes fewer than it has said: they
                        // are shared.
                        if !sessions.is_full(&error) || state.open == 0 {
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
                return Err(sessions.busy());
            }
            state.waiting += 1;
            state = wait(&self.changed, &self.state, state, end - now);
            state.waiting -= 1;
        }
    }

    /// Takes a session back: for the next call, or to close it.
    pub(super) fn take_back<S: Sessions>(&self, sessions: &S, loan: Loan, health: Health) {
        let mut state = lock(&self.state);
        if health != Health::Good || state.epoch != loan.epoch || state.idle.len() >= KEPT {
            return self.retire(sessions, state, loan, health);
        }
        state.idle.push(loan.session);
        self.wake(&state);
        if state.idle.len() > 1 && state.is_time_to_look() {
            let surplus = state.not_needed();
            drop(state);
            surplus.into_iter().for_each(|one| sessions.close(one));
        }
    }

    /// Closes a session that is not to be used again.
    #[cold]
    fn retire<S: Sessions>(
        &self,
        sessions: &S,
        mut state: MutexGuard<'_, State>,
        loan: Loan,
        health: Health,
    ) {
        let Loan { session, epoch, .. } = loan;
        if state.epoch != epoch {
            drop(state);
            // The number of a session that is gone may be another's by now.
            if health != Health::Gone {
                sessions.close(session);
            }
            return;
        }
        // Closing the only session would be a logout: another is opened first. Under the lock, or
        // each of two threads would rely on the session that the other closes.
        match state.there() == 1 {
            true => match sessions.open() {
                Ok(another) => state.idle.push(another),
                Err(_) => state.open -= 1,
            },
            false => state.open -= 1,
        }
        self.wake(&state);
        drop(state);
        sessions.close(session);
    }

    pub(super) fn set_patience(&self, patience: Duration) {
        lock(&self.state).patience = patience;
    }

    #[cfg(test)]
    pub(super) fn set_kept_for(&self, kept_for: Duration) {
        lock(&self.state).need.kept_for = kept_for;
    }

    pub(super) fn epoch(&self) -> u64 {
        lock(&self.state).epoch
    }

    /// Begins a new epoch: all sessions are lost. Those in use are no longer counted.
    pub(super) fn renew(&self, sessions: &impl Sessions) {
        let mut state = lock(&self.state);
        let lost = state.lose();
        self.wake(&state);
        drop(state);
        // The module may only have said that they are.
        lost.into_iter().for_each(|one| sessions.close(one));
    }

    /// Closes the idle sessions, but for one: the token needs the room.
    pub(super) fn make_room(&self, sessions: &impl Sessions) {
        let mut state = lock(&self.state);
        let kept = usize::from(state.there() == state.idle.len());
        let surplus = state.idle.len().saturating_sub(kept);
        let surplus: Vec<_> = state.idle.drain(..surplus).collect();
        state.open -= surplus.len();
        self.wake(&state);
        drop(state);
        surplus.into_iter().for_each(|one| sessions.close(one));
    }

    /// Closes the sessions if all of them are idle. Waits for nobody.
    pub(super) fn close_idle(&self, sessions: &impl Sessions) -> bool {
        let Ok(mut state) = self.state.try_lock() else {
            return false;
        };
        if state.open != state.idle.len() {
            return false;
        }
        state.open = 0;
        state.idle.drain(..).for_each(|one| sessions.close(one));
        true
    }

    pub(super) fn close(&self, sessions: &impl Sessions) {
        let mut state = lock(&self.state);
        state.open = 0;
        state.idle.drain(..).for_each(|one| sessions.close(one));
    }

    fn wake(&self, state: &MutexGuard<'_, State>) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

impl State {
    /// How many are open by now.
    fn there(&self) -> usize {
        self.open - self.opening
    }

    fn idle_one(&mut self) -> Option<Loan> {
        let session = self.idle.pop()?;
        self.is_needed();
        Some(Loan {
            session,
            epoch: self.epoch,
            is_used: true,
        })
    }

    fn is_needed(&mut self) {
        self.need.most = self.need.most.max(self.open - self.idle.len());
    }

    /// Whether the clock is looked at for sessions that are not needed.
    fn is_time_to_look(&mut self) -> bool {
        let looks_in = &mut self.need.looks_in;
        *looks_in = looks_in.checked_sub(1).unwrap_or(LOOKS_AT_CLOCK);
        *looks_in == 0
    }

    /// The idle sessions that were not needed for so long that they are to be closed.
    #[cold]
    fn not_needed(&mut self) -> Vec<Session> {
        let need = &mut self.need;
        if need.since.elapsed() < need.kept_for {
            return Vec::new();
        }
        let used = self.open - self.idle.len();
        let surplus = self.open.saturating_sub(need.most.max(1));
        (need.most, need.since) = (used, Instant::now());
        let surplus = surplus.min(self.idle.len() - 1);
        self.open -= surplus;
        self.idle.drain(..surplus).collect()
    }

    fn lose(&mut self) -> Vec<Session> {
        self.epoch += 1;
        self.open = 0;
        self.opening = 0;
        std::mem::take(&mut self.idle)
    }
}
