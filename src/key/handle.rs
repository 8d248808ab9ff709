//! Under which handle a key was seen last.

use cryptoki_sys::CK_OBJECT_HANDLE;

use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// A key's handle, and the generation of handles that it belongs to. It is read for each signature, by
/// all threads; it changes when the token was lost or logged in to again.
pub(super) struct Handle {
    /// One more than the generation's number, which only rises; 0 while the handle changes.
    generation: AtomicU64,
    handle: AtomicU64,
    /// Held by whoever changes it.
    changing: Mutex<()>,
}

impl Handle {
    pub(super) fn new(generation: u64, handle: CK_OBJECT_HANDLE) -> Self {
        Self {
            generation: AtomicU64::new(generation + 1),
            handle: AtomicU64::new(u64::from(handle)),
            changing: Mutex::new(()),
        }
    }

    /// The handle, if it belongs to this generation.
    #[inline]
    pub(super) fn get(&self, generation: u64) -> Option<CK_OBJECT_HANDLE> {
        let is_of_it = || self.generation.load(Ordering::Acquire) == generation + 1;
        if !is_of_it() {
            return None;
        }
        let handle = self.handle.load(Ordering::Acquire);
        // It may just have become one of a newer generation, which another key had in this one.
        is_of_it().then_some(handle as CK_OBJECT_HANDLE)
    }

    /// The key was found under this handle. What was seen in an older generation is not kept.
    pub(super) fn set(&self, generation: u64, handle: CK_OBJECT_HANDLE) {
        let _changing = lock(&self.changing);
        if generation + 1 < self.generation.load(Ordering::Relaxed) {
            return;
        }
        self.generation.store(0, Ordering::Release);
        self.handle.store(u64::from(handle), Ordering::Release);
        self.generation.store(generation + 1, Ordering::Release);
    }
}
