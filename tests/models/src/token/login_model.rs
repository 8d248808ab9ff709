//! One login and one logout, however many come and go; nobody who holds a login loses it.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Mutex, MutexGuard};
use loom::thread;

use super::holders::{LoggedInTo, Login, LoginState, Whose};

struct Token {
    state: Mutex<LoginState<Self>>,
    is_logged_in: AtomicBool,
    logins: AtomicUsize,
    logouts: AtomicUsize,
}

impl LoggedInTo for Token {
    fn login_of_process(&self) -> Option<MutexGuard<'_, LoginState<Self>>> {
        Some(self.state.lock().unwrap())
    }

    fn log_out(&self) {
        assert!(
            self.is_logged_in.swap(false, Ordering::SeqCst),
            "a logout of nobody"
        );
        self.logouts.fetch_add(1, Ordering::SeqCst);
    }
}

impl Token {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(LoginState::default()),
            is_logged_in: AtomicBool::new(false),
            logins: AtomicUsize::new(0),
            logouts: AtomicUsize::new(0),
        })
    }

    /// As `Token::unlock` does.
    fn unlock(self: &Arc<Self>) -> Option<Arc<Login<Self>>> {
        let mut state = self.state.lock().unwrap();
        if let Some(current) = state.current() {
            drop(state);
            drop(current);
            return None;
        }
        state.end_abandoned(self);
        assert!(
            !self.is_logged_in.swap(true, Ordering::SeqCst),
            "the PIN would not be checked"
        );
        self.logins.fetch_add(1, Ordering::SeqCst);
        Some(state.begin(self, Whose::Ours, None))
    }

    /// As `Token::unlocked` does.
    fn unlocked(self: &Arc<Self>) -> Option<Arc<Login<Self>>> {
        let mut state = self.state.lock().unwrap();
        if let Some(current) = state.current() {
            return Some(current);
        }
        state.end_abandoned(self);
        let is_logged_in = self.is_logged_in.load(Ordering::SeqCst);
        is_logged_in.then(|| state.begin(self, Whose::Host, None))
    }

    fn hold(&self, login: Option<Arc<Login<Self>>>) {
        if let Some(login) = login {
            thread::yield_now();
            assert!(self.is_logged_in.load(Ordering::SeqCst), "logged out");
            drop(login);
        }
    }

    fn is_as_before(&self) {
        assert!(!self.is_logged_in.load(Ordering::SeqCst), "left logged in");
        let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
        assert_eq!(count(&self.logins), count(&self.logouts));
        assert!(count(&self.logins) >= 1);
    }
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

#[test]
fn two_that_unlock_and_one_that_shares() {
    model(|| {
        let token = Token::new();
        let beside = |act: fn(&Arc<Token>) -> Option<Arc<Login<Token>>>| {
            let token = Arc::clone(&token);
            thread::spawn(move || token.hold(act(&token)))
        };
        let threads = [beside(Token::unlock), beside(Token::unlocked)];
        token.hold(token.unlock());
        for thread in threads {
            thread.join().unwrap();
        }
        token.is_as_before();
    });
}

/// The login is taken over at the moment that its last holder goes.
#[test]
fn the_last_holder_goes_as_another_comes() {
    model(|| {
        let token = Token::new();
        let login = token.unlock();
        let other = {
            let token = Arc::clone(&token);
            thread::spawn(move || {
                token.hold(token.unlocked());
                token.hold(token.unlock());
            })
        };
        token.hold(login);
        other.join().unwrap();
        token.is_as_before();
    });
}
