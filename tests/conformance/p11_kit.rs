//! A SoftHSM token behind p11-kit's server, through its client.

use std::cell::RefCell;
use std::env;

use cryptoki_sys::CKM_EDDSA;
use keyfob::{PinState, Scheme, TriesLeft};

use crate::bench::{Absence, Bench, Key, Lack, PinStates};
use crate::checks::ED25519;
use crate::checks::signing::mechanism_is_missing;
use crate::p11_kit::{Server, client};
use crate::softhsm::{PIN, SoftHsm};

pub const LABEL: &str = "remote";

pub fn bench<'a>(server: &'a Switched<'a>, keys: Vec<Key>) -> Bench<'a> {
    Bench {
        name: "p11-kit",
        module: client(),
        label: LABEL.into(),
        pin: PIN,
        states: PinStates {
            before: PinState::Normal,
            refused: TriesLeft::Low,
            after: PinState::Low,
            at_rest: PinState::Normal,
        },
        forgive: None,
        keys,
        absence: Some(server),
        is_locked: None,
        lacks: vec![Lack::new(
            ED25519,
            "p11-kit passes on no mechanism that it does not know, and this is one",
            |bench| mechanism_is_missing(bench, Scheme::Ed25519, CKM_EDDSA),
        )],
    }
}

/// A server that is stopped and started.
pub struct Switched<'a> {
    softhsm: &'a SoftHsm,
    server: RefCell<Option<Server>>,
}

impl<'a> Switched<'a> {
    pub fn on(softhsm: &'a SoftHsm) -> Self {
        let server = Self {
            softhsm,
            server: RefCell::new(None),
        };
        server.come_back();
        server
    }
}

impl Absence for Switched<'_> {
    fn go(&self) {
        let server = self.server.take().expect("it runs");
        server.kill_connections();
    }

    fn come_back(&self) {
        let softhsm = self.softhsm;
        let uri = format!("pkcs11:token={LABEL}");
        let server = Server::start(softhsm.folder(), softhsm.module(), &uri, |_| ());
        // SAFETY: this test has the turn, and the client reads it when its list is asked for.
        unsafe { env::set_var("P11_KIT_SERVER_ADDRESS", server.address()) };
        self.server.replace(Some(server));
    }
}
