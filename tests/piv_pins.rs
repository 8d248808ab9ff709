//! The PIN of a PIV card through OpenSC: each try with its answer, the card's own counter agreeing,
//! and the tries left as the card itself tells them.
//!
//! The card's program takes minutes to build and needs libclang, so plain `cargo test` leaves this
//! out: `./softhsm-setup.sh cargo test --test piv_pins`.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/pins.rs"]
mod pins;
#[path = "support/piv.rs"]
mod piv;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::sync::Arc;

use keyfob::{CardModel, CardQuirk, Error, Pin, PinError, PinRequest, PinState, Scheme};
use keyfob::{Token, TriesLeft};
use pcsc::{Scope, ShareMode};
use pcscd::Pcscd;
use pins::{By, Facts, READER, WRONG, connect, in_new_process, token};
use piv::{PIN, PUK, Piv, yubico};
use softhsm::Leaf;
use vpcd::{Card, Inserted, Power};

const NITROKEY: &[u8] = b"\x3B\x8F\x01\x80\x5DNitrokey\0\0\0\0\0\x6A";
const YUBIKEY: &[u8] = b"\x3B\xFD\x13\0\0\x81\x31\xFE\x15\x80\x73\xC0\x21\xC0\x57YubiKey\x40";

/// A card with a key and a certificate: OpenSC has no token for one without.
fn card(pcscd: &Pcscd, atr: &[u8]) -> Piv {
    let card = Inserted::new(pcscd, READER, Piv::start().with_atr(atr));
    yubico::make_identity(READER, "9a", "ECCP256", |spki| {
        Leaf::new("CN=PIV").issue(spki)
    });
    card.remove()
}

fn facts(card: &Inserted<Piv>) -> Facts<'_, Piv> {
    Facts {
        card,
        pin: PIN,
        tries: 3,
        left: Piv::tries_left,
        end: PinError::Locked,
        unblock: &|| {
            let unblock = ["-a", "unblock-pin", "-P", PUK, "-N", PIN];
            yubico::run(READER, &unblock, b"");
        },
    }
}

#[test]
fn one_try() {
    in_new_process();
}

#[test]
fn each_try_has_its_answer() {
    let pcscd = Pcscd::start();
    for atr in [NITROKEY, YUBIKEY] {
        let card = Inserted::new(&pcscd, READER, card(&pcscd, atr));
        facts(&card).go_through(By::ThisProcess);
    }
}

#[test]
fn each_try_of_a_new_process_has_the_same() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, card(&pcscd, NITROKEY));
    facts(&card).go_through(By::NewProcesses);
}

#[test]
fn asking_spends_nothing_and_disturbs_nobody() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, card(&pcscd, YUBIKEY));
    let verify = [&[0x00, 0x20, 0x00, 0x80, 8], PIN.as_bytes(), &[0xFF; 2]].concat();
    facts(&card).asking_disturbs_nobody(&verify, &[0x00, 0x20, 0x00, 0x80], &|token: &Token| {
        let identity = token.identities().unwrap().only().unwrap();
        sign(identity.key().unwrap()).unwrap();
    });
}

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

fn sign(key: &keyfob::PrivateKey) -> Result<(), Error> {
    let signature = key.sign(SCHEME, b"message")?;
    key.public_key()
        .unwrap()
        .verify(SCHEME, b"message", &signature)
        .unwrap();
    Ok(())
}

/// The key that wants the PIN for each signature: OpenSC has the card for itself from there to the
/// signature.
#[test]
fn the_pin_of_a_signature_has_its_answers_too() {
    let pcscd = Pcscd::start();
    let piv = card(&pcscd, NITROKEY);
    let card = Inserted::new(&pcscd, READER, piv);
    yubico::make_identity(READER, "9c", "ECCP256", |spki| {
        Leaf::new("CN=9C").issue(spki)
    });
    let card = Inserted::new(&pcscd, READER, card.remove());
    let facts = facts(&card);
    let fob = token().unlock(&PIN.into()).unwrap();
    let keys = fob.identities().unwrap();
    let key = keys.iter().filter_map(|one| one.key());
    let mut key = key.filter(|key| key.protection().always_authenticate);
    let key = key.next_back().unwrap().clone();
    let typing =
        |pin: &'static str| key.with_prompt(Arc::new(move |_: &PinRequest| Ok(Pin::from(pin))));
    sign(&typing(PIN)).unwrap();
    for tries in [TriesLeft::Several(2), TriesLeft::One] {
        match sign(&typing(WRONG)) {
            Err(Error::Pin { reason, .. }) => assert_eq!(reason, PinError::Incorrect { tries }),
            other => panic!("{other:?}"),
        }
    }
    let sent = facts.sent();
    match sign(&typing(PIN)) {
        Err(Error::Pin { reason, .. }) => assert_eq!(reason, PinError::LastTry),
        other => panic!("{other:?}"),
    }
    assert_eq!(facts.sent(), sent);
    drop((key, keys, fob));
    assert_eq!(facts.left(), 1);
}

/// The model is a program's own, and the same card without it is not known to tell.
#[test]
fn a_model_of_a_known_family_is_asked_as_that() {
    let pcscd = Pcscd::start();
    let atr = b"\x3B\x85\x01mine!\xAA";
    let card = Inserted::new(&pcscd, READER, card(&pcscd, atr));
    assert_eq!(token().pin_state(), PinState::Unknown);
    let model = CardModel::new("Mine").with_family("PIV");
    let model = model.with_historical_bytes(b"mine!").unwrap();
    model.clone().add_to_catalog();
    assert_eq!(token().pin_state(), PinState::Unknown);
    let model = model.with_quirk(CardQuirk::TellsTriesLeft);
    model.clone().add_to_catalog();
    assert_eq!(token().pin_state(), PinState::TriesLeft(3));
    model.with_family("Something else").add_to_catalog();
    assert_eq!(token().pin_state(), PinState::Unknown);
    assert_eq!(facts(&card).sent(), 0);
}

/// A card with another application beside PIV, as a YubiKey has several.
struct Several {
    piv: Piv,
    /// It is selected.
    other: bool,
    /// Somebody selects it after every question.
    restless: bool,
}

/// The name of that application, which OpenSC does not know.
const OTHER: &[u8] = b"\xF0other";

impl Card for Several {
    fn atr(&self) -> Vec<u8> {
        self.piv.atr()
    }

    fn power(&mut self, power: Power) {
        self.other = false;
        self.piv.power(power);
    }

    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        match *command {
            [0x00, 0xA4, 0x04, ..] => {
                self.other = command.ends_with(OTHER);
                match self.other {
                    true => vec![0x90, 0x00],
                    false => self.piv.transmit(command),
                }
            }
            _ if self.other => vec![0x6D, 0x00],
            [0x00, 0x20, 0x00, 0x80] => {
                self.other = self.restless;
                self.piv.transmit(command)
            }
            _ => self.piv.transmit(command),
        }
    }
}

#[test]
fn another_application_may_be_selected() {
    let pcscd = Pcscd::start();
    let card = Several {
        piv: card(&pcscd, YUBIKEY),
        other: false,
        restless: false,
    };
    let card = Inserted::new(&pcscd, READER, card);
    let mut token = token();
    assert_eq!(token.pin_state(), PinState::TriesLeft(3));
    let context = pcsc::Context::establish(Scope::User).unwrap();
    let other = connect(&context, ShareMode::Shared);
    for _ in 0..3 {
        let select = [&[0x00, 0xA4, 0x04, 0x00, 6], OTHER].concat();
        let mut room = [0; 300];
        let answer = other.transmit(&select, &mut room).unwrap();
        assert_eq!(answer, [0x90, 0x00]);
        token.refresh().unwrap();
        assert_eq!(token.pin_state(), PinState::TriesLeft(3));
    }
    // OpenSC selects PIV for its own commands, so now between these and the question.
    card.card(|card| card.restless = true);
    for _ in 0..3 {
        let before = card.exchanges().len();
        token.refresh().unwrap();
        assert_eq!(token.pin_state(), PinState::TriesLeft(3));
        let sent = card.exchanges().split_off(before);
        let unanswered = sent.iter().filter(|(command, answer)| {
            *command == [0x00, 0x20, 0x00, 0x80] && *answer == [0x6D, 0x00]
        });
        assert_eq!(unanswered.count(), 1);
    }
    card.card(|card| card.restless = false);
    let refused = token.unlock(&WRONG.into()).unwrap_err();
    let tries = TriesLeft::Several(2);
    assert!(
        matches!(refused, Error::Pin { reason, .. } if reason == PinError::Incorrect { tries })
    );
}
