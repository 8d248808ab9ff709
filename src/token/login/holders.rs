//! Who holds the login to a token. The last one ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::pin::Pin;
use crate::sync::MutexGuard;

/// A token, as its login knows it.
pub(in crate::token) trait LoggedInTo: Sized {
    /// Its login, locked; `None` where it is none of this process's: a forked child's.
    fn login_of_process(&self) -> Option<MutexGuard<'_, LoginState<Self>>>;

    fn log_out(&self);
}

/// The login of this process to one token.
pub(in crate::token) struct LoginState<T: LoggedInTo> {
    current: Option<Current<T>>,
}

struct Current<T: LoggedInTo> {
    login: Weak<Login<T>>,
    serial: u64,
    whose: Whose,
    /// To log in with again, where the PIN's owner has allowed that.
    kept: Option<Pin>,
}

/// Who made the login, and so who may end it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::token) enum Whose {
    Ours,
    Host,
    /// The token needs none.
    Nobody,
}

impl<T: LoggedInTo> LoginState<T> {
    pub(in crate::token) fn current(&self) -> Option<Arc<Login<T>>> {
        self.current.as_ref()?.login.upgrade()
    }

    pub(in crate::token) fn is_nobodys(&self) -> bool {
        self.current.is_none()
    }

    pub(in crate::token) fn is_whose(&self, whose: Whose) -> bool {
        self.current.as_ref().is_some_and(|one| one.whose == whose)
    }

    pub(in crate::token) fn begin(
        &mut self,
        token: &Arc<T>,
        whose: Whose,
        kept: Option<Pin>,
    ) -> Arc<Login<T>> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let login = Arc::new(Login {
            token: Arc::clone(token),
            serial,
        });
        self.current = Some(Current {
            login: Arc::downgrade(&login),
            serial,
            whose,
            kept,
        });
        login
    }

    /// The login that was lost is there again, and is ours.
    pub(in crate::token) fn revive(&mut self, kept: Option<Pin>) {
        if let Some(current) = &mut self.current {
            current.whose = Whose::Ours;
            current.kept = kept;
        }
    }

    /// The PIN to log in with again, where there is one.
    pub(in crate::token) fn kept(&mut self) -> Option<&mut Option<Pin>> {
        let kept = &mut self.current.as_mut()?.kept;
        kept.is_some().then_some(kept)
    }

    /// Ends a login whose last holder is going in another thread and has not logged out yet.
    pub(in crate::token) fn end_abandoned(&mut self, token: &T) {
        if let Some(Current {
            whose: Whose::Ours, ..
        }) = self.current.take()
        {
            token.log_out();
        }
    }
}

impl<T: LoggedInTo> Default for LoginState<T> {
    fn default() -> Self {
        Self { current: None }
    }
}

/// Counted by its `Arc`: the last holder logs out.
pub(in crate::token) struct Login<T: LoggedInTo> {
    token: Arc<T>,
    serial: u64,
}

impl<T: LoggedInTo> Drop for Login<T> {
    fn drop(&mut self) {
        let Some(mut state) = self.token.login_of_process() else {
            return;
        };
        let current = state.current.as_ref();
        if current.is_some_and(|current| current.serial == self.serial) {
            state.end_abandoned(&self.token);
        }
    }
}
