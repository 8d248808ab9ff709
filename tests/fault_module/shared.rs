//! Settings of one concern: commands write them, calls read them.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Shared<T>(Mutex<T>);

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Not to be kept over a call to the real module. A panic elsewhere leaves settings that
    /// are good enough for a test that failed anyway.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
