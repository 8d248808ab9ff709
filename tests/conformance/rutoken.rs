//! Our virtual Rutoken ECP, through OpenSC.

use cryptoki_sys::{CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKM_EDDSA};
use keyfob::{KeyStatus, KeyType, PinState, TriesLeft};

use crate::bench::{Bench, Key, Lack, PinStates};
use crate::checks::listing::missing_protection;
use crate::checks::signing::no_mechanism;
use crate::checks::{ED25519, NEVER_LEFT, P256, P384, P521};
use crate::in_reader::InReader;
use crate::pcscd::{Pcscd, Reader};
use crate::rutoken::{PIN, Rutoken, opensc};
use crate::softhsm::Leaf;
use crate::vpcd::{Card, Inserted};

const READER: Reader = Reader::First;

pub fn bench<'a>(
    card: &'a InReader<'a, Rutoken>,
    keys: Vec<Key>,
    is_locked: &'a dyn Fn() -> bool,
) -> Bench<'a> {
    let no_curves = |check| {
        let why = "OpenSC knows no such keys on this card";
        Lack::new(check, why, |bench| {
            no_mechanism(bench, &[CKM_ECDSA, CKM_EC_KEY_PAIR_GEN, CKM_EDDSA]);
        })
    };
    Bench {
        name: "OpenSC, Rutoken ECP",
        module: opensc::module(),
        // OpenSC names a token by its label and its PIN's.
        label: "Rutoken test (User PIN)".into(),
        pin: PIN,
        states: PinStates {
            before: PinState::TriesLeft(5),
            refused: TriesLeft::Several(4),
            after: PinState::TriesLeft(4),
            at_rest: PinState::TriesLeft(5),
        },
        forgive: None,
        keys,
        absence: Some(card),
        is_locked: Some(is_locked),
        lacks: vec![
            no_curves(P256),
            no_curves(P384),
            no_curves(P521),
            no_curves(ED25519),
            Lack::new(
                NEVER_LEFT,
                "OpenSC does not tell that a key was made on this card (CKA_LOCAL)",
                |bench| missing_protection(bench, "CKA_LOCAL is not true"),
            ),
        ],
    }
}

/// Whether the card would sign for nobody: VERIFY without a PIN tells.
pub fn is_locked(card: &InReader<'_, Rutoken>) -> bool {
    card.card(|card| card.transmit(&[0x00, 0x20, 0x00, 0x02])) != [0x90, 0x00]
}

/// A card with two keys, the second without a certificate.
pub fn card(pcscd: &Pcscd) -> (Rutoken, Vec<Key>) {
    let key = |spki: &[u8], always_asks: bool| Key {
        key_type: KeyType::Rsa { bits: 2048 },
        spki: spki.to_vec(),
        has_certificate: !always_asks,
        always_asks,
        before_login: Some(KeyStatus::Hidden),
    };
    let mut keys = Vec::new();
    let card = Rutoken::initialised(pcscd).add_rsa(pcscd, |spki| {
        keys.push(key(spki, false));
        Leaf::new("CN=Card").issue(spki)
    });
    let card = Inserted::new(pcscd, READER, card);
    let spki = opensc::generate_with(READER, "rsa:2048", "33", &["--always-auth"]);
    keys.push(key(&spki, true));
    (card.remove(), keys)
}
