use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cryptoki::session::Session;
use cryptoki::slot::Slot as SlotNumber;
use cryptoki_sys::{
    CK_ATTRIBUTE_TYPE, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CKR_OBJECT_HANDLE_INVALID,
};

use super::Slot;
use crate::Error;
use crate::module::raw::Functions;
use crate::module::{ReturnCode, lock};

/// Idle sessions kept for the next call; more are closed.
const KEPT: usize = 16;

/// The open sessions of a token.
///
/// A session is opened when none is idle, and kept for the next call. One stays open as long as
/// the token is unlocked, since closing the last one is a logout (PKCS#11 3.1, section 5.6.2).
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Session>>,
    open: AtomicUsize,
    /// Sessions that are being opened.
    pub(super) opening: AtomicUsize,
}

impl Pool {
    pub(super) fn close(&self) {
        for session in lock(&self.idle).drain(..) {
            self.end(session);
        }
    }

    /// Closes the sessions if all of them are idle. Waits for nobody.
    pub(super) fn close_idle(&self) -> bool {
        let Ok(mut idle) = self.idle.try_lock() else {
            return false;
        };
        let all = self.opening.load(Ordering::SeqCst) == 0
            && idle.len() == self.open.load(Ordering::Relaxed);
        if all {
            for session in idle.drain(..) {
                self.end(session);
            }
        }
        all
    }

    fn end(&self, session: Session) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        close(session);
    }
}

fn close(session: Session) {
    // A session whose token is gone is closed already.
    if let Err(error) = session.close() {
        log::debug!("C_CloseSession: {error}");
    }
}

impl Slot {
    /// A session to use alone: an idle one or a new one. Dropping it gives it back.
    ///
    /// `functions` are this slot's ([`Slot::functions`]): whoever has them has checked, before any
    /// lock was touched, that this process may call the module.
    pub(crate) fn session<'a>(&'a self, functions: &'a Functions) -> Result<Pooled<'a>, Error> {
        let idle = lock(&self.pool.idle).pop();
        let session = match idle {
            Some(session) => session,
            None => self.open_session()?,
        };
        Ok(Pooled {
            slot: self,
            functions,
            session: Some(session),
            spoiled: Cell::new(false),
        })
    }

    fn open_session(&self) -> Result<Session, Error> {
        let _opening = self.take_card()?;
        let context = self.module().loaded()?.context();
        let number = SlotNumber::try_from(u64::from(self.id()))
            .map_err(|_| self.error("C_OpenSession", ReturnCode::SLOT_ID_INVALID))?;
        // Closed by the pool: a session that closes itself would do so in a forked child too.
        let session = context
            .open_ro_session_no_drop(number)
            .map_err(|error| self.error("C_OpenSession", ReturnCode::of(&error)))?;
        self.pool.open.fetch_add(1, Ordering::Relaxed);
        Ok(session)
    }
}

/// A session on loan.
pub(crate) struct Pooled<'a> {
    slot: &'a Slot,
    functions: &'a Functions,
    /// Always there until the drop.
    session: Option<Session>,
    spoiled: Cell<bool>,
}

impl Pooled<'_> {
    pub(crate) fn handle(&self) -> CK_SESSION_HANDLE {
        self.session.as_ref().map_or(0, Session::handle)
    }

    /// Several attributes of an object: [`Functions::attributes`].
    pub(crate) fn attributes(
        &self,
        object: CK_OBJECT_HANDLE,
        wanted: &[(CK_ATTRIBUTE_TYPE, usize)],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let values = self.functions.attributes(self.handle(), object, wanted);
        self.read("C_GetAttributeValue", values)
    }

    /// The objects that fit a template: [`Functions::find`].
    pub(crate) fn find(
        &self,
        template: &[(CK_ATTRIBUTE_TYPE, &[u8])],
        few: bool,
    ) -> Result<Vec<CK_OBJECT_HANDLE>, Error> {
        let handles = self.functions.find(self.handle(), template, few);
        self.read("C_FindObjects", handles)
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The session is in a state of which nothing is known, perhaps with an operation open: it is
    /// closed and not used again.
    pub(crate) fn spoil(&self) {
        self.spoiled.set(true);
    }

    fn read<T>(&self, function: &'static str, outcome: Result<T, ReturnCode>) -> Result<T, Error> {
        // What is wrong with an object is not wrong with the session.
        if outcome
            .as_ref()
            .is_err_and(|code| !code.is(CKR_OBJECT_HANDLE_INVALID))
        {
            self.spoil();
        }
        self.slot.call(function, outcome)
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        // The process is the one that borrowed it: no caller's code, and so no fork, comes between.
        let pool = &self.slot.pool;
        if self.spoiled.get() {
            // Closing the only session would be a logout: another is opened first. Under the
            // lock, or each of two threads would rely on the session that the other closes.
            let mut idle = lock(&pool.idle);
            if pool.open.load(Ordering::Relaxed) == 1
                && let Ok(another) = self.slot.open_session()
            {
                idle.push(another);
            }
            pool.open.fetch_sub(1, Ordering::Relaxed);
            drop(idle);
            close(session);
            return;
        }
        let mut idle = lock(&pool.idle);
        if idle.len() < KEPT {
            idle.push(session);
        } else {
            drop(idle);
            pool.end(session);
        }
    }
}
