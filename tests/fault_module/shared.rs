//! Settings of one concern: commands write them, calls read them.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Not to be kept over a call to the real module. A panic elsewhere leaves settings that
    /// are good enough for a test that failed anyway.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        // As in src/sync.rs, where ThreadSanitizer looks on.
        while cfg!(keyfob_spins) {
            match self.0.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Poisoned(error)) => return error.into_inner(),
                Ok(guard) => return guard,
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
