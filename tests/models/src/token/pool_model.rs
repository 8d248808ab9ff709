//! Sessions are neither lost nor left open, nobody waits for ever, and the last is never closed.

use std::collections::BTreeSet;
use std::sync::Mutex;

use cryptoki_sys::CK_SESSION_HANDLE;
use loom::sync::Arc;
use loom::thread;

use super::pool::{Health, Pool, Session, Sessions};

/// A token that opens no more than so many sessions. What it notes is no part of the model, so its
/// lock is an ordinary one.
struct Token {
    pool: Pool,
    takes: usize,
    /// To close the last session is a logout.
    is_unlocked: bool,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    open: BTreeSet<CK_SESSION_HANDLE>,
    opened: CK_SESSION_HANDLE,
}

#[derive(Debug, PartialEq)]
enum Refusal {
    Full,
    Busy,
}

impl Sessions for Token {
    type Error = Refusal;

    fn open(&self) -> Result<Session, Refusal> {
        // Where a real one takes its time.
        thread::yield_now();
        let mut noted = self.noted.lock().unwrap();
        if noted.open.len() >= self.takes {
            return Err(Refusal::Full);
        }
        noted.opened += 1;
        let handle = noted.opened;
        noted.open.insert(handle);
        Ok(Session { handle, life: 0 })
    }

    fn close(&self, session: Session) {
        let mut noted = self.noted.lock().unwrap();
        assert!(noted.open.remove(&session.handle), "closed twice");
        assert!(!self.is_unlocked || !noted.open.is_empty(), "a logout");
    }

    fn is_full(&self, error: &Refusal) -> bool {
        *error == Refusal::Full
    }

    fn busy(&self) -> Refusal {
        Refusal::Busy
    }
}

impl Token {
    fn new(limit: usize, takes: usize, is_unlocked: bool) -> Arc<Self> {
        let token = Arc::new(Self {
            pool: Pool::new(limit),
            takes,
            is_unlocked,
            noted: Mutex::default(),
        });
        // As after a login: one session is there.
        token.sign(Health::Good);
        token
    }

    fn sign(&self, outcome: Health) {
        let loan = self.pool.lend(self, 0).unwrap();
        let handle = loan.session.handle;
        let is_open = self.noted.lock().unwrap().open.contains(&handle);
        assert!(is_open, "a session that is closed was lent");
        self.pool.take_back(self, loan, outcome);
    }

    fn open(&self) -> usize {
        self.noted.lock().unwrap().open.len()
    }
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

fn beside(token: &Arc<Token>, act: impl Fn(&Token) + 'static) -> thread::JoinHandle<()> {
    let token = Arc::clone(token);
    thread::spawn(move || act(&token))
}

/// One session for two threads: the second is woken.
#[test]
fn threads_share_what_the_token_allows() {
    model(|| {
        let token = Token::new(1, 1, true);
        let other = beside(&token, |token| token.sign(Health::Good));
        token.sign(Health::Good);
        other.join().unwrap();
        assert_eq!(token.open(), 1);
    });
}

/// The token takes fewer than it has said, for other programs use it too.
#[test]
fn who_was_refused_a_session_waits_for_one() {
    model(|| {
        let token = Token::new(2, 1, true);
        let other = beside(&token, |token| token.sign(Health::Good));
        token.sign(Health::Good);
        other.join().unwrap();
        assert_eq!(token.open(), 1);
    });
}

/// Each would rely on the other's session, or on one that is only being opened.
#[test]
fn two_failures_at_once_close_no_last_session() {
    model(|| {
        let token = Token::new(3, 3, true);
        let other = beside(&token, |token| token.sign(Health::Spoiled));
        token.sign(Health::Spoiled);
        other.join().unwrap();
        assert!(token.open() >= 1);
        token.sign(Health::Good);
    });
}

#[test]
fn room_is_made_beside_a_failure() {
    model(|| {
        let token = Token::new(3, 3, true);
        let other = beside(&token, |token| token.sign(Health::Spoiled));
        token.pool.make_room(&*token);
        other.join().unwrap();
        assert!(token.open() >= 1);
    });
}

/// All are lost while some are in use: none is left open, and none is lent again.
#[test]
fn a_new_epoch_leaves_no_session_open() {
    model(|| {
        let token = Token::new(2, 4, false);
        let other = beside(&token, |token| token.sign(Health::Good));
        token.pool.renew(&*token);
        token.sign(Health::Good);
        other.join().unwrap();
        token.pool.close(&*token);
        assert_eq!(token.open(), 0);
    });
}

/// The card is wanted through another module.
#[test]
fn idle_sessions_are_closed_and_no_others() {
    model(|| {
        let token = Token::new(2, 2, false);
        let other = beside(&token, |token| token.sign(Health::Good));
        let rests = token.pool.close_idle(&*token);
        other.join().unwrap();
        assert!(rests || token.open() >= 1);
        token.sign(Health::Good);
        token.pool.close(&*token);
        assert_eq!(token.open(), 0);
    });
}
