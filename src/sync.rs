//! The locks and atomic numbers of what is also proven by a model of its threads, which has others in
//! their place (`tests/models`).

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

/// Locks whatever became of the last holder: what the locks here guard is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // ThreadSanitizer sees the steps of this lock, but not those of the standard library's waiting,
    // which was compiled before (`tests/races.sh`). So nobody waits there.
    while cfg!(keyfob_spins) {
        match mutex.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            Err(TryLockError::Poisoned(error)) => return error.into_inner(),
            Ok(guard) => return guard,
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until another thread notifies, or until the time is over. `guard` is the mutex's.
pub(crate) fn wait<'a, T>(
    changed: &Condvar,
    mutex: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    time: Duration,
) -> MutexGuard<'a, T> {
    if cfg!(keyfob_spins) {
        drop(guard);
        std::thread::sleep(time.min(Duration::from_millis(1)));
        return lock(mutex);
    }
    let woken = changed.wait_timeout(guard, time);
    woken.unwrap_or_else(PoisonError::into_inner).0
}
