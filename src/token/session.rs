//! A session of a token, on loan from its pool, and what becomes of it after an error.

use std::cell::Cell;

use cryptoki_sys::*;

use super::Slot;
use super::pool::{Health, Loan, Session, Sessions};
use crate::Error;
use crate::module::raw::Functions;
use crate::module::{Alive, ReturnCode};

/// What is read of a token at once, in bytes: ten thousand keys with their certificates.
const ALLOWANCE: usize = 32 << 20;

/// What an object costs beside its values, in bytes, if only to say that it cannot be read.
const OBJECT: usize = 1 << 8;

/// A session on loan. Dropping it gives it back.
pub(crate) struct Pooled<'a> {
    slot: &'a Slot,
    functions: &'a Functions,
    handle: CK_SESSION_HANDLE,
    epoch: u64,
    generation: u64,
    is_used: bool,
    health: Cell<Health>,
    /// How many bytes may still be read with it.
    allowance: Cell<usize>,
    /// Always there until the drop.
    loan: Option<Loan>,
    /// While it is on loan the module is not initialised anew, and its number no other's.
    alive: Alive<'a>,
}

impl Slot {
    /// A session to use alone: an idle one or a new one.
    ///
    /// `functions` are this slot's ([`Slot::functions`]): whoever has them has checked, before any
    /// lock was touched, that this process may call the module.
    #[inline]
    pub(crate) fn session<'a>(&'a self, functions: &'a Functions) -> Result<Pooled<'a>, Error> {
        let alive = functions.life().enter();
        let life = alive.number();
        let loan = self.pool.lend(self, life)?;
        Ok(Pooled {
            slot: self,
            functions,
            handle: loan.session.handle,
            epoch: loan.epoch,
            generation: self.generation(life),
            is_used: loan.is_used,
            health: Cell::new(Health::Good),
            allowance: Cell::new(ALLOWANCE),
            loan: Some(loan),
            alive,
        })
    }
}

impl Sessions for Slot {
    type Error = Error;

    fn open(&self) -> Result<Session, Error> {
        self.take_card()?;
        let functions = self.functions()?;
        let alive = functions.life().enter();
        let opened = functions.open_session(self.id());
        Ok(Session {
            handle: self.call("C_OpenSession", opened)?,
            life: alive.number(),
        })
    }

    fn close(&self, session: Session) {
        let functions = self.module().inner().functions();
        let alive = functions.life().enter();
        if session.life != alive.number() {
            return;
        }
        // A session whose token is gone is closed already.
        if let Err(error) = functions.close_session(session.handle) {
            log::debug!("C_CloseSession: {error}");
        }
    }

    fn is_full(&self, error: &Error) -> bool {
        matches!(error, Error::Call { code, .. } if code.is(CKR_SESSION_COUNT))
    }

    fn busy(&self) -> Error {
        Error::Busy {
            token: self.name().to_owned(),
        }
    }
}

impl Pooled<'_> {
    pub(crate) fn handle(&self) -> CK_SESSION_HANDLE {
        self.handle
    }

    pub(crate) fn functions(&self) -> &Functions {
        self.functions
    }

    /// The epoch of sessions that it belongs to.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The generation of the handles that are found with it.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether what was done with a handle was done with the object that was meant. In between the
    /// handle may have ended, and have been given to another.
    pub(crate) fn is_of_this_generation(&self) -> bool {
        self.slot.generation(self.alive.number()) == self.generation
    }

    /// The module does not know an object's handle that was found in this generation.
    #[cold]
    pub(crate) fn end_generation(&self) {
        if self.is_of_this_generation() {
            self.slot.end_generation();
        }
    }

    /// Others have used it before.
    pub(super) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Several attributes of an object: [`Functions::attributes`].
    ///
    /// What is read while it is on loan is limited. A listing of all objects is made on one.
    pub(crate) fn attributes(
        &self,
        object: CK_OBJECT_HANDLE,
        wanted: &[(CK_ATTRIBUTE_TYPE, usize)],
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.spend(OBJECT)?;
        let values = self.functions.attributes(self.handle, object, wanted);
        let values = self.call("C_GetAttributeValue", values)?;
        self.spend(values.iter().flatten().map(Vec::len).sum())?;
        Ok(values)
    }

    fn spend(&self, bytes: usize) -> Result<(), Error> {
        let left = self.allowance.get().checked_sub(bytes);
        self.allowance
            .set(left.ok_or_else(|| self.slot.too_many_objects())?);
        Ok(())
    }

    /// The objects that fit a template: [`Functions::find`].
    pub(crate) fn find(
        &self,
        template: &[(CK_ATTRIBUTE_TYPE, &[u8])],
        few: bool,
    ) -> Result<Vec<CK_OBJECT_HANDLE>, Error> {
        let handles = self.functions.find(self.handle, template, few);
        self.call("C_FindObjects", handles)
    }

    /// The state that it is in, one of `CKS_…`.
    pub(super) fn state(&self) -> Result<CK_STATE, Error> {
        self.call(
            "C_GetSessionInfo",
            self.functions.session_state(self.handle),
        )
    }

    /// What a call with this session came to. After one that failed the session is not used again:
    /// an operation may be open in it.
    pub(crate) fn call<T>(
        &self,
        function: &'static str,
        outcome: Result<T, ReturnCode>,
    ) -> Result<T, Error> {
        outcome.map_err(|code| {
            // What is wrong with an object is not wrong with the session.
            if !code.is(CKR_OBJECT_HANDLE_INVALID) || function != "C_GetAttributeValue" {
                self.spoil();
            }
            if code.is_any(&[CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED]) {
                self.health.set(Health::Gone);
            }
            self.slot.error(function, code)
        })
    }

    /// The session is in a state of which nothing is known, perhaps with an operation open: it is
    /// closed and not used again.
    pub(crate) fn spoil(&self) {
        self.health.set(Health::Spoiled);
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        // The process is the one that borrowed it: no caller's code, and so no fork, comes between.
        if let Some(loan) = self.loan.take() {
            let pool = &self.slot.pool;
            pool.take_back(self.slot, loan, self.health.get());
        }
    }
}
