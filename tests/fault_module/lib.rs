//! The fault module: a PKCS#11 module for tests. It forwards every call to a real module
//! (SoftHSM), counts it, and misbehaves when the test tells it to. GOST keys it has of its own.
//!
//! `control.rs` documents the commands; tests give them through `tests/support/fault.rs`.
//! The forwarded module is named by the command `forward`, else by the environment variable
//! KEYFOB_FAULT_FORWARD, else by KEYFOB_MODULE.
//!
//! A call's way: `functions` (the table) → `call` (count, log, rules) → the hook of its
//! concern, if it has one (`slots`, `pin`, …) → `forward` (the real module), and on its way back,
//! where that was asked for, `mutations`. No lock is held while the real module works, but for
//! the one by which mutated calls take turns. Hooks are `unsafe fn`s: their arguments are what the caller
//! of PKCS#11 promises, pointers that are NULL or good for what the standard says.

mod arguments;
mod attributes;
mod call;
mod control;
mod events;
mod fields;
mod find;
mod forward;
mod functions;
#[path = "../support/gost.rs"]
mod gost;
mod gost_digests;
mod gost_keys;
mod gost_pairs;
mod inside;
mod lists;
mod mechanisms;
mod mutations;
mod objects;
mod options;
mod pin;
mod rules;
mod sessions;
mod shared;
mod signing;
mod slots;
mod token;

use std::slice;

use cryptoki_sys::{CK_FUNCTION_LIST, CK_RV};

/// Where every client of a PKCS#11 module begins.
///
/// # Safety
/// `list` is NULL or can be written to.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    // SAFETY: as promised by our caller.
    unsafe { functions::C_GetFunctionList(list) }
}

/// Obeys the commands in `command` (UTF-8, one a line) and writes what there is to say, no
/// more than `capacity` bytes of it, to `answer`. Returns the answer's whole length, or that
/// length negated when the answer is an error message.
///
/// # Safety
/// `command` is good for `len` bytes, `answer` for `capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn keyfob_fault(
    command: *const u8,
    len: usize,
    answer: *mut u8,
    capacity: usize,
) -> isize {
    // SAFETY: as promised by our caller.
    let command = unsafe { slice::from_raw_parts(command, len) };
    let outcome = std::panic::catch_unwind(|| control::obey(&String::from_utf8_lossy(command)))
        .unwrap_or_else(|_| Err("the fault module panicked".into()));
    let text = match &outcome {
        Ok(text) | Err(text) => text.as_bytes(),
    };
    // SAFETY: as promised by our caller; `text` is our own and does not overlap.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), answer, text.len().min(capacity)) };
    let length = text.len() as isize; // no allocation is longer than isize::MAX
    if outcome.is_ok() { length } else { -length }
}
