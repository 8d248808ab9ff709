//! Keys that want their PIN for each signature (`CKA_ALWAYS_AUTHENTICATE`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use cryptoki::object::Attribute;
use cryptoki_sys::*;
use keyfob::{
    Error, Pin, PinError, PinPurpose, PinRequest, PinSourceError, PrivateKey, Scheme, SignError,
    Signature, TriesLeft, Unlocked,
};

use crate::fault::{Fault, PinCounter};
use crate::softhsm::{Kind, PIN, SoftHsm};
use crate::unlocked;

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;
const WRONG: &str = "13572468";

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("always-ask", |token| {
        let always = [Attribute::AlwaysAuthenticate(true)];
        token.key_with(Kind::P256, "always", &[1], &always);
        token.identity(Kind::P256, "usual", &[2]);
    });
    (bench, Fault::load())
}

/// Unlocked, with what the usual key needs asked already.
fn fob(fault: &Fault) -> (Unlocked, PrivateKey, PrivateKey) {
    let fob = unlocked("always-ask");
    let (always, usual) = (fob.key("always").unwrap(), fob.key("usual").unwrap());
    assert!(always.protection().always_authenticate);
    assert!(!usual.protection().always_authenticate);
    usual.sign(SCHEME, b"first").unwrap();
    fault.reset_counts();
    fault.start_log();
    (fob, always, usual)
}

fn typing(pin: &'static str) -> Arc<dyn keyfob::PinPrompt> {
    Arc::new(move |_: &PinRequest| Ok(Pin::from(pin)))
}

fn pin_error(outcome: Result<Signature, Error>) -> PinError {
    match outcome {
        Err(Error::Pin { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The calls that sign or log in, in their order.
fn signing_calls(fault: &Fault) -> Vec<String> {
    let is_signing = |name: &String| matches!(name.as_str(), "C_SignInit" | "C_Login" | "C_Sign");
    fault.log().into_iter().filter(is_signing).collect()
}

#[test]
fn the_person_is_asked_once_for_each_signature_before_it_begins() {
    let (_bench, fault) = bench();
    let (fob, always, _) = fob(&fault);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let prompt = {
        let (asked, always) = (Arc::clone(&asked), always.clone());
        move |request: &PinRequest| {
            asked.lock().unwrap().push(request.clone());
            // Nothing has begun, and nothing is held: the usual calls work.
            always.token().mechanisms().unwrap();
            Ok(Pin::from(PIN))
        }
    };
    let always = always.with_prompt(Arc::new(prompt));
    let identity = fob.identities().unwrap().label("always").only().unwrap();
    let public_key = identity.public_key().unwrap().clone();
    fault.start_log();
    for count in 1..=3 {
        let signature = always.sign(SCHEME, b"message").unwrap();
        public_key.verify(SCHEME, b"message", &signature).unwrap();
        assert_eq!(asked.lock().unwrap().len(), count);
    }
    let once = ["C_SignInit", "C_Login", "C_Sign"];
    assert_eq!(signing_calls(&fault), [once, once, once].concat());
    let log = fault.log();
    let position = |name: &str| log.iter().position(|one| one == name);
    assert!(
        position("C_GetMechanismList") < position("C_SignInit"),
        "{log:?}"
    );
    for request in asked.lock().unwrap().iter() {
        let PinPurpose::Signature { key } = &request.purpose else {
            panic!("{request:?}")
        };
        assert_eq!(key, "always");
        assert!(request.token.contains("always-ask"));
    }
    // The prompt goes with an identity too.
    identity
        .with_prompt(typing(PIN))
        .sign(SCHEME, b"message")
        .unwrap();
}

#[test]
fn a_wrong_pin_costs_one_try_and_no_more_than_this_signature() {
    let (_bench, fault) = bench();
    let (fob, always, usual) = fob(&fault);
    let wrong = always.with_prompt(typing(WRONG));
    let sessions = fault.sessions();
    let outcome = pin_error(wrong.sign(SCHEME, b"message"));
    assert!(
        matches!(
            outcome,
            PinError::Incorrect {
                tries: TriesLeft::Low
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(signing_calls(&fault), ["C_SignInit", "C_Login"]);
    assert_eq!(fault.count("C_Logout"), 0);
    assert!(fault.sessions() <= sessions.max(1));

    usual.sign(SCHEME, b"message").unwrap();
    assert_eq!(fob.identities().unwrap().len(), 2);
    always
        .with_prompt(typing(PIN))
        .sign(SCHEME, b"message")
        .unwrap();
    usual.sign(SCHEME, b"message").unwrap();
}

#[test]
fn without_a_prompt_nothing_is_called() {
    let (_bench, fault) = bench();
    let (_fob, always, _) = fob(&fault);
    let outcome = always.sign(SCHEME, b"message");
    assert!(matches!(
        outcome,
        Err(Error::Sign {
            reason: SignError::PromptNeeded,
            ..
        })
    ));
    assert_eq!(fault.total(), 0);
}

#[test]
fn what_can_be_told_before_is_told_before() {
    let (_bench, fault) = bench();
    let (_fob, always, usual) = fob(&fault);
    let cancelling = |_: &PinRequest| Err(PinSourceError::Cancelled);
    let outcome = always.with_prompt(Arc::new(cancelling)).sign(SCHEME, b"m");
    assert_eq!(pin_error(outcome), PinError::Cancelled);
    let outcome = always.with_prompt(typing("123")).sign(SCHEME, b"m");
    assert_eq!(pin_error(outcome), PinError::Length { min: 4, max: 255 });
    let on_pad = |_: &PinRequest| Ok(Pin::on_pad());
    let outcome = always.with_prompt(Arc::new(on_pad)).sign(SCHEME, b"m");
    assert_eq!(pin_error(outcome), PinError::NoPad);

    let left = |left| {
        fault.reset();
        fault.tokens().pin_counter(PinCounter {
            tries: 3,
            left,
            hidden: false,
        });
        // What was read a moment ago would be believed otherwise.
        always.token().clone().refresh().unwrap();
        fault.start_log();
    };
    left(1);
    let outcome = always.with_prompt(typing(PIN)).sign(SCHEME, b"m");
    assert_eq!(pin_error(outcome), PinError::LastTry);
    left(0);
    let nobody = |_: &PinRequest| -> Result<Pin, PinSourceError> { panic!("nobody is asked") };
    let outcome = always.with_prompt(Arc::new(nobody)).sign(SCHEME, b"m");
    assert_eq!(pin_error(outcome), PinError::Locked);
    assert!(signing_calls(&fault).is_empty());
    // The others need no PIN.
    usual.sign(SCHEME, b"m").unwrap();

    left(1);
    let sure = |_: &PinRequest| Ok(Pin::from(PIN).allow_last_try());
    always
        .with_prompt(Arc::new(sure))
        .sign(SCHEME, b"m")
        .unwrap();
}

#[test]
fn the_pad_asks_by_itself() {
    let (_bench, fault) = bench();
    fault.tokens().pad(Some(PIN));
    let (_fob, always, _) = fob(&fault);
    let on_pad = |request: &PinRequest| {
        assert!(request.has_pad);
        Ok(Pin::on_pad())
    };
    always
        .with_prompt(Arc::new(on_pad))
        .sign(SCHEME, b"m")
        .unwrap();
    assert_eq!(fault.pin_lengths().last().unwrap(), "C_Login null");
}

/// Whatever fails between beginning and end, the next signature is not in its way.
#[test]
fn a_failure_in_between_leaves_no_operation_open() {
    let (_bench, fault) = bench();
    let (_fob, always, usual) = fob(&fault);
    let always = always.with_prompt(typing(PIN));
    for (function, code, logins) in [
        ("C_SignInit", CKR_DEVICE_ERROR, 0),
        ("C_Login", CKR_DEVICE_ERROR, 1),
        ("C_Login", CKR_FUNCTION_CANCELED, 1),
        ("C_Login", 0x8000_0001, 1),
        ("C_Sign", CKR_DEVICE_ERROR, 1),
        ("C_Sign", CKR_USER_NOT_LOGGED_IN, 1),
    ] {
        fault.reset();
        fault.fail(function).nth(1).with(code);
        match always.sign(SCHEME, b"message").unwrap_err() {
            Error::Call {
                function: named, ..
            } => assert_eq!(named, function),
            Error::Pin { reason, .. } => assert_eq!(reason, PinError::Cancelled),
            Error::Sign { reason, .. } => assert!(matches!(reason, SignError::LoginNeeded)),
            other => panic!("{other:?}"),
        }
        assert_eq!(fault.count("C_Login"), logins, "{function} {code:#x}");
        usual.sign(SCHEME, b"message").unwrap();
        always.sign(SCHEME, b"message").unwrap();
        assert_eq!(fault.count("C_Logout"), 0);
    }
}

#[test]
fn nobody_elses_signature_comes_in_between() {
    let (_bench, fault) = bench();
    let (_fob, always, usual) = fob(&fault);
    let always = always.with_prompt(typing(PIN));
    fault.command("log start 4000");
    let done = AtomicBool::new(false);
    let others = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    usual.sign(SCHEME, b"usual").unwrap();
                    others.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..25 {
                always.sign(SCHEME, b"always").unwrap();
                let before = others.load(Ordering::Relaxed);
                while others.load(Ordering::Relaxed) < before + 4 {
                    thread::yield_now();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    });
    let calls = signing_calls(&fault);
    let logins: Vec<_> = (0..calls.len())
        .filter(|at| calls[*at] == "C_Login")
        .collect();
    assert!(!logins.is_empty());
    for at in logins {
        let around = &calls[at.saturating_sub(1)..(at + 2).min(calls.len())];
        assert_eq!(around, ["C_SignInit", "C_Login", "C_Sign"]);
    }
}

/// A person may take minutes.
#[test]
fn others_sign_while_the_person_thinks() {
    let (_bench, fault) = bench();
    let (_fob, always, usual) = fob(&fault);
    let (asked, was_asked) = mpsc::channel();
    let (answer, answers) = mpsc::channel::<()>();
    let (asked, answers) = (Mutex::new(asked), Mutex::new(answers));
    let thinking = move |_: &PinRequest| {
        asked.lock().unwrap().send(()).unwrap();
        answers.lock().unwrap().recv().unwrap();
        Ok(Pin::from(PIN))
    };
    let always = always.with_prompt(Arc::new(thinking));
    thread::scope(|scope| {
        let slow = scope.spawn(|| always.sign(SCHEME, b"slow"));
        was_asked.recv().unwrap();
        usual.sign(SCHEME, b"quick").unwrap();
        assert!(!slow.is_finished());
        answer.send(()).unwrap();
        slow.join().unwrap().unwrap();
    });
}
