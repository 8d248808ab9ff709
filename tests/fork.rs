//! After a fork the child must not use what its parent opened: their sessions and login are one
//! to the module, and a lock that another thread held stays held in the child for ever.
#![cfg(unix)]

#[path = "support/fault.rs"]
mod fault;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{process, thread};

use fault::Fault;
use keyfob::{Error, Pin, PinRequest, Scheme, Search, Token};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use softhsm::{Kind, PIN, SoftHsm};

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("fork", |token| {
        token.identity(Kind::P256, "p256", &[1]);
    });
    let fault = Fault::load();
    (bench, fault)
}

fn token() -> Token {
    let found = Search::new().module(Fault::path()).named_only().run();
    found.unwrap().select("fork").unwrap()
}

#[test]
fn what_the_parent_opened_is_refused_and_dropped_without_a_call() {
    let (_bench, fault) = bench();
    let mut token = token();
    let fob = token.unlock(&PIN.into()).unwrap();
    let identity = fob.identities().unwrap().only().unwrap();
    let key = fob.key("p256").unwrap();
    let before = fault.total();
    in_child(|| {
        assert!(is_forked(key.sign(Scheme::EcdsaP256Sha256, b"message")));
        assert!(is_forked(
            identity.sign(Scheme::EcdsaP256Sha256, b"message")
        ));
        assert!(is_forked(token.unlock(&PIN.into())));
        assert!(is_forked(token.unlocked()));
        assert!(is_forked(token.identities()));
        assert!(is_forked(fob.identities()));
        assert!(is_forked(fob.key("p256")));
        assert!(is_forked(token.refresh()));
        assert!(is_forked(token.mechanisms()));
        assert!(is_forked(token.slot_description()));
        assert!(is_forked(token.module().info()));
        drop((key, identity, fob, token));
        assert_eq!(fault.total(), before, "{:?}", fault.counts());
    });
    // Nothing of that has happened to the parent.
    let fob = self::token().unlocked().unwrap();
    assert!(
        fob.is_none(),
        "its handles went into the closure, and were dropped here too"
    );
}

#[test]
fn the_parent_goes_on() {
    let (_bench, _fault) = bench();
    let fob = token().unlock(&PIN.into()).unwrap();
    let key = fob.key("p256").unwrap();
    for _ in 0..3 {
        let inherited = key.clone();
        in_child(move || drop(inherited));
        key.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
    }
    assert!(fob.unlocked().unwrap().is_some());
}

/// The module's state comes along, and with it the parent's login: it is ended before the child
/// begins.
#[test]
fn a_child_begins_with_a_login_of_its_own() {
    let (_bench, fault) = bench();
    let fob = token().unlock(&PIN.into()).unwrap();
    let key = fob.key("p256").unwrap();
    key.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
    let inherited = key.clone();
    in_child(|| {
        fault.reset_counts();
        let token = token();
        assert_eq!(
            (fault.count("C_Initialize"), fault.count("C_Finalize")),
            (2, 1)
        );
        assert!(token.unlocked().unwrap().is_none());
        assert!(is_forked(
            inherited.sign(Scheme::EcdsaP256Sha256, b"message")
        ));
        let key = token.unlock(&PIN.into()).unwrap().key("p256").unwrap();
        key.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
        drop((token, key));
        assert_eq!(fault.count("C_Finalize"), 2);
    });
    key.sign(Scheme::EcdsaP256Sha256, b"message").unwrap();
}

/// A thread holds the token's login while it waits for a person; the child has no such thread.
#[test]
fn a_lock_that_was_held_does_not_hang_the_child() {
    let (_bench, _fault) = bench();
    let token = token();
    let (asked, is_asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel::<()>();
    let answered = std::sync::Mutex::new(answered);
    thread::scope(|scope| {
        let waiting = token.clone();
        let thread = scope.spawn(move || {
            waiting.unlock_by(&move |_: &PinRequest| {
                asked.send(()).unwrap();
                // Bounded, since a test that fails must not wait for ever either.
                answered.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                Ok(Pin::from(PIN))
            })
        });
        is_asked.recv().unwrap();
        let inherited = token.clone();
        in_child(move || {
            assert!(is_forked(inherited.unlocked()));
            assert!(is_forked(inherited.unlock(&PIN.into())));
            drop(inherited);
            // And it can begin anew.
            assert_eq!(self::token().label(), "fork");
        });
        answer.send(()).unwrap();
        thread.join().unwrap().unwrap();
    });
}

fn is_forked<T>(outcome: Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Forked))
}

/// Does something in a child process, which must end well, and soon.
fn in_child(work: impl FnOnce()) {
    // SAFETY: the child makes no call that another thread's absence could block but those that are
    // tested here, and ends without running its parent's exit handlers.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let ended = catch_unwind(AssertUnwindSafe(work));
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(ended.is_err())) }
    }
    let child = Pid::from_raw(child).expect("the fork did not fail");
    let start = Instant::now();
    loop {
        let state = waitpid(Some(child), WaitOptions::NOHANG).expect("it is our child");
        if let Some((_, status)) = state {
            assert_eq!(status.exit_status(), Some(0), "the child failed; see above");
            return;
        }
        if start.elapsed() > PATIENCE {
            kill_process(child, Signal::KILL).expect("it is our child");
            panic!("the child hangs, of process {}", process::id());
        }
        thread::sleep(Duration::from_millis(5));
    }
}
