//! Who is inside: PKCS#11 has one thread in a session at a time, one in a module that cannot lock, and
//! none beside C_Initialize and C_Finalize. A real module need not survive anything else.

use std::collections::BTreeMap;

use cryptoki_sys::{CK_SESSION_HANDLE, CK_ULONG};

use crate::call::{Watcher, is_watched, watch};
use crate::functions::Function;
use crate::shared::Shared;
use crate::{forward, sessions};

static INSIDE: Shared<Inside> = Shared::new(Inside::NOBODY);

struct Inside {
    /// How many calls are in a session.
    sessions: BTreeMap<CK_SESSION_HANDLE, usize>,
    /// How many are in the module, and how many of them begin or end its life.
    calls: usize,
    turns: usize,
    clashes: Vec<String>,
}

impl Inside {
    const NOBODY: Self = Self {
        sessions: BTreeMap::new(),
        calls: 0,
        turns: 0,
        clashes: Vec::new(),
    };
}

/// A call, from its beginning to its end.
pub(crate) struct Call {
    session: Option<CK_SESSION_HANDLE>,
    is_turn: bool,
}

/// A call begins, and what it may not be beside is noted.
pub(crate) fn enter(function: Function, args: &[CK_ULONG]) -> Option<Call> {
    // It may wait while all else goes on; C_Finalize ends it.
    if function == Function::C_WaitForSlotEvent {
        return None;
    }
    let session = args.first().copied().filter(|_| function.takes_session());
    let is_turn = matches!(function, Function::C_Initialize | Function::C_Finalize);
    let cannot_lock = forward::refuses_locking();
    let mut inside = INSIDE.lock();
    let shared = session.is_some_and(|session| inside.sessions.contains_key(&session));
    let clash = match inside.calls > 0 {
        _ if shared => Some("in a session that is in use"),
        true if cannot_lock => Some("in a module that cannot lock and is in use"),
        true if is_turn || inside.turns > 0 => Some("beside C_Initialize or C_Finalize"),
        _ => None,
    };
    if let Some(clash) = clash {
        inside.clashes.push(format!("{} {clash}", function.name()));
    }
    inside.calls += 1;
    inside.turns += usize::from(is_turn);
    if let Some(session) = session {
        *inside.sessions.entry(session).or_default() += 1;
    }
    Some(Call { session, is_turn })
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut inside = INSIDE.lock();
        inside.calls -= 1;
        inside.turns -= usize::from(self.is_turn);
        let Some(session) = self.session else {
            return;
        };
        match inside.sessions.get_mut(&session) {
            Some(calls) if *calls > 1 => *calls -= 1,
            _ => {
                inside.sessions.remove(&session);
                drop(inside);
                sessions::left(session);
            }
        }
    }
}

/// Whether it is known that nobody is in a session.
pub(crate) fn is_empty(session: CK_SESSION_HANDLE) -> bool {
    is_watched(Watcher::Inside) && !INSIDE.lock().sessions.contains_key(&session)
}

/// The command `watch-inside`, to be given while nobody is.
pub(crate) fn start() {
    *INSIDE.lock() = Inside::NOBODY;
    watch(Watcher::Inside, true);
}

/// The command `clashes`.
pub(crate) fn clashes() -> String {
    INSIDE.lock().clashes.join("\n")
}

pub(crate) fn reset() {
    watch(Watcher::Inside, false);
}
