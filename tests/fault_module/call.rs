//! What happens to every call: it is counted, perhaps logged, and rules are asked about it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use cryptoki_sys::{CK_BBOOL, CK_NOTIFY, CK_RV, CK_ULONG, CKR_GENERAL_ERROR};

use crate::functions::{ALL, Function};
use crate::mutations::{self, Mutation};
use crate::shared::Shared;
use crate::{control, inside, rules, sessions};

/// One cache line each, or threads would slow each other where they need not.
#[repr(align(64))]
struct Counter(AtomicU64);

static COUNTS: [Counter; ALL.len()] = [const { Counter(AtomicU64::new(0)) }; ALL.len()];

/// Who wants to look at calls; while nobody does, a call costs one more load than a count.
static WATCHERS: AtomicU8 = AtomicU8::new(0);

#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Watcher {
    Rules = 1,
    Log = 2,
    LostSessions = 4,
    Mutations = 8,
    Inside = 16,
}

pub(crate) fn watch(watcher: Watcher, on: bool) {
    if on {
        WATCHERS.fetch_or(watcher as u8, Relaxed);
    } else {
        WATCHERS.fetch_and(!(watcher as u8), Relaxed);
    }
}

pub(crate) fn is_watched(watcher: Watcher) -> bool {
    WATCHERS.load(Relaxed) & watcher as u8 != 0
}

/// Makes a call: by `body`, or by `mutated` where it is to be answered wrongly.
pub(crate) fn enter(
    function: Function,
    args: &[CK_ULONG],
    body: impl FnOnce() -> CK_RV,
    mutated: impl FnOnce(Mutation) -> CK_RV,
) -> CK_RV {
    COUNTS[function as usize].0.fetch_add(1, Relaxed);
    // A panic must not cross into C; std's hook has printed it by then.
    catch_unwind(AssertUnwindSafe(|| match WATCHERS.load(Relaxed) {
        0 => body(),
        watchers => watched(watchers, function, args, body, mutated),
    }))
    .unwrap_or(CKR_GENERAL_ERROR)
}

#[cold]
fn watched(
    watchers: u8,
    function: Function,
    args: &[CK_ULONG],
    body: impl FnOnce() -> CK_RV,
    mutated: impl FnOnce(Mutation) -> CK_RV,
) -> CK_RV {
    let mutates = watchers & Watcher::Mutations as u8 != 0;
    let _turn = mutates.then(mutations::turn);
    if watchers & Watcher::Log as u8 != 0 {
        LOG.lock().push(function);
    }
    let _call = (watchers & Watcher::Inside as u8 != 0).then(|| inside::enter(function, args));
    let verdict = rules::consult(function, args);
    verdict.wait();
    let result = match verdict.instead.or_else(|| sessions::lost(function, args)) {
        Some(code) => code,
        None => {
            let mutation = Some(function).filter(|_| mutates).and_then(mutations::due);
            let result = match mutation {
                Some(mutation) => mutated(mutation),
                None => body(),
            };
            verdict.after.unwrap_or(result)
        }
    };
    for command in &verdict.then {
        if let Err(error) = control::obey(command) {
            eprintln!("fault module: {command}: {error}");
        }
    }
    result
}

/// An argument as a rule can compare it.
pub(crate) trait Word {
    fn word(self) -> CK_ULONG;
}

impl Word for CK_ULONG {
    fn word(self) -> CK_ULONG {
        self
    }
}

impl Word for CK_BBOOL {
    fn word(self) -> CK_ULONG {
        self.into()
    }
}

impl Word for CK_NOTIFY {
    fn word(self) -> CK_ULONG {
        self.is_some().into()
    }
}

impl<T> Word for *mut T {
    fn word(self) -> CK_ULONG {
        self.addr() as CK_ULONG // 0 stays 0, which is all a rule can ask about a pointer
    }
}

pub(crate) fn count(function: Function) -> u64 {
    COUNTS[function as usize].0.load(Relaxed)
}

/// Those that were called, in the standard's order.
pub(crate) fn counts() -> impl Iterator<Item = (&'static str, u64)> {
    let all = ALL.iter().map(|(function, name)| (*name, count(*function)));
    all.filter(|(_, count)| *count > 0)
}

pub(crate) fn reset_counts() {
    for counter in &COUNTS {
        counter.0.store(0, Relaxed);
    }
}

static LOG: Shared<Log> = Shared::new(Log {
    last: VecDeque::new(),
    limit: 0,
});

struct Log {
    last: VecDeque<Function>,
    limit: usize,
}

impl Log {
    fn push(&mut self, function: Function) {
        if self.last.len() >= self.limit {
            self.last.pop_front();
        }
        if self.limit > 0 {
            self.last.push_back(function);
        }
    }
}

/// Logs the last `limit` calls from now on; 0 ends it.
pub(crate) fn start_log(limit: usize) {
    *LOG.lock() = Log {
        last: VecDeque::new(),
        limit,
    };
    watch(Watcher::Log, limit > 0);
}

pub(crate) fn log() -> String {
    let names: Vec<_> = LOG
        .lock()
        .last
        .iter()
        .map(|function| function.name())
        .collect();
    names.join("\n")
}
