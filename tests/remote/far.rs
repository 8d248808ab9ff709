//! The token of another machine.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::env;

use keyfob::{Error, Identity, Pin, Scheme, Search, Token};

use crate::p11_kit::{Server, client};
use crate::softhsm::{Kind, SoftHsm};

pub const LABEL: &str = "far away";
/// As p11-kit is told it.
pub const URI: &str = "pkcs11:token=far%20away";

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

/// Makes it.
pub fn made(softhsm: &SoftHsm) {
    softhsm.token(LABEL, |token| token.identity(Kind::P256, "p256", &[1]));
}

/// Makes it, and starts a server for it, which this process is told of.
pub fn served(softhsm: &SoftHsm) -> Server {
    made(softhsm);
    let server = Server::start(softhsm.folder(), softhsm.module(), URI, |_| ());
    // SAFETY: this test has the turn, and the client reads it when its list is asked for.
    unsafe { env::set_var("P11_KIT_SERVER_ADDRESS", server.address()) };
    server
}

/// Through p11-kit's client.
pub fn token() -> Token {
    let found = Search::new().module(client()).named_only().run();
    found.unwrap().select(LABEL).unwrap()
}

pub fn unlock(token: &Token, pin: &Pin) -> Identity {
    let fob = token.unlock(pin).unwrap();
    fob.identities().unwrap().only().unwrap()
}

pub fn sign(me: &Identity) -> Result<(), Error> {
    let signature = me.sign(SCHEME, b"message")?;
    let certificate = me.certificate().expect("it was issued");
    certificate.verify(SCHEME, b"message", &signature)
}
