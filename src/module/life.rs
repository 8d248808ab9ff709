//! The time of a module from `C_Initialize` to `C_Finalize`. Handles mean something in it alone.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Which life a module is in, and who uses it in this one.
///
/// A module whose daemon has died is finalized and initialised again, and nothing may be called in
/// it meanwhile. What was opened before is gone, and its numbers may be given out again: so whoever
/// makes a call with a handle enters first, and stays until the call is made.
#[derive(Default)]
pub(crate) struct Life {
    number: AtomicU64,
    /// Who has entered, and the highest bit while a new life is being made.
    inside: AtomicUsize,
}

const CHANGING: usize = 1 << (usize::BITS - 1);

/// How often is looked whether the module may be entered, or is empty. Both are rare.
const PAUSE: Duration = Duration::from_millis(1);

impl Life {
    /// Begins to use the module. To be entered more than once by one thread, which others that want
    /// a new life do not hinder: those wait until nobody is inside.
    pub(crate) fn enter(&self) -> Alive<'_> {
        while self.inside.fetch_add(1, Ordering::Acquire) & CHANGING != 0 {
            self.inside.fetch_sub(1, Ordering::Release);
            thread::sleep(PAUSE);
        }
        Alive { life: self }
    }

    /// Which life it is: the number rises with each.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Makes a new life, alone; nothing is made, and `None` given, where somebody does not leave the
    /// module in time: a call that hangs, most likely.
    ///
    /// Nobody who is inside may call this.
    pub(super) fn renew<T>(&self, patience: Duration, make: impl FnOnce() -> T) -> Option<T> {
        let end = Instant::now() + patience;
        let take = || {
            self.inside
                .compare_exchange(0, CHANGING, Ordering::Acquire, Ordering::Relaxed)
        };
        while take().is_err() {
            if Instant::now() >= end {
                return None;
            }
            thread::sleep(PAUSE);
        }
        let changing = Changing { life: self };
        let made = make();
        self.number.fetch_add(1, Ordering::Release);
        drop(changing);
        Some(made)
    }
}

/// The module is used.
pub(crate) struct Alive<'a> {
    life: &'a Life,
}

impl Alive<'_> {
    /// Which life it is.
    pub(crate) fn number(&self) -> u64 {
        self.life.number()
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.life.inside.fetch_sub(1, Ordering::Release);
    }
}

struct Changing<'a> {
    life: &'a Life,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.life.inside.fetch_sub(CHANGING, Ordering::Release);
    }
}
