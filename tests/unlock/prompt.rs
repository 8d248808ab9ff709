//! PINs that a person is asked for, at a prompt or on a pad.

use std::sync::Mutex;

use cryptoki_sys::*;
use keyfob::{Error, Pin, PinError, PinPurpose, PinRequest, PinSourceError, PinState, TriesLeft};

use crate::{PIN, WRONG, bench, counter, incorrect, refused, token};

/// What the prompt was asked, and its answers, of which each is given once.
struct Person {
    asked: Mutex<Vec<PinRequest>>,
    answers: Mutex<Vec<Result<Pin, PinSourceError>>>,
}

impl Person {
    fn new(answers: impl IntoIterator<Item = Result<Pin, PinSourceError>>) -> Self {
        Self {
            asked: Mutex::default(),
            answers: Mutex::new(answers.into_iter().collect()),
        }
    }

    fn who_types(pin: &str) -> Self {
        Self::new([Ok(pin.into())])
    }

    /// What was asked, once.
    fn request(self) -> PinRequest {
        let mut asked = self.asked.into_inner().unwrap();
        assert_eq!(asked.len(), 1);
        asked.remove(0)
    }
}

impl keyfob::PinPrompt for Person {
    fn ask(&self, request: &PinRequest) -> Result<Pin, PinSourceError> {
        self.asked.lock().unwrap().push(request.clone());
        self.answers.lock().unwrap().remove(0)
    }
}

#[test]
fn the_person_is_told_what_is_known() {
    let (_bench, fault) = bench();
    counter(&fault, 5, 3);
    fault.tokens().number("max-pin", 8);
    fault.tokens().pad(None);
    let token = token();
    let person = Person::who_types(PIN);
    token.unlock_by(&person).unwrap();
    let request = person.request();
    let name = format!("\"unlock\" (serial {})", token.serial());
    assert_eq!(request.token, name);
    assert_eq!(request.purpose, PinPurpose::Unlock);
    assert_eq!(request.state, PinState::Low);
    assert_eq!(request.lengths, Some((4, 8)));
    assert!(request.has_pad);
    assert_eq!(fault.count("C_Login"), 1);

    fault.reset();
    let person = Person::who_types(PIN);
    crate::token().unlock_by(&person).unwrap();
    let request = person.request();
    assert_eq!(request.state, PinState::Normal);
    assert_eq!(request.lengths, Some((4, 255)));
    assert!(!request.has_pad);
}

#[test]
fn who_was_wrong_is_not_asked_again() {
    let (_bench, fault) = bench();
    let person = Person::new([Ok(WRONG.into()), Ok(PIN.into())]);
    let outcome = refused(&fault, || token().unlock_by(&person));
    assert_eq!(outcome, (incorrect(TriesLeft::Low), 1));
    person.request();
}

#[test]
fn what_is_typed_is_checked_before_it_is_sent() {
    let (_bench, fault) = bench();
    let outcome = refused(&fault, || token().unlock_by(&Person::who_types("123")));
    assert_eq!(outcome, (PinError::Length { min: 4, max: 255 }, 0));

    counter(&fault, 3, 1);
    let person = Person::who_types(PIN);
    let outcome = refused(&fault, || token().unlock_by(&person));
    assert_eq!(outcome, (PinError::LastTry, 0));
    assert_eq!(person.request().state, PinState::FinalTry);
    let sure = Person::new([Ok(Pin::from(PIN).allow_last_try())]);
    token().unlock_by(&sure).unwrap();
}

#[test]
fn nobody_who_answers_is_no_try() {
    let (_bench, fault) = bench();
    for (answer, reason) in [
        (PinSourceError::Cancelled, PinError::Cancelled),
        (PinSourceError::LastTry, PinError::LastTry),
        (
            PinSourceError::NoVariable { name: "X".into() },
            PinError::Source("the environment variable X is not set; set it to the PIN".into()),
        ),
    ] {
        let person = Person::new([Err(answer)]);
        let outcome = refused(&fault, || token().unlock_by(&person));
        assert_eq!(outcome, (reason, 0));
        person.request();
    }
    let closure = |request: &PinRequest| {
        assert_eq!(request.purpose.to_string(), "unlocking");
        Ok(Pin::from(PIN))
    };
    token().unlock_by(&closure).unwrap();
}

#[test]
fn the_pad_is_given_no_pin() {
    let (_bench, fault) = bench();
    fault.tokens().pad(Some(PIN));
    let token = token();
    assert!(token.flags().has_pin_pad());
    fault.command("reset-counts");
    let fob = token.unlock(&Pin::on_pad()).unwrap();
    assert_eq!(fault.count("C_Login"), 1);
    assert_eq!(fault.pin_lengths().last().unwrap(), "C_Login null");
    fob.key("p256").unwrap();
    drop(fob);

    // A prompt may point to the pad.
    let to_the_pad = |request: &PinRequest| {
        assert!(request.has_pad);
        Ok(Pin::on_pad())
    };
    token.unlock_by(&to_the_pad).unwrap();
    assert_eq!(fault.pin_lengths().last().unwrap(), "C_Login null");

    fault.tokens().pad(Some(WRONG));
    let outcome = refused(&fault, || token.unlock(&Pin::on_pad()));
    assert_eq!(outcome, (incorrect(TriesLeft::Low), 1));
}

#[test]
fn cancelled_on_the_pad() {
    let (_bench, fault) = bench();
    fault.tokens().pad(Some(PIN));
    let token = token();
    fault.fail("C_Login").nth(1).with(CKR_FUNCTION_CANCELED);
    let outcome = refused(&fault, || token.unlock(&Pin::on_pad()));
    assert_eq!(outcome, (PinError::Cancelled, 1));
    assert!(token.unlocked().unwrap().is_none());
    token.unlock(&Pin::on_pad()).unwrap();
}

#[test]
fn without_a_pad_nothing_is_sent_to_it() {
    let (_bench, fault) = bench();
    let outcome = refused(&fault, || token().unlock(&Pin::on_pad()));
    assert_eq!(outcome, (PinError::NoPad, 0));
    // The last try is the last one on a pad too.
    fault.tokens().pad(Some(PIN));
    counter(&fault, 3, 1);
    let outcome = refused(&fault, || token().unlock(&Pin::on_pad()));
    assert_eq!(outcome, (PinError::LastTry, 0));
    token().unlock(&Pin::on_pad().allow_last_try()).unwrap();
}

/// What a prompt does while it waits for a person must not stop others who need no PIN.
#[test]
fn a_panic_of_the_prompt_leaves_the_token_usable() {
    let (_bench, fault) = bench();
    let token = token();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        token.unlock_by(&|_: &_| -> Result<Pin, PinSourceError> {
            std::panic::panic_any("a test's own")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(fault.count("C_Login"), 0);
    let refused = token.unlock(&WRONG.into());
    assert!(matches!(refused, Err(Error::Pin { .. })));
    token.unlock(&PIN.into()).unwrap();
}
