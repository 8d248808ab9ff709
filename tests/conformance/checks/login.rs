use keyfob::{Error, KeyStatus, PinError, Token};

use crate::bench::{Bench, WRONG_PIN};

/// The state of the PIN, and what becomes of it by a wrong one and by the right one.
pub fn a_wrong_pin_has_its_answer(bench: &Bench<'_>) {
    let mut token = bench.token();
    let states = &bench.states;
    assert_eq!(token.pin_state(), states.before);
    let refused = token.unlock(&WRONG_PIN.into()).unwrap_err();
    let tries = states.refused;
    assert!(
        matches!(&refused, Error::Pin { reason, .. } if *reason == PinError::Incorrect { tries }),
        "{refused:?}"
    );
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), states.after);
    assert!(token.unlocked().unwrap().is_none());
    drop(token.unlock(&bench.pin.into()).unwrap());
    if let Some(forgive) = bench.forgive {
        forgive();
    }
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), states.at_rest);
}

/// An unlocked token takes no second PIN, neither a right one nor a wrong one: none is sent.
pub fn a_second_login_is_refused(bench: &Bench<'_>) {
    let mut token = bench.token();
    assert!(token.unlocked().unwrap().is_none());
    let fob = token.unlock(&bench.pin.into()).unwrap();
    for pin in [bench.pin, WRONG_PIN] {
        // Also by one who has found it himself.
        for token in [&token, &bench.token()] {
            let second = token.unlock(&pin.into()).unwrap_err();
            assert!(is_already_unlocked(&second), "{second:?}");
        }
    }
    let same = token.unlocked().unwrap().expect("it is unlocked");
    drop(fob);
    assert!(!same.identities().unwrap().is_empty());
    drop(same);
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), bench.states.at_rest);
}

fn is_already_unlocked(error: &Error) -> bool {
    matches!(
        error,
        Error::Pin {
            reason: PinError::AlreadyUnlocked,
            ..
        }
    )
}

/// The last handle to go logs out, be it a key.
pub fn dropping_logs_out(bench: &Bench<'_>) {
    let _token = dropping_logs_out_of_the_module(bench);
    if let Some(is_locked) = bench.is_locked {
        assert!(is_locked(), "the card takes the PIN for verified still");
    }
}

/// As the module has it, which is not let go yet.
pub fn dropping_logs_out_of_the_module(bench: &Bench<'_>) -> Token {
    let token = bench.token();
    for _ in 0..2 {
        let fob = token.unlock(&bench.pin.into()).unwrap();
        let identities = fob.identities().unwrap();
        let one = bench.keys[0].among(identities.iter());
        drop((fob, identities));
        assert!(token.unlocked().unwrap().is_some());
        drop(one);
        assert!(token.unlocked().unwrap().is_none());
        let seen = token.identities().unwrap();
        for key in &bench.keys {
            let seen = seen.iter().find(|one| key.is(one));
            let status = seen.map(|identity| identity.key_status());
            assert_eq!(status, key.before_login, "{key:?}");
            assert_ne!(status, Some(KeyStatus::Absent), "{key:?}");
        }
    }
    token
}
