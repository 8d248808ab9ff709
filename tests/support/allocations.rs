//! What a test binary takes from the heap: the most at once, and the largest piece.
//!
//! Of the Rust code in the binary alone: modules have heaps of their own.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{fmt, process};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// Nobody shall take the machine down: this is where the process ends.
const FAR_TOO_MUCH: usize = 2 << 30;

fn taken(size: usize) {
    let now = NOW.fetch_add(size, Relaxed).saturating_add(size);
    PEAK.fetch_max(now, Relaxed);
    LARGEST.fetch_max(size, Relaxed);
    if now > FAR_TOO_MUCH {
        process::abort();
    }
}

fn given_back(size: usize) {
    NOW.fetch_sub(size, Relaxed);
}

// SAFETY: all is the system allocator's; only the sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        given_back(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are there while the one is copied to the other.
        taken(size);
        given_back(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What is taken now, in bytes.
pub fn now() -> usize {
    NOW.load(Relaxed)
}

/// What something takes, beyond what was there already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// The most at once, in bytes.
    pub peak: usize,
    /// The largest piece, in bytes.
    pub largest: usize,
}

/// Does something. Threads beside it are counted too.
pub fn taken_by<T>(work: impl FnOnce() -> T) -> (Taken, T) {
    let before = now();
    PEAK.store(before, Relaxed);
    LARGEST.store(0, Relaxed);
    let given = work();
    let taken = Taken {
        peak: PEAK.load(Relaxed).saturating_sub(before),
        largest: LARGEST.load(Relaxed),
    };
    (taken, given)
}

impl Taken {
    /// The most of each.
    pub fn or(self, other: Self) -> Self {
        Self {
            peak: self.peak.max(other.peak),
            largest: self.largest.max(other.largest),
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peak, largest, .. } = self;
        write!(f, "{peak} bytes at most, {largest} in one piece")
    }
}
