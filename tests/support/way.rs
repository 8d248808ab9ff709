//! The way through keyfob that every card goes in the tests: told by an event, found by
//! `discover()`, unlocked, used to sign, removed. The test file has `mod openssl`, `mod pcscd`,
//! `mod vpcd` and `mod watching` too.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::path::Path;
use std::sync::mpsc;
use std::{env, fs, thread};

use keyfob::{Discovery, Error, Identity, ReaderEvent, Scheme, Token, discover};

use crate::openssl::Judge;
use crate::pcscd::Pcscd;
use crate::vpcd::{Card, Inserted};
use crate::watching::{PATIENCE, Watching};

/// The readers, for a program that nobody has told of a module: `discover()` goes by the cards.
#[track_caller]
pub fn start() -> Pcscd {
    let pcscd = Pcscd::start();
    // SAFETY: the tests' other threads are waiting for their turn, and nothing that runs in this
    // one yet reads the environment.
    unsafe { env::remove_var("KEYFOB_MODULE") };
    pcscd
}

/// The reader of a card that is put in now, and the name that it is known by.
#[track_caller]
pub fn inserted(watching: &Watching) -> (String, String) {
    match watching.next() {
        ReaderEvent::TokenInserted { reader, card } => {
            let model = card.model().expect("a card that is known by name");
            (reader, model.name().to_owned())
        }
        other => panic!("{other}"),
    }
}

/// The token in this reader, and what was found beside it.
#[track_caller]
pub fn found_in(reader: &str) -> (Token, Discovery) {
    let found = discover().unwrap();
    let token = found
        .tokens()
        .iter()
        .find(|one| one.reader() == Some(reader));
    let token = token.unwrap_or_else(|| panic!("no token in {reader}: {:?}", found.problems()));
    (token.clone(), found)
}

/// OpenSSL and keyfob accept the signature, and none of another message.
#[track_caller]
pub fn signs(identity: &Identity, scheme: Scheme) {
    let message = b"the message";
    let signature = identity.sign(scheme, message);
    let signature = signature.unwrap_or_else(|error| panic!("{scheme}: {error}"));
    let certificate = identity.certificate().expect("it was issued");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("way");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    let openssl = Judge::new(&folder, &certificate.public_key().unwrap());
    assert!(openssl.accepts(scheme, message, signature.as_bytes()));
    assert!(!openssl.accepts(scheme, b"another", signature.as_bytes()));

    certificate.verify(scheme, message, &signature).unwrap();
    let refused = certificate.verify(scheme, b"another", &signature);
    assert!(matches!(refused, Err(Error::Verify(_))), "{refused:?}");
}

/// How often the card was given a PIN to verify.
pub fn pins_sent<C: Card>(card: &Inserted<C>) -> usize {
    let is_verify = |command: &[u8]| command.starts_with(&[0x00, 0x20]) && command.len() > 5;
    let exchanges = card.exchanges();
    let commands = exchanges.iter().map(|(command, _)| command);
    commands.filter(|command| is_verify(command)).count()
}

/// What signing without the card ends with: no panic, and no endless wait.
#[track_caller]
pub fn refused(identity: &Identity, scheme: Scheme) -> Error {
    let identity = identity.clone();
    let (send, outcome) = mpsc::channel();
    thread::spawn(move || send.send(identity.sign(scheme, b"too late")));
    let outcome = outcome.recv_timeout(PATIENCE).expect("it ends");
    outcome.expect_err("there is no card to sign with")
}
