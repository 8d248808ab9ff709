//! The pool of sessions, the count of logins and the handle of a key, as they are in keyfob, with the
//! locks and atomic numbers of `loom`, which runs through every order that their threads can have.
//!
//! The files are keyfob's own. What stands around them here takes the place of the rooms that they
//! know.
#![allow(dead_code)]

mod pin {
    pub struct Pin;
}

mod sync {
    pub use loom::sync::atomic::{AtomicU64, Ordering};
    pub use loom::sync::{Condvar, Mutex, MutexGuard};
    use std::time::Duration;

    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    /// Without end: who is not woken is found by `loom`, as a deadlock.
    pub fn wait<'a, T>(
        changed: &Condvar,
        _: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> MutexGuard<'a, T> {
        changed.wait(guard).unwrap()
    }
}

mod key {
    #[path = "../../../../src/key/handle.rs"]
    mod handle;

    #[cfg(test)]
    #[path = "handle_model.rs"]
    mod handle_model;
}

mod token {
    #[path = "../../../../src/token/login/holders.rs"]
    mod holders;
    #[path = "../../../../src/token/pool.rs"]
    mod pool;

    #[cfg(test)]
    #[path = "login_model.rs"]
    mod login_model;
    #[cfg(test)]
    #[path = "pool_model.rs"]
    mod pool_model;
}
