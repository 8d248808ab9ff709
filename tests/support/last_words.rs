//! Says where a test was when a signal ends the process: a crash in a module, or too much memory.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static AT: AtomicU64 = AtomicU64::new(0);

/// From now on, at a signal that ends the process, a line is said with the number that was given last.
pub fn prepare() {
    for signal in [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL] {
        let say: extern "C" fn(libc::c_int) = say;
        // SAFETY: the handler allocates nothing, and ends with the signal's own effect.
        unsafe { libc::signal(signal, say as libc::sighandler_t) };
    }
}

pub fn at(number: u64) {
    AT.store(number, Relaxed);
}

extern "C" fn say(signal: libc::c_int) {
    let at = AT.load(Relaxed);
    let _ = writeln!(io::stderr(), "signal {signal} at {at}");
    // SAFETY: both are allowed in a handler.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
