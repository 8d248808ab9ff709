//! SoftHSM, with a key of each kind that it has.

use keyfob::{PinState, TriesLeft};

use crate::bench::{Bench, Key, Lack, PinStates};
use crate::checks::{KEPT_PIN, RETURN};
use crate::made::{fill, is_fixed};
use crate::softhsm::{Kind, PIN, SoftHsm};

pub const LABEL: &str = "conformance";

pub fn bench(softhsm: &SoftHsm) -> Bench<'static> {
    let fixed = "its tokens are files, and cannot be pulled out";
    Bench {
        name: "SoftHSM",
        module: softhsm.module().to_owned(),
        label: LABEL.into(),
        pin: PIN,
        states: PinStates {
            before: PinState::Normal,
            refused: TriesLeft::Low,
            after: PinState::Low,
            at_rest: PinState::Normal,
        },
        forgive: None,
        keys: keys(softhsm, LABEL),
        absence: None,
        is_locked: None,
        lacks: vec![
            Lack::new(RETURN, fixed, is_fixed),
            Lack::new(KEPT_PIN, fixed, is_fixed),
        ],
    }
}

/// Makes the token.
pub fn keys(softhsm: &SoftHsm, label: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    softhsm.token(label, |token| {
        let kinds = [
            Kind::Rsa(2048),
            Kind::P256,
            Kind::P384,
            Kind::P521,
            Kind::Ed25519,
        ];
        keys = fill(token, &kinds);
    });
    keys
}
