//! What the ancestors of this process had initialised when they forked it: a module's state, their
//! login included, comes along, and is to be ended before the module is used here.

use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether one process has a library initialised. These are in a list that only grows, and is read
/// without a lock: one that another thread held at the fork stays held in the child.
pub(super) struct Mark {
    path: PathBuf,
    process: u32,
    is_initialised: AtomicBool,
    next: OnceLock<Box<Mark>>,
}

static FIRST: OnceLock<Box<Mark>> = OnceLock::new();

impl Mark {
    /// This process's mark for a library.
    pub(super) fn of(path: &Path) -> &'static Self {
        let process = process::id();
        let mut place = &FIRST;
        loop {
            match place.get() {
                Some(mark) if mark.process == process && mark.path == path => return mark,
                Some(mark) => place = &mark.next,
                None => {
                    // Made before, so that the place is taken in a moment. Where another thread
                    // was quicker, that one's is looked at next.
                    let mark = Box::new(Self {
                        path: path.to_owned(),
                        process,
                        is_initialised: AtomicBool::new(false),
                        next: OnceLock::new(),
                    });
                    let _ = place.set(mark);
                }
            }
        }
    }

    pub(super) fn set(&self, is_initialised: bool) {
        self.is_initialised.store(is_initialised, Ordering::Release);
    }

    /// Whether this process has it from an ancestor, initialised by us there.
    pub(super) fn is_inherited(path: &Path) -> bool {
        let process = process::id();
        let mut place = &FIRST;
        while let Some(mark) = place.get() {
            if mark.process != process
                && mark.path == path
                && mark.is_initialised.load(Ordering::Acquire)
            {
                return true;
            }
            place = &mark.next;
        }
        false
    }
}
