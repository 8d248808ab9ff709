//! tpm2-pkcs11 with a TPM in software.

use std::cell::RefCell;

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki_sys::{CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA, CKR_GENERAL_ERROR};
use keyfob::{Error, Pin, PinError, PinState, Scheme, Search, TriesLeft};

use crate::bench::{Absence, Bench, Key, Lack, PinStates, WRONG_PIN};
use crate::checks::signing::no_mechanism;
use crate::checks::{ED25519, KEPT_PIN, P521, RETURN};
use crate::made::fill;
use crate::softhsm::{Kind, PIN, make_token};
use crate::tpm::{Tpm, module};

const LABEL: &str = "conformance";

impl Absence for RefCell<Tpm> {
    fn go(&self) {
        self.borrow_mut().switch_off();
    }

    fn come_back(&self) {
        self.borrow_mut().switch_on();
    }
}

pub fn bench<'a>(tpm: &'a RefCell<Tpm>, forgive: &'a dyn Fn()) -> Bench<'a> {
    Bench {
        name: "tpm2-pkcs11",
        module: module(),
        label: LABEL.into(),
        pin: PIN,
        states: PinStates {
            before: PinState::Unknown,
            refused: TriesLeft::Unknown,
            after: PinState::Unknown,
            at_rest: PinState::Unknown,
        },
        forgive: Some(forgive),
        keys: keys(),
        absence: Some(tpm),
        is_locked: None,
        lacks: vec![
            Lack::new(
                P521,
                "the module makes such keys, writes their points wrongly, and cannot sign with them",
                |_| cannot_sign_with_p521(),
            ),
            Lack::new(ED25519, "TPMs of this kind have no such keys", |bench| {
                no_mechanism(bench, &[CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN]);
            }),
            Lack::new(
                RETURN,
                "after the resource manager's end each signature fails with CKR_GENERAL_ERROR until \
                 the module is let go",
                |bench| needs_a_new_beginning(bench, &bench.pin.into()),
            ),
            Lack::new(
                KEPT_PIN,
                "as with removal and return: nothing tells that a login was lost",
                |bench| needs_a_new_beginning(bench, &Pin::from(bench.pin).keep_pin()),
            ),
        ],
    }
}

fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    make_token(&module(), LABEL, |token| {
        keys = fill(token, &[Kind::Rsa(2048), Kind::P256, Kind::P384]);
    });
    keys
}

/// On a token of its own.
fn cannot_sign_with_p521() {
    make_token(&module(), "p521", |token| {
        let session = &token.session;
        token.key(Kind::P521, "p521", &[1]);
        let class = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
        let keys = session.find_objects(&class).expect("keys are found");
        let signed = session.sign(&Mechanism::Ecdsa, keys[0], &[1; 32]);
        assert!(signed.is_err(), "it signs after all");
    });
    // It is told, and hides no other.
    let found = Search::new().module(module()).named_only().run().unwrap();
    let fob = found.by_label("p521").unwrap().unlock(&PIN.into()).unwrap();
    let identities = fob.identities().unwrap();
    assert!(matches!(identities.problems(), [Error::Object { .. }]));
    let key = fob.key("p521").unwrap();
    let failed = key.sign(Scheme::EcdsaP521Sha512, b"message").unwrap_err();
    assert!(matches!(failed, Error::Call { .. }), "{failed:?}");
}

/// Nothing is signed, or pretended to be, from the manager's end on; all is well once everything
/// that came from the token has been dropped.
fn needs_a_new_beginning(bench: &Bench<'_>, pin: &Pin) {
    let absence = bench.absence.expect("it can be switched off");
    let token = bench.token();
    let identity = bench.signers(&token, pin).swap_remove(0);
    let sign = || identity.sign(Scheme::RsaPkcs1Sha256, b"message");
    sign().unwrap();
    absence.go();
    for _ in 0..2 {
        assert!(is_general_error(&sign().unwrap_err()));
    }
    absence.come_back();
    for _ in 0..2 {
        assert!(is_general_error(&sign().unwrap_err()));
    }
    drop((identity, token));
    let identity = bench.unlocked().swap_remove(0);
    identity.sign(Scheme::RsaPkcs1Sha256, b"message").unwrap();
}

fn is_general_error(error: &Error) -> bool {
    matches!(error, Error::Call { code, .. } if code.code() == CKR_GENERAL_ERROR)
}

/// For the right one, too; and a right one in between makes good none of them.
pub fn three_wrong_pins_lock_it(bench: &Bench<'_>) {
    let forgive = bench.forgive.expect("it can be told to");
    // It has been switched off without being told, which counts as well.
    forgive();
    let mut token = bench.token();
    let mut answer = |pin: &str| {
        let answer = token.unlock(&pin.into());
        token.refresh().unwrap();
        assert_eq!(token.pin_state(), PinState::Unknown);
        match answer {
            Ok(_) => None,
            Err(Error::Pin { reason, .. }) => Some(reason),
            Err(other) => panic!("{other:?}"),
        }
    };
    let tries = TriesLeft::Unknown;
    let incorrect = Some(PinError::Incorrect { tries });
    assert_eq!(answer(WRONG_PIN), incorrect);
    assert_eq!(answer(bench.pin), None);
    for _ in 0..2 {
        assert_eq!(answer(WRONG_PIN), incorrect);
    }
    for pin in [WRONG_PIN, bench.pin] {
        assert_eq!(answer(pin), Some(PinError::Locked));
    }
    forgive();
    assert_eq!(answer(bench.pin), None);
}
