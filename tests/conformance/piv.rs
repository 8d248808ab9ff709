//! A PIV card, through OpenSC and through Yubico's ykcs11.

use std::env;
use std::path::{Path, PathBuf};

use cryptoki::mechanism::MechanismType;
use cryptoki_sys::{CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA};
use keyfob::{Curve, KeyStatus, KeyType, PinState, Token, TriesLeft};

use crate::bench::{Bench, Key, Lack, PinStates};
use crate::checks::bare::Bare;
use crate::checks::listing::missing_protection;
use crate::checks::login::dropping_logs_out_of_the_module;
use crate::checks::signing::no_mechanism;
use crate::checks::{ED25519, LOGOUT, NEVER_LEFT, P521};
use crate::in_reader::InReader;
use crate::pcscd::{Pcscd, Reader};
use crate::piv::{PIN, Piv, yubico};
use crate::rutoken::opensc::{self, Scratch};
use crate::softhsm::Leaf;
use crate::vpcd::{Card, Inserted};

pub fn through_opensc<'a>(
    card: &'a InReader<'a, Piv>,
    keys: Vec<Key>,
    is_locked: &'a dyn Fn() -> bool,
) -> Bench<'a> {
    let mut lacks = lacks();
    lacks.push(Lack::new(
        LOGOUT,
        "the card takes the PIN for verified until it is reset or pulled out, and OpenSC does not \
         reset it unless it is told to",
        |bench| {
            drop(stays_verified(bench, is_locked));
            assert!(!is_locked(), "it is reset after all");
            is_reset_where_opensc_is_told_to(bench, is_locked);
        },
    ));
    Bench {
        name: "OpenSC, PIV",
        module: opensc::module(),
        label: "PIV 9a".into(),
        pin: PIN,
        states: PinStates {
            before: PinState::TriesLeft(3),
            refused: TriesLeft::Several(2),
            after: PinState::TriesLeft(2),
            // Who has taken the PIN tells nothing.
            at_rest: PinState::Unknown,
        },
        forgive: None,
        keys,
        absence: Some(card),
        is_locked: Some(is_locked),
        lacks,
    }
}

pub fn through_ykcs11<'a>(
    card: &'a InReader<'a, Piv>,
    mut keys: Vec<Key>,
    is_locked: &'a dyn Fn() -> bool,
) -> Bench<'a> {
    for key in &mut keys {
        key.before_login = Some(KeyStatus::Hidden);
    }
    let mut lacks = lacks();
    lacks.push(Lack::new(
        NEVER_LEFT,
        "ykcs11 does not tell that a key was made on the card (CKA_LOCAL)",
        |bench| missing_protection(bench, "CKA_LOCAL is not true"),
    ));
    lacks.push(Lack::new(
        LOGOUT,
        "the card takes the PIN for verified until everything that came from the token is dropped",
        |bench| {
            drop(stays_verified(bench, is_locked));
            assert!(is_locked());
        },
    ));
    Bench {
        name: "ykcs11, PIV",
        module: ykcs11(),
        label: format!("YubiKey PIV #{}", serial()),
        pin: PIN,
        states: PinStates {
            before: PinState::Normal,
            refused: TriesLeft::Low,
            after: PinState::Low,
            at_rest: PinState::Normal,
        },
        forgive: None,
        keys,
        absence: Some(card),
        is_locked: Some(is_locked),
        lacks,
    }
}

/// What PIV does not have.
fn lacks<'a>() -> Vec<Lack<'a>> {
    vec![
        Lack::new(P521, "PIV knows no such keys", |bench| {
            assert_eq!(longest_key(bench, MechanismType::ECDSA), Some(384));
        }),
        Lack::new(ED25519, "this module knows no such keys of PIV", |bench| {
            no_mechanism(bench, &[CKM_EDDSA, CKM_EC_EDWARDS_KEY_PAIR_GEN]);
        }),
    ]
}

/// A card with keys in three slots.
pub fn card(pcscd: &Pcscd, reader: Reader, atr: &[u8]) -> (Piv, Vec<Key>) {
    let inserted = Inserted::new(pcscd, reader, Piv::start().with_atr(atr));
    let slots = [
        ("9a", "RSA2048", KeyType::Rsa { bits: 2048 }),
        ("9c", "ECCP256", KeyType::Ec(Curve::P256)),
        ("9e", "ECCP384", KeyType::Ec(Curve::P384)),
    ];
    let keys = slots.map(|(slot, algorithm, key_type)| Key {
        key_type,
        spki: yubico::make_identity(reader, slot, algorithm, |spki| {
            Leaf::new(&format!("CN=PIV {slot}")).issue(spki)
        }),
        has_certificate: true,
        // The key for signatures.
        always_asks: slot == "9c",
        // The key by which the card itself is known.
        before_login: Some(match slot {
            "9e" => KeyStatus::Visible,
            _ => KeyStatus::Hidden,
        }),
    });
    (inserted.remove(), keys.into())
}

/// Whether the card would sign for nobody: VERIFY without a PIN tells.
pub fn is_locked(card: &InReader<'_, Piv>) -> bool {
    card.card(|card| card.transmit(&[0x00, 0x20, 0x00, 0x80])) != [0x90, 0x00]
}

/// As the module has it, there is no login any more. For the card there is.
fn stays_verified(bench: &Bench<'_>, is_locked: &dyn Fn() -> bool) -> Token {
    let token = dropping_logs_out_of_the_module(bench);
    assert!(!is_locked(), "the card is locked after all");
    token
}

fn is_reset_where_opensc_is_told_to(bench: &Bench<'_>, is_locked: &dyn Fn() -> bool) {
    let configuration =
        Scratch::new(b"app default { reader_driver pcsc { disconnect_action = reset; } }");
    // SAFETY: this test has the turn, and OpenSC reads it when it is initialised, in this turn.
    unsafe { env::set_var("OPENSC_CONF", &configuration.0) };
    drop(stays_verified(bench, is_locked));
    // SAFETY: as above.
    unsafe { env::remove_var("OPENSC_CONF") };
    assert!(is_locked());
}

/// The path of libykcs11.so.2.
#[track_caller]
fn ykcs11() -> PathBuf {
    let machine = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    [machine.as_str(), "/usr/lib64", "/usr/lib"]
        .iter()
        .map(|folder| Path::new(folder).join("libykcs11.so.2"))
        .find(|path| path.exists())
        .expect("no libykcs11.so.2: see CONTRIBUTING.md for what the tests with a PIV card need")
}

/// As Yubico's own tool tells it.
#[track_caller]
fn serial() -> String {
    let told = yubico::run(Reader::Yubikey, &["-a", "status"], b"");
    let mut lines = told.lines();
    let serial = lines.find_map(|line| line.strip_prefix("Serial Number:"));
    let serial = serial.unwrap_or_else(|| panic!("no serial number: {told}"));
    serial.trim().to_owned()
}

/// The longest key that a mechanism takes, in bits. `None`: the token does not have it.
#[track_caller]
fn longest_key(bench: &Bench<'_>, mechanism: MechanismType) -> Option<usize> {
    let bare = Bare::of(bench);
    let info = bare.module().get_mechanism_info(bare.slot, mechanism);
    info.ok().map(|info| info.max_key_size())
}
