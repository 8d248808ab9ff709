//! Who holds a login, and who ends it.

use std::sync::Barrier;
use std::thread;

use keyfob::{Error, Pin, PinError, Scheme, Unlocked};

use crate::fault::Fault;
use crate::{PIN, WRONG, bench, refused, token};

#[test]
fn a_second_pin_would_not_be_checked_so_it_is_refused() {
    let (_bench, fault) = bench();
    let token = token();
    assert!(token.unlocked().unwrap().is_none());
    let fob = token.unlock(&PIN.into()).unwrap();
    for pin in [WRONG, PIN] {
        let outcome = refused(&fault, || token.unlock(&Pin::from(pin)));
        assert_eq!(outcome, (PinError::AlreadyUnlocked, 0));
    }
    let outcome = refused(&fault, || {
        token.unlock_by(&|_: &_| panic!("nobody is to be asked"))
    });
    assert_eq!(outcome, (PinError::AlreadyUnlocked, 0));
    // Another handle of the same token is no way round.
    let outcome = refused(&fault, || crate::token().unlock(&WRONG.into()));
    assert_eq!(outcome, (PinError::AlreadyUnlocked, 0));

    let same = crate::token().unlocked().unwrap().unwrap();
    drop(fob);
    same.key("p256").unwrap();
    assert_eq!(fault.count("C_Logout"), 0);
    drop(same);
    assert_eq!(fault.count("C_Logout"), 1);
    assert!(token.unlocked().unwrap().is_none());
    let outcome = refused(&fault, || token.unlock(&WRONG.into()));
    assert_eq!(outcome.1, 1, "checked again");
}

#[test]
fn the_last_holder_logs_out_once() {
    let (_bench, fault) = bench();
    let fob = token().unlock(&PIN.into()).unwrap();
    let clone = fob.clone();
    let identity = clone.identities().unwrap().only().unwrap();
    let key = clone.key("p256").unwrap();
    let signer = identity.signer(Scheme::EcdsaP256Sha256).unwrap();
    drop(fob);
    drop(clone);
    identity.sign(Scheme::EcdsaP256Sha256, b"1").unwrap();
    drop(identity);
    key.sign(Scheme::EcdsaP256Sha256, b"2").unwrap();
    drop(key);
    use signature::Signer;
    let _: keyfob::Signature = signer.try_sign(b"3").unwrap();
    assert_eq!(fault.count("C_Logout"), 0);
    drop(signer);
    assert_eq!(fault.count("C_Logout"), 1);
    assert_eq!(fault.count("C_Login"), 1);
}

#[test]
fn one_token_is_unlocked_and_another_is_not() {
    let (_bench, fault) = bench();
    let fob = token().unlock(&PIN.into()).unwrap();
    let found = keyfob::Search::new()
        .module(fob.module().path())
        .named_only()
        .run();
    let other = found.unwrap().select("other").unwrap();
    assert!(other.unlocked().unwrap().is_none());
    drop(other.unlock(&PIN.into()).unwrap());
    assert_eq!(fault.count("C_Logout"), 1);
    fob.key("p256").unwrap();
}

/// The second thread comes while the first one's PIN is on its way.
#[test]
fn two_threads_that_unlock_at_once_send_one_pin() {
    let (_bench, fault) = bench();
    let token = token();
    fault.fail("C_Login").hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| token.unlock(&PIN.into()));
        fault.wait_until_held(1);
        let second = scope.spawn(|| token.unlock(&WRONG.into()));
        let third = scope.spawn(|| token.unlocked());
        thread::sleep(std::time::Duration::from_millis(50));
        assert!(!second.is_finished() && !third.is_finished());
        fault.release();
        let fob = first.join().unwrap().unwrap();
        let refused = second.join().unwrap();
        assert!(matches!(
            refused,
            Err(Error::Pin {
                reason: PinError::AlreadyUnlocked,
                ..
            })
        ));
        third.join().unwrap().unwrap().unwrap();
        drop(fob);
    });
    assert_eq!(fault.count("C_Login"), 1);
    assert_eq!(fault.count("C_Logout"), 1);
}

/// Every login is followed by one logout before the next, whoever comes and goes.
#[test]
fn threads_come_and_go() {
    let (_bench, fault) = bench();
    come_and_go(&fault, 500);
}

fn come_and_go(fault: &Fault, times: usize) {
    const THREADS: usize = 4;
    let token = token();
    fault.reset_counts();
    fault.command("log start 3000");
    // While one holds it, nobody ends it or begins another.
    let hold = |fob| {
        let logouts = fault.count("C_Logout");
        assert_eq!(fault.count("C_Login"), logouts + 1);
        drop(fob);
    };
    let start = Barrier::new(2 * THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..times {
                    hold(unlocked_somehow(&token));
                }
            });
            // These have no PIN.
            scope.spawn(|| {
                start.wait();
                for _ in 0..times {
                    token.unlocked().unwrap().into_iter().for_each(hold);
                }
            });
        }
    });
    let log = fault.log();
    let of_login = log.iter().map(String::as_str);
    let of_login = of_login.filter(|name| matches!(*name, "C_Login" | "C_Logout"));
    let of_login: Vec<_> = of_login.skip_while(|name| *name == "C_Logout").collect();
    for pair in of_login.chunks(2) {
        assert_eq!(pair, ["C_Login", "C_Logout"]);
    }
    assert_eq!(fault.count("C_Login"), fault.count("C_Logout"));
}

/// All sessions that there are fail at the same moment: closing them is no logout.
#[test]
fn failures_of_all_sessions_are_no_logout() {
    let (_bench, fault) = bench();
    let key = token().unlock(&PIN.into()).unwrap().key("p256").unwrap();
    for _ in 0..20 {
        // CKR_DEVICE_ERROR, each time that it is tried.
        fault.command("rule C_Sign nth=1..2 hold return=0x30");
        fault.command("rule C_Sign nth=3..4 return=0x30");
        thread::scope(|scope| {
            let fail = || key.sign(Scheme::EcdsaP256Sha256, b"fails").unwrap_err();
            let both = [scope.spawn(fail), scope.spawn(fail)];
            fault.wait_until_held(2);
            fault.release();
            for failed in both {
                let error = failed.join().unwrap();
                let of_signing = matches!(
                    error,
                    Error::Call {
                        function: "C_Sign",
                        ..
                    }
                );
                assert!(of_signing, "{error:?}");
            }
        });
        fault.clear_rules();
        key.sign(Scheme::EcdsaP256Sha256, b"still unlocked")
            .unwrap();
        assert!(fault.sessions() <= 2);
    }
    assert_eq!(fault.count("C_Login"), 1);
}

/// By this thread's own PIN, or through the login that another has made.
fn unlocked_somehow(token: &keyfob::Token) -> Unlocked {
    loop {
        match token.unlock(&PIN.into()) {
            Ok(fob) => return fob,
            Err(Error::Pin {
                reason: PinError::AlreadyUnlocked,
                ..
            }) => {}
            Err(error) => panic!("{error}"),
        }
        if let Some(fob) = token.unlocked().unwrap() {
            return fob;
        }
    }
}
