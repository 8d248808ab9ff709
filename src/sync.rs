//! The locks of what is also proven by a model of its threads, which has locks of its own in their
//! place (`tests/models`).

use std::sync::PoisonError;
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Locks whatever became of the last holder: what the locks here guard is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until another thread notifies, or until the time is over.
pub(crate) fn wait<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    let woken = changed.wait_timeout(guard, time);
    woken.unwrap_or_else(PoisonError::into_inner).0
}
