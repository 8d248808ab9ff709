//! Unlocking: what is refused and why, and how often a PIN is sent, which is never twice.

#[path = "support/fault.rs"]
mod fault;
#[path = "unlock/handles.rs"]
mod handles;
#[path = "unlock/prompt.rs"]
mod prompt;
#[path = "unlock/silence.rs"]
mod silence;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "unlock/sources.rs"]
mod sources;

use cryptoki_sys::*;
use fault::{Fault, PinCounter};
use keyfob::{Error, Pin, PinError, PinState, Search, Token, TriesLeft, Unlocked};
use softhsm::{Kind, PIN, SoftHsm};

const WRONG: &str = "13572468";

/// One token with a key, and one without.
fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("unlock", |token| {
        token.identity(Kind::P256, "p256", &[1]);
    });
    bench.token("other", |_| {});
    (bench, Fault::load())
}

/// Found anew, so that it knows what the test has ordered before.
fn token() -> Token {
    let found = Search::new().module(Fault::path()).named_only().run();
    found.unwrap().select("unlock").unwrap()
}

/// So many tries, and so many left, shown as the standard wants.
fn counter(fault: &Fault, tries: u64, left: u64) {
    fault.tokens().pin_counter(PinCounter {
        tries: tries as CK_ULONG,
        left: left as CK_ULONG,
        hidden: false,
    });
}

/// Why it was refused, and how often a PIN was sent.
fn refused(fault: &Fault, unlock: impl FnOnce() -> Result<Unlocked, Error>) -> (PinError, u64) {
    fault.reset_counts();
    match unlock() {
        Err(Error::Pin { reason, token }) => {
            assert!(token.contains("unlock"), "{token}");
            (reason, fault.count("C_Login"))
        }
        other => panic!("{other:?}"),
    }
}

fn incorrect(tries: TriesLeft) -> PinError {
    PinError::Incorrect { tries }
}

#[test]
fn a_wrong_pin_is_sent_once_and_the_right_one_works_after() {
    let (_bench, fault) = bench();
    let token = token();
    let outcome = refused(&fault, || token.unlock(&WRONG.into()));
    // What SoftHSM shows after a wrong PIN.
    assert_eq!(outcome, (incorrect(TriesLeft::Low), 1));
    assert_eq!(fault.pin_lengths().last().unwrap(), "C_Login 8");
    fault.reset_counts();
    let fob = token.unlock(&PIN.into()).unwrap();
    assert_eq!(fault.count("C_Login"), 1);
    assert!(fob.key("p256").is_ok());
}

#[test]
fn every_try_counts_down_and_the_last_is_kept() {
    let (_bench, fault) = bench();
    counter(&fault, 4, 4);
    let mut token = token();
    assert_eq!(token.pin_state(), PinState::Normal);
    for (tries, state) in [
        (TriesLeft::Low, PinState::Low),
        (TriesLeft::Low, PinState::Low),
        (TriesLeft::One, PinState::FinalTry),
    ] {
        let outcome = refused(&fault, || token.unlock(&WRONG.into()));
        assert_eq!(outcome, (incorrect(tries), 1));
        token.refresh().unwrap();
        assert_eq!(token.pin_state(), state);
    }
    for pin in [WRONG, PIN] {
        let outcome = refused(&fault, || token.unlock(&pin.into()));
        assert_eq!(outcome, (PinError::LastTry, 0));
    }
    fault.reset_counts();
    token.unlock(&Pin::from(PIN).allow_last_try()).unwrap();
    assert_eq!(fault.count("C_Login"), 1);
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), PinState::Normal, "it counts anew");
}

#[test]
fn the_last_try_locks() {
    let (_bench, fault) = bench();
    // The code that comes with it differs from card to card.
    for (last, reason) in [
        (CKR_PIN_LOCKED, PinError::Locked),
        (CKR_PIN_INCORRECT, incorrect(TriesLeft::None)),
    ] {
        fault.reset();
        fault.command(&format!("pin tries=3 left=1 last={last}"));
        let mut token = token();
        let outcome = refused(&fault, || token.unlock(&Pin::from(WRONG).allow_last_try()));
        assert_eq!(outcome, (reason, 1));
        // At once, and without a refresh: what was read before the try is not believed.
        let outcome = refused(&fault, || token.unlock(&Pin::from(PIN).allow_last_try()));
        assert_eq!(outcome, (PinError::Locked, 0));
        token.refresh().unwrap();
        assert_eq!(token.pin_state(), PinState::Locked);
    }
}

#[test]
fn a_locked_token_is_sent_nothing_and_nobody_is_asked() {
    let (_bench, fault) = bench();
    counter(&fault, 3, 0);
    let token = token();
    let outcome = refused(&fault, || token.unlock(&PIN.into()));
    assert_eq!(outcome, (PinError::Locked, 0));
    let outcome = refused(&fault, || token.unlock(&Pin::from(PIN).allow_last_try()));
    assert_eq!(outcome, (PinError::Locked, 0));
    let outcome = refused(&fault, || {
        token.unlock_by(&|_: &_| panic!("nobody is to be asked"))
    });
    assert_eq!(outcome, (PinError::Locked, 0));
    assert_eq!(fault.count("C_OpenSession"), 0);
}

/// The state may have changed since the token was found: what was read long ago is read again.
#[test]
fn an_old_state_is_read_again_before_a_try_is_spent() {
    let (_bench, fault) = bench();
    let token = token();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    counter(&fault, 3, 1);
    let outcome = refused(&fault, || token.unlock(&PIN.into()));
    assert_eq!(outcome, (PinError::LastTry, 0));
}

#[test]
fn a_length_that_the_token_does_not_take_is_not_sent() {
    let (_bench, fault) = bench();
    let (min, max) = token().pin_lengths().unwrap();
    assert_eq!((min, max), (4, 255), "SoftHSM's own");
    for length in [0, 3, 256, 1000] {
        let pin = "1".repeat(length);
        let outcome = refused(&fault, || token().unlock(&pin.into()));
        assert_eq!(outcome, (PinError::Length { min, max }, 0), "{length}");
    }
    fault.tokens().number("min-pin", 9);
    fault.tokens().number("max-pin", 12);
    let outcome = refused(&fault, || token().unlock(&PIN.into()));
    assert_eq!(outcome, (PinError::Length { min: 9, max: 12 }, 0));
    // In bytes: 7 letters, but 14 bytes.
    let outcome = refused(&fault, || token().unlock(&"пин-код".into()));
    assert_eq!(outcome, (PinError::Length { min: 9, max: 12 }, 0));
    fault.tokens().number("min-pin", PIN.len() as CK_ULONG);
    token().unlock(&PIN.into()).unwrap();

    // Limits that make no sense are none.
    fault.tokens().number("max-pin", 0);
    assert_eq!(token().pin_lengths(), None);
    let outcome = refused(&fault, || token().unlock(&"1".into()));
    assert_eq!(outcome, (incorrect(TriesLeft::Low), 1));
}

#[test]
fn each_answer_of_the_token_is_a_reason_of_its_own() {
    let (_bench, fault) = bench();
    let token = token();
    for (code, reason) in [
        (CKR_PIN_LOCKED, PinError::Locked),
        (CKR_PIN_EXPIRED, PinError::Expired),
        (CKR_FUNCTION_CANCELED, PinError::Cancelled),
        (CKR_PIN_INVALID, PinError::Invalid),
        (CKR_PIN_LEN_RANGE, PinError::Invalid),
        (CKR_DATA_INVALID, PinError::Invalid),
        (CKR_USER_PIN_NOT_INITIALIZED, PinError::NotSet),
        (CKR_USER_ALREADY_LOGGED_IN, PinError::AlreadyUnlocked),
        (CKR_USER_ANOTHER_ALREADY_LOGGED_IN, PinError::AnotherUser),
        (CKR_USER_TOO_MANY_TYPES, PinError::AnotherUser),
    ] {
        fault.fail("C_Login").with(code);
        let outcome = refused(&fault, || token.unlock(&PIN.into()));
        assert_eq!(outcome, (reason, 1), "{code:#x}");
        fault.clear_rules();
    }
    token.unlock(&PIN.into()).unwrap();
}

#[test]
fn an_answer_without_a_better_name_keeps_its_number() {
    let (_bench, fault) = bench();
    let token = token();
    for (code, name) in [
        (CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR"),
        (CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED"),
        (CKR_SESSION_READ_ONLY_EXISTS, "CKR_SESSION_READ_ONLY_EXISTS"),
        (0x8000_0123, "0x80000123"),
        (0xffff_fff0, "0xfffffff0"),
    ] {
        fault.fail("C_Login").with(code);
        fault.reset_counts();
        let error = token.unlock(&PIN.into()).unwrap_err();
        assert_eq!(fault.count("C_Login"), 1);
        let message = error.to_string();
        let Error::Call {
            function, subject, ..
        } = error
        else {
            panic!("{error:?}")
        };
        assert_eq!(function, "C_Login");
        assert!(subject.contains("unlock"), "{subject}");
        assert!(message.contains(name), "{message}");
        fault.clear_rules();
    }
    fault.fail("C_Login").with(CKR_DEVICE_REMOVED);
    let removed = token.unlock(&PIN.into());
    assert!(matches!(removed, Err(Error::TokenRemoved { .. })));
    fault.clear_rules();
    token.unlock(&PIN.into()).unwrap();
}

/// As OpenSC does: no flag until a login has failed in this process.
#[test]
fn hidden_flags_are_unknown_and_not_normal() {
    let (_bench, fault) = bench();
    let hide = |left| {
        fault.reset();
        fault.tokens().text("model", b"PKCS#15 emulated");
        fault.tokens().pin_counter(PinCounter {
            tries: 3,
            left,
            hidden: true,
        });
        token()
    };
    let mut token = hide(3);
    assert_eq!(token.pin_state(), PinState::Unknown);
    let outcome = refused(&fault, || token.unlock(&WRONG.into()));
    assert_eq!(outcome, (incorrect(TriesLeft::Low), 1));
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), PinState::Low);
    let outcome = refused(&fault, || token.unlock(&WRONG.into()));
    assert_eq!(outcome, (incorrect(TriesLeft::One), 1));
    let outcome = refused(&fault, || token.unlock(&PIN.into()));
    assert_eq!(outcome, (PinError::LastTry, 0));
    drop(token);

    // Locked, but the module does not show it before a PIN was sent.
    let mut token = hide(0);
    assert_eq!(token.pin_state(), PinState::Unknown);
    let outcome = refused(&fault, || token.unlock(&PIN.into()));
    assert_eq!(outcome, (PinError::Locked, 1));
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), PinState::Locked);
    let outcome = refused(&fault, || token.unlock(&PIN.into()));
    assert_eq!(outcome, (PinError::Locked, 0));
}

#[test]
fn a_token_that_needs_no_login_is_not_asked_for_one() {
    let (_bench, fault) = bench();
    fault.token_flags(0, CKF_LOGIN_REQUIRED | CKF_USER_PIN_COUNT_LOW);
    let token = token();
    assert_eq!(token.pin_state(), PinState::NotNeeded);
    fault.reset_counts();
    let fob = token.unlock(&PIN.into()).unwrap();
    assert_eq!(fob.label(), "unlock");
    assert_eq!(fob.identities().unwrap().len(), 1);
    drop(fob);
    let asked = |_: &_| panic!("nobody is to be asked");
    drop(token.unlock_by(&asked).unwrap());
    assert_eq!(fault.count("C_Login"), 0);
    assert_eq!(fault.count("C_Logout"), 0);
}
