//! A token that is pulled out and plugged in again, and logins and sessions that are lost otherwise:
//! what came from it before goes on.

#[path = "removal/daemon.rs"]
mod daemon;
#[path = "support/fault.rs"]
mod fault;
#[path = "removal/handles.rs"]
mod handles;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use fault::Fault;
use keyfob::{Discovery, Error, Identity, Pin, PinError, Scheme, Search, SignError, Token};
use softhsm::{Kind, PIN, SoftHsm};

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("removal", |token| token.identity(Kind::P256, "p256", &[1]));
    bench.token("another", |token| token.identity(Kind::P256, "p256", &[1]));
    (bench, Fault::load())
}

fn found() -> Discovery {
    let search = Search::new().module(Fault::path()).named_only();
    search.run().unwrap()
}

fn token() -> Token {
    found().select("removal").unwrap()
}

fn unlock(token: &Token, pin: &Pin) -> Identity {
    let fob = token.unlock(pin).unwrap();
    fob.identities().unwrap().label("p256").only().unwrap()
}

fn kept() -> Pin {
    Pin::from(PIN).keep_pin()
}

#[track_caller]
fn signs(me: &Identity) {
    let signature = me.sign(SCHEME, b"message").unwrap();
    let certificate = me.certificate().unwrap();
    certificate.verify(SCHEME, b"message", &signature).unwrap();
}

#[track_caller]
fn is_removed(me: &Identity) {
    let error = me.sign(SCHEME, b"message").unwrap_err();
    assert!(matches!(error, Error::TokenRemoved { .. }), "{error:?}");
    assert!(error.to_string().contains("\"removal\""), "{error}");
}

#[track_caller]
fn is_locked(me: &Identity) {
    let error = me.sign(SCHEME, b"message").unwrap_err();
    assert!(matches!(error, Error::NotUnlocked { .. }), "{error:?}");
}

/// Pulled out with or without its reader, and back in the same slot or another.
#[test]
fn after_one_new_unlock_everything_goes_on() {
    let (_bench, fault) = bench();
    for (reader, back_as) in [
        (false, None),
        (true, None),
        (false, Some(4711)),
        (true, Some(4712)),
    ] {
        fault.reset();
        let token = token();
        let me = unlock(&token, &PIN.into());
        let key = me.key().unwrap().clone();
        signs(&me);
        let slot = fault.slot_of("removal");
        match reader {
            true => fault.token(slot).remove_with_reader(),
            false => fault.token(slot).remove(),
        }
        for _ in 0..3 {
            is_removed(&me);
            let error = token.unlock(&PIN.into()).unwrap_err();
            assert!(matches!(error, Error::TokenRemoved { .. }), "{error:?}");
            let error = token.identities().unwrap_err();
            assert!(matches!(error, Error::TokenRemoved { .. }), "{error:?}");
        }
        match back_as {
            Some(other) => fault.token(slot).insert_as(other),
            None => fault.token(slot).insert(),
        }
        is_locked(&me);
        is_locked(&me);
        assert_eq!(fault.count("C_Login"), 1, "no PIN was kept");
        let fob = token.unlock(&PIN.into()).unwrap();
        assert_eq!(token.slot_id(), back_as.unwrap_or(slot));
        signs(&me);
        key.sign(SCHEME, b"message").unwrap();
        assert_eq!(fob.identities().unwrap().len(), 1);
        assert_eq!(fault.count("C_Login"), 2);
        // The login is the old one's too.
        drop(fob);
        signs(&me);
        drop((me, key));
        assert_eq!(fault.count("C_Logout"), 1);
        drop(token);
        assert_eq!(fault.sessions(), 0);
        assert_eq!(fault.count("C_Finalize"), 1);
    }
}

/// Nothing was asked of the token while it was away.
#[test]
fn an_absence_that_nobody_saw_needs_a_new_unlock_too() {
    let (_bench, fault) = bench();
    let token = token();
    let me = unlock(&token, &PIN.into());
    let slot = fault.slot_of("removal");
    fault.token(slot).remove();
    fault.token(slot).insert();
    let fob = token.unlock(&PIN.into()).unwrap();
    signs(&me);
    drop(fob);
    fault.token(slot).remove();
    fault.token(slot).insert_as(4713);
    is_locked(&me);
    assert!(token.unlocked().unwrap().is_none());
    token.unlock(&PIN.into()).unwrap();
    signs(&me);
    assert!(token.unlocked().unwrap().is_some());
    assert_eq!(fault.count("C_Login"), 3);
}

/// Found by a new search, it is the token that there was, with the same login.
#[test]
fn a_new_search_finds_the_same_token() {
    let (_bench, fault) = bench();
    let old = token();
    let me = unlock(&old, &PIN.into());
    let slot = fault.slot_of("removal");
    fault.token(slot).remove();
    fault.token(slot).insert_as(4714);
    let new = token();
    assert_eq!((new.slot_id(), old.slot_id()), (4714, 4714));
    let fob = new.unlock(&PIN.into()).unwrap();
    signs(&me);
    let again = old.unlock(&PIN.into()).unwrap_err();
    assert!(matches!(
        again,
        Error::Pin {
            reason: PinError::AlreadyUnlocked,
            ..
        }
    ));
    drop((fob, me));
    assert_eq!(fault.count("C_Logout"), 1);
}

/// Another token in the slot is not it.
#[test]
fn another_token_in_its_place_is_not_it() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    let slot = fault.slot_of("removal");
    let another = fault.slot_of("another");
    fault.token(slot).remove_with_reader();
    fault.token(another).remove_with_reader();
    fault.token(another).insert_as(slot);
    is_removed(&me);
    assert_eq!(fault.count("C_Login"), 1);
    // Everything is where it was.
    fault.reset();
    signs(&me);
    assert_eq!(fault.count("C_Login"), 1);
}

/// One login however many threads wait for it.
#[test]
fn with_the_pin_kept_it_goes_on_by_itself() {
    const THREADS: usize = 8;
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    for round in 1..=5 {
        let slot = fault.slot_of("removal");
        fault.token(slot).remove();
        is_removed(&me);
        fault.token(slot).insert();
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    signs(&me);
                });
            }
        });
        assert_eq!(fault.count("C_Login"), round + 1);
    }
}

#[test]
fn a_kept_pin_that_is_refused_is_not_sent_again() {
    let (_bench, fault) = bench();
    let token = token();
    let me = unlock(&token, &kept());
    let slot = fault.slot_of("removal");
    fault.token(slot).remove();
    fault.token(slot).insert();
    fault.fail("C_Login").nth(1).with(CKR_PIN_INCORRECT);
    let error = me.sign(SCHEME, b"message").unwrap_err();
    assert!(
        matches!(
            error,
            Error::Pin {
                reason: PinError::Incorrect { .. },
                ..
            }
        ),
        "{error:?}"
    );
    for _ in 0..3 {
        is_locked(&me);
    }
    assert_eq!(fault.count("C_Login"), 2);
    token.unlock(&PIN.into()).unwrap();
    signs(&me);
}

/// Nor one that was sent, and of which nobody knows what became of it.
#[test]
fn a_kept_pin_is_sent_once_whatever_comes_of_it() {
    let (_bench, fault) = bench();
    for code in [
        CKR_DEVICE_ERROR,
        CKR_SESSION_HANDLE_INVALID,
        CKR_GENERAL_ERROR,
    ] {
        fault.reset();
        let token = token();
        let me = unlock(&token, &kept());
        let slot = fault.slot_of("removal");
        fault.token(slot).remove();
        fault.token(slot).insert();
        fault.fail("C_Login").nth(1).with(code);
        me.sign(SCHEME, b"message").unwrap_err();
        assert_eq!(fault.count("C_Login"), 2, "{code:#x}");
        is_locked(&me);
        assert_eq!(fault.count("C_Login"), 2, "{code:#x}");
        token.unlock(&PIN.into()).unwrap();
        signs(&me);
    }
}

/// What fails before it is sent costs it nothing.
#[test]
fn a_kept_pin_is_still_there_after_another_failure() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    let slot = fault.slot_of("removal");
    fault.token(slot).remove();
    fault.token(slot).insert();
    fault.fail("C_GetTokenInfo").with(CKR_GENERAL_ERROR);
    me.sign(SCHEME, b"message").unwrap_err();
    fault.clear_rules();
    signs(&me);
    assert_eq!(fault.count("C_Login"), 2);
}

/// A kept PIN is not for the last try.
#[test]
fn a_kept_pin_spends_no_last_try() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    let slot = fault.slot_of("removal");
    fault.token(slot).remove();
    fault.token(slot).insert();
    fault.token_flags(CKF_USER_PIN_FINAL_TRY, 0);
    let error = me.sign(SCHEME, b"message").unwrap_err();
    assert!(
        matches!(
            error,
            Error::Pin {
                reason: PinError::LastTry,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(fault.count("C_Login"), 1);
}

/// Sessions that are lost while the token stays, as after a reset or the end of a daemon.
#[test]
fn lost_sessions_are_lost_logins() {
    let (_bench, fault) = bench();
    for code in [
        CKR_SESSION_HANDLE_INVALID,
        CKR_SESSION_CLOSED,
        CKR_DEVICE_ERROR,
    ] {
        fault.reset();
        let token = token();
        let me = unlock(&token, &kept());
        let slot = fault.slot_of("removal");
        fault.token(slot).lose_sessions(code);
        signs(&me);
        assert_eq!(fault.count("C_Login"), 2, "{code:#x}");
        drop(me);
        let me = unlock(&token, &PIN.into());
        fault.token(slot).lose_sessions(code);
        is_locked(&me);
        assert_eq!(fault.count("C_Login"), 3, "{code:#x}");
        token.unlock(&PIN.into()).unwrap();
        signs(&me);
    }
}

/// Another part of the program logs out: before the key is used, and when the token was just found
/// anew and logged in to, but the key was not yet found. It is not seen then, and is not gone.
#[test]
fn a_login_that_ends_in_silence_is_made_again() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    signs(&me);
    let slot = fault.slot_of("removal");
    fault.token(slot).log_out();
    signs(&me);
    assert_eq!(fault.count("C_Login"), 2);
    fault.token(slot).remove();
    fault.token(slot).insert();
    fault
        .fail("C_Login")
        .nth(1)
        .then(&format!("log-out slot={slot}"));
    // The second loss of one call, which is tried again once.
    let error = me.sign(SCHEME, b"message").unwrap_err();
    let is_told = matches!(
        &error,
        Error::Sign {
            reason: SignError::LoginNeeded,
            ..
        }
    );
    assert!(is_told, "{error:?}");
    signs(&me);
    assert_eq!(fault.count("C_Login"), 4);
}

/// Threads in the middle of their work: each signature is right or an error, and all end.
#[test]
fn every_thread_is_told() {
    const THREADS: usize = 8;
    let (_bench, fault) = bench();
    let token = token();
    let me = unlock(&token, &PIN.into());
    let slot = fault.slot_of("removal");
    thread::scope(|scope| {
        let signing: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let end = Instant::now() + Duration::from_secs(30);
                    while Instant::now() < end {
                        match me.sign(SCHEME, b"message") {
                            Ok(_) => {}
                            // What SoftHSM says when it is in the middle of something.
                            Err(Error::Call { code, .. }) if code.code() == CKR_GENERAL_ERROR => {}
                            Err(error) => return error,
                        }
                    }
                    panic!("it was never told");
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(50));
        fault.token(slot).remove();
        for thread in signing {
            let error = thread.join().unwrap();
            assert!(matches!(error, Error::TokenRemoved { .. }), "{error:?}");
        }
    });
    fault.token(slot).insert();
    token.unlock(&PIN.into()).unwrap();
    signs(&me);
}
