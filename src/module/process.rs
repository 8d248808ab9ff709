//! The number of this process, which a fork changes. It is wanted for every signature, and asking
//! for it is a system call.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::raw;

/// 0 where it has to be asked for. No process has that.
static KNOWN: AtomicU32 = AtomicU32::new(0);

pub(crate) fn id() -> u32 {
    match KNOWN.load(Ordering::Relaxed) {
        0 => ask(),
        id => id,
    }
}

#[cold]
fn ask() -> u32 {
    static IS_ARRANGED: AtomicBool = AtomicBool::new(false);
    let id = std::process::id();
    // Twice does no harm, and a lock could be held for ever in a child.
    if !IS_ARRANGED.load(Ordering::Acquire) {
        if !raw::call_in_forked_children(forget) {
            return id;
        }
        IS_ARRANGED.store(true, Ordering::Release);
    }
    KNOWN.store(id, Ordering::Relaxed);
    id
}

extern "C" fn forget() {
    KNOWN.store(0, Ordering::Relaxed);
}
