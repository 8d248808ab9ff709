//! The PIN of a virtual Rutoken ECP through OpenSC: each try with its answer, the card's own counter
//! agreeing, and the tries left as the card itself tells them.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/pins.rs"]
mod pins;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/vpcd.rs"]
mod vpcd;

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use keyfob::{Error, Pin, PinError, PinRequest, PinState, Scheme, Token};
use pcsc::{Scope, ShareMode};
use pcscd::Pcscd;
use pins::{By, Facts, READER, WRONG, connect, in_new_process, search, this_program, token};
use rutoken::opensc::{self, Scratch, limited, run};
use rutoken::{PIN, Rutoken, SO_PIN};
use softhsm::Leaf;
use vpcd::Inserted;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of a Rutoken Lite.
const LITE: &[u8] = b"\x3b\x8b\x01Rutokenlite\xc2";

fn facts(card: &Inserted<Rutoken>) -> Facts<'_, Rutoken> {
    Facts {
        card,
        pin: PIN,
        tries: 5,
        left: |card| card.tries_left(),
        end: PinError::Locked,
        unblock: &unblock,
    }
}

/// The security officer does, which OpenSC has to be told to let him.
fn unblock() {
    let configuration = Scratch::new(
        b"app default { framework pkcs15 { } \
          pkcs11 { user_pin_unblock_style = init_pin_in_so_session; } }",
    );
    let mut tool = limited("pkcs11-tool");
    tool.arg("--module").arg(opensc::module());
    tool.args(["--login", "--login-type", "so", "--so-pin", SO_PIN]);
    tool.args(["--init-pin", "--new-pin", PIN]);
    run(tool.env("OPENSC_CONF", &configuration.0));
}

#[test]
fn one_try() {
    in_new_process();
}

#[test]
fn each_try_has_its_answer() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    facts(&card).go_through(By::ThisProcess);
}

#[test]
fn each_try_of_a_new_process_has_the_same() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    facts(&card).go_through(By::NewProcesses);
}

/// The card is asked again before a PIN is sent, where what it said is a second old.
#[test]
fn tries_that_another_process_has_spent_are_seen() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let facts = facts(&card);
    let mut token = token();
    assert_eq!(token.pin_state(), PinState::TriesLeft(5));
    for _ in 0..4 {
        let attempt = By::NewProcesses.attempt(&mut None, WRONG, false);
        assert!(attempt.answer.starts_with("Incorrect"), "{attempt:?}");
    }
    thread::sleep(Duration::from_secs(1));
    assert_eq!((facts.left(), facts.sent()), (1, 4));
    let refused = token.unlock(&PIN.into()).unwrap_err();
    let last = |error| matches!(error, Error::Pin { reason, .. } if reason == PinError::LastTry);
    assert!(last(refused));
    assert_eq!(
        token.pin_state(),
        PinState::TriesLeft(5),
        "what it was told"
    );
    token.refresh().unwrap();
    assert_eq!(token.pin_state(), PinState::FinalTry);
    assert_eq!((facts.left(), facts.sent()), (1, 4));
}

#[test]
fn asking_spends_nothing_and_disturbs_nobody() {
    let pcscd = Pcscd::start();
    let issue = |spki: &[u8]| Leaf::new("CN=Card").issue(spki);
    let card = Inserted::new(&pcscd, READER, Rutoken::with_rsa(&pcscd, issue));
    let verify = [&[0x00, 0x20, 0x00, 0x02, 8], PIN.as_bytes()].concat();
    facts(&card).asking_disturbs_nobody(&verify, &[0x00, 0x20, 0x00, 0x02], &sign);
}

fn sign(token: &Token) {
    let scheme = Scheme::RsaPkcs1Sha256;
    let identity = token.identities().unwrap().only().unwrap();
    let signature = identity.sign(scheme, b"message").unwrap();
    let certificate = identity.certificate().unwrap();
    certificate.verify(scheme, b"message", &signature).unwrap();
}

/// OpenSC can be told to have the card for itself as long as it is logged in: then nobody can ask,
/// not this process either.
#[test]
fn a_card_that_its_module_has_for_itself_does_not_hang() {
    const HERE: &str = "KEYFOB_TEST_LOCK_LOGIN";
    if std::env::var_os(HERE).is_none() {
        let pcscd = Pcscd::start();
        let issue = |spki: &[u8]| Leaf::new("CN=Card").issue(spki);
        let card = Inserted::new(&pcscd, READER, Rutoken::with_rsa(&pcscd, issue));
        let configuration =
            Scratch::new(b"app default { framework pkcs15 { } pkcs11 { lock_login = true; } }");
        let mut program = this_program("a_card_that_its_module_has_for_itself_does_not_hang");
        let before = card.exchanges().len();
        run(program.env("OPENSC_CONF", &configuration.0).env(HERE, ""));
        assert_eq!(facts(&card).left(), 5);
        // At first, before the PIN and at last: what nobody waited for any longer was not sent.
        let sent = card.exchanges().split_off(before);
        let asked = sent.iter().filter(|one| one.0 == [0x00, 0x20, 0x00, 0x02]);
        assert_eq!(asked.count(), 3, "{sent:02x?}");
        return;
    }
    let mut token = token();
    assert_eq!(token.pin_state(), PinState::TriesLeft(5));
    let fob = token.unlock(&PIN.into()).unwrap();
    let mut refresh = || {
        let start = Instant::now();
        token.refresh().unwrap();
        assert_eq!(token.pin_state(), PinState::Unknown);
        start.elapsed()
    };
    let time = refresh();
    assert!((2..20).contains(&time.as_secs()), "{time:?}");
    // One thread waits, and nobody for it.
    let time: Duration = (0..10).map(|_| refresh()).sum();
    assert!(time < Duration::from_secs(10), "{time:?}");
    sign(&fob);
    drop(fob);
    let end = Instant::now() + PATIENCE;
    while token.pin_state() != PinState::TriesLeft(5) {
        assert!(Instant::now() < end, "it is free again");
        token.refresh().unwrap();
    }
}

/// OpenSC has a connection to every card that it knows, so the card is taken from it first.
#[test]
fn a_card_that_another_program_has_exclusively_does_not_hang() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let mut token = token();
    let card = card.remove();
    assert!(search().tokens().is_empty()); // which lets OpenSC see it
    let card = Inserted::new(&pcscd, READER, card);
    let context = pcsc::Context::establish(Scope::User).unwrap();
    let _other = connect(&context, ShareMode::Exclusive);
    for _ in 0..3 {
        let start = Instant::now();
        let state = token.refresh().map(|()| token.pin_state());
        assert!(
            state.is_err() || matches!(state, Ok(PinState::Unknown)),
            "{state:?}"
        );
        assert!(token.unlock(&PIN.into()).is_err());
        assert!(start.elapsed() < PATIENCE);
    }
    assert_eq!(facts(&card).sent(), 0);
}

/// OpenSC does not see at once that there is another card.
#[test]
fn another_card_in_its_place_is_not_asked() {
    let pcscd = Pcscd::start();
    let card = Inserted::new(&pcscd, READER, Rutoken::initialised(&pcscd));
    let mut token = token();
    let mut lite = card.remove();
    lite.atr = LITE.to_vec();
    let card = Inserted::new(&pcscd, READER, lite);
    for _ in 0..3 {
        let state = token.refresh().map(|()| token.pin_state());
        assert!(!matches!(state, Ok(PinState::TriesLeft(_))), "{state:?}");
    }
    let exchanges = card.exchanges();
    assert!(exchanges.iter().all(|(command, _)| command[1] != 0x20));
}

/// T=0 has no command of four bytes.
#[test]
fn a_card_of_the_older_protocol_tells_too() {
    let pcscd = Pcscd::start();
    let mut card = Rutoken::initialised(&pcscd);
    card.atr = b"\x3b\x9c\x96\x00RutokenECPsc".to_vec();
    let card = Inserted::new(&pcscd, READER, card);
    assert_eq!(token().pin_state(), PinState::TriesLeft(5));
    let exchanges = card.exchanges();
    let asked: Vec<_> = exchanges.iter().filter(|one| one.0[1] == 0x20).collect();
    assert_eq!(asked, [&(vec![0, 0x20, 0, 2, 0], vec![0x63, 0xC5])]);
}

/// OpenSC drives it as it does the others; of this model it is not known that it tells.
#[test]
fn a_card_that_is_not_known_to_tell_is_not_asked() {
    let pcscd = Pcscd::start();
    let mut lite = Rutoken::initialised(&pcscd);
    lite.atr = LITE.to_vec();
    let card = Inserted::new(&pcscd, READER, lite);
    let mut token = token();
    assert_eq!(token.pin_state(), PinState::Unknown);
    token.refresh().unwrap();
    let exchanges = card.exchanges();
    assert!(exchanges.iter().all(|(command, _)| command[1] != 0x20));
}

/// A PIN is for the card that it was given for. Here the cards are exchanged while a person is
/// asked, and so quickly that what the token said of itself is still believed.
#[test]
fn another_card_in_its_place_gets_no_pin() {
    let pcscd = Pcscd::start();
    let one = Rutoken::initialised(&pcscd);
    let mut another = Rutoken::blank();
    another.serial = [1, 2, 3, 4];
    let another = another.initialise(&pcscd);
    let first = Inserted::new(&pcscd, READER, one.clone());
    let mut token = token();
    first.remove();
    for _ in 0..20 {
        let first = Mutex::new(Some(Inserted::new(&pcscd, READER, one.clone())));
        let second = Mutex::new(None);
        token.refresh().unwrap();
        let start = Instant::now();
        let exchanging = |_: &PinRequest| {
            first.lock().unwrap().take().expect("asked once").remove();
            let inserted = Inserted::new(&pcscd, READER, another.clone());
            *second.lock().unwrap() = Some(inserted);
            Ok(Pin::from(PIN))
        };
        let refused = token.unlock_by(&exchanging).unwrap_err();
        let time = start.elapsed();
        assert!(matches!(refused, Error::TokenRemoved { .. }), "{refused:?}");
        let second = second.into_inner().unwrap().expect("it was asked");
        let exchanges = second.exchanges();
        let pins = exchanges
            .iter()
            .filter(|(command, _)| command.get(1) == Some(&0x20) && command.len() > 5);
        assert_eq!(pins.count(), 0);
        second.remove();
        if time < Duration::from_millis(900) {
            return;
        }
    }
    panic!("no exchange was quick enough");
}
