//! Which session belongs to which slot, and sessions lost with their token.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::*;

use crate::call::{Watcher, watch};
use crate::forward::real;
use crate::functions::Function;
use crate::shared::Shared;
use crate::{find, inside, slots};

static SESSIONS: Shared<Sessions> = Shared::new(Sessions {
    open: BTreeMap::new(),
    lost: BTreeMap::new(),
});

struct Sessions {
    open: BTreeMap<CK_SESSION_HANDLE, CK_SLOT_ID>, // the real module's slot
    lost: BTreeMap<CK_SESSION_HANDLE, Lost>,
}

struct Lost {
    slot: CK_SLOT_ID,
    code: CK_RV,
    until_listed: bool,
    /// In the real module.
    is_open: bool,
}

pub(crate) unsafe fn open(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut c_void,
    notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    let slot = match slots::real(slot) {
        Ok(slot) => slot,
        Err(code) => return code,
    };
    let result = real!(C_OpenSession(slot, flags, application, notify, session));
    if result == CKR_OK {
        // SAFETY: the real module has just written there.
        let session = unsafe { *session };
        let mut sessions = SESSIONS.lock();
        sessions.lost.remove(&session);
        sessions.open.insert(session, slot);
    }
    result
}

pub(crate) unsafe fn close(session: CK_SESSION_HANDLE) -> CK_RV {
    let result = real!(C_CloseSession(session));
    if result == CKR_OK {
        SESSIONS.lock().open.remove(&session);
    }
    result
}

pub(crate) unsafe fn close_all(slot: CK_SLOT_ID) -> CK_RV {
    let slot = match slots::real(slot) {
        Ok(slot) => slot,
        Err(code) => return code,
    };
    let result = real!(C_CloseAllSessions(slot));
    if result == CKR_OK {
        SESSIONS.lock().open.retain(|_, of| *of != slot);
    }
    result
}

pub(crate) unsafe fn info(session: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO) -> CK_RV {
    let result = real!(C_GetSessionInfo(session, info));
    if result == CKR_OK {
        // SAFETY: the real module has just written there.
        let info = unsafe { &mut *info };
        info.slotID = slots::visible(info.slotID);
    }
    result
}

pub(crate) fn slot_of(session: CK_SESSION_HANDLE) -> Option<CK_SLOT_ID> {
    SESSIONS.lock().open.get(&session).copied()
}

/// The one that has been open for longest.
pub(crate) fn oldest() -> Option<CK_SESSION_HANDLE> {
    SESSIONS.lock().open.keys().next().copied()
}

/// How many are open, as the test sees it.
pub(crate) fn count() -> usize {
    SESSIONS.lock().open.len()
}

/// The answer to a call on a lost session.
pub(crate) fn lost(function: Function, args: &[CK_ULONG]) -> Option<CK_RV> {
    let session = args.first().filter(|_| function.takes_session())?;
    SESSIONS.lock().lost.get(session).map(|lost| lost.code)
}

/// From now on the slot's sessions answer `code`; as with OpenSC, this becomes
/// CKR_SESSION_HANDLE_INVALID once the token is back and slots have been listed, if
/// `until_listed`. The login ends with them.
pub(crate) fn lose(slot: CK_SLOT_ID, code: CK_RV, until_listed: bool) {
    let handles: Vec<_> = {
        let mut sessions = SESSIONS.lock();
        let handles = sessions.open.iter().filter(|(_, of)| **of == slot);
        let handles: Vec<_> = handles.map(|(session, _)| *session).collect();
        for session in &handles {
            sessions.open.remove(session);
            sessions.lost.insert(
                *session,
                Lost {
                    slot,
                    code,
                    until_listed,
                    is_open: true,
                },
            );
        }
        handles
    };
    watch(Watcher::LostSessions, true);
    if !handles.is_empty() {
        log_out(slot);
    }
    // The real sessions stay open where another thread may be inside: SoftHSM does not survive
    // its being closed then. A logout it survives.
    let empty = handles.into_iter().filter(|one| inside::is_empty(*one));
    empty.for_each(left);
}

pub(crate) unsafe fn logout(session: CK_SESSION_HANDLE) -> CK_RV {
    find::number_anew();
    real!(C_Logout(session))
}

/// With a session of our own, for the others may be in use.
pub(crate) fn log_out(slot: CK_SLOT_ID) {
    find::number_anew();
    let mut own = 0;
    let flags = CKF_SERIAL_SESSION;
    let opened = real!(C_OpenSession(slot, flags, ptr::null_mut(), None, &mut own));
    if opened == CKR_OK {
        real!(C_Logout(own));
        real!(C_CloseSession(own));
    }
}

/// Nobody is in this session any more: if it is lost, the real one has no use.
pub(crate) fn left(session: CK_SESSION_HANDLE) {
    let was_open = {
        let mut sessions = SESSIONS.lock();
        let lost = sessions.lost.get_mut(&session);
        lost.is_some_and(|lost| std::mem::replace(&mut lost.is_open, false))
    };
    if was_open {
        real!(C_CloseSession(session));
    }
}

/// Slots were listed while this slot's token was there.
pub(crate) fn listed(slot: CK_SLOT_ID) {
    let mut sessions = SESSIONS.lock();
    let lost = sessions
        .lost
        .values_mut()
        .filter(|lost| lost.slot == slot && lost.until_listed);
    lost.for_each(|lost| lost.code = CKR_SESSION_HANDLE_INVALID);
}

pub(crate) fn forget_all() {
    let mut sessions = SESSIONS.lock();
    sessions.open.clear();
    sessions.lost.clear();
    watch(Watcher::LostSessions, false);
}
