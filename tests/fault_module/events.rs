//! C_WaitForSlotEvent, which SoftHSM does not have: told by `remove` and `insert` after
//! `events on`.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Condvar, Mutex, PoisonError};

use cryptoki_sys::*;

use crate::forward::real;
use crate::slots;

static EVENTS: Mutex<Events> = Mutex::new(Events {
    on: false,
    initialized: false,
    waiting: VecDeque::new(),
});
static CHANGED: Condvar = Condvar::new();

struct Events {
    on: bool,
    initialized: bool,
    waiting: VecDeque<CK_SLOT_ID>,
}

fn change(what: impl FnOnce(&mut Events)) {
    what(&mut EVENTS.lock().unwrap_or_else(PoisonError::into_inner));
    CHANGED.notify_all();
}

pub(crate) fn turn(on: bool) {
    change(|events| {
        events.on = on;
        events.waiting.clear();
    });
}

pub(crate) fn initialized(initialized: bool) {
    change(|events| events.initialized = initialized);
}

pub(crate) fn push(slot: CK_SLOT_ID) {
    change(|events| events.waiting.push_back(slot));
}

pub(crate) unsafe fn wait(flags: CK_FLAGS, slot: *mut CK_SLOT_ID, reserved: *mut c_void) -> CK_RV {
    let found = {
        let mut events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if flags & CKF_DONT_BLOCK == 0 {
            let nothing =
                |events: &mut Events| events.on && events.initialized && events.waiting.is_empty();
            let woken = CHANGED.wait_while(events, nothing);
            events = woken.unwrap_or_else(PoisonError::into_inner);
        }
        match (events.on, events.initialized) {
            (false, _) => None,
            (true, false) => return CKR_CRYPTOKI_NOT_INITIALIZED,
            (true, true) => Some(events.waiting.pop_front()),
        }
    };
    match found {
        None => {
            let result = real!(C_WaitForSlotEvent(flags, slot, reserved));
            if result == CKR_OK {
                // SAFETY: the real module has just written there.
                unsafe { *slot = slots::visible(*slot) };
            }
            result
        }
        Some(None) => CKR_NO_EVENT,
        Some(Some(_)) if slot.is_null() => CKR_ARGUMENTS_BAD,
        Some(Some(id)) => {
            // SAFETY: not NULL, so good, as promised by the caller of PKCS#11.
            unsafe { *slot = id };
            CKR_OK
        }
    }
}
