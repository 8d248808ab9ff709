//! A token with GOST keys, of which the fault module has one for each parameter set. The test file has
//! `mod fault`, `mod gost` and `mod softhsm` too.
#![allow(dead_code, reason = "no test binary needs all of it")]

use cryptoki_sys::{CK_MECHANISM_TYPE, CKF_SIGN, CKM_GOSTR3410};
use keyfob::{Identity, Pin, Scheme, Search, Unlocked};

use crate::fault::Fault;
use crate::gost::{Key, SETS, Set};
use crate::softhsm::{Leaf, PIN, SoftHsm};

pub const GOSTR3410_512: CK_MECHANISM_TYPE = 0xD432_1006;
pub const HASHING_256: CK_MECHANISM_TYPE = 0xD432_1008;
pub const HASHING_512: CK_MECHANISM_TYPE = 0xD432_1009;
/// What signs digests.
pub const RAW: [CK_MECHANISM_TYPE; 2] = [CKM_GOSTR3410, GOSTR3410_512];
/// What hashes and signs.
pub const HASHING: [CK_MECHANISM_TYPE; 2] = [HASHING_256, HASHING_512];

/// A key of each parameter set, each with a certificate, and what signs digests.
pub fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("gost", |token| {
        for (id, set) in (1..).zip(SETS) {
            let certificate = certificate(set);
            token.certificate(&certificate, &label(set), &[id]);
        }
    });
    let fault = Fault::load();
    for (id, set) in (1..).zip(SETS) {
        fault.gost_key(&set.params(), &label(set), id);
    }
    offer(&fault, &RAW);
    (bench, fault)
}

pub fn offer(fault: &Fault, mechanisms: &[CK_MECHANISM_TYPE]) {
    for mechanism in [RAW, HASHING].concat() {
        fault.tokens().drop_mechanism(mechanism);
    }
    for mechanism in mechanisms {
        fault.tokens().add_mechanism(*mechanism, CKF_SIGN);
    }
}

pub fn label(set: Set) -> String {
    format!("{}-{}", set.bits, set.name)
}

pub fn key(set: Set) -> Key {
    Key::from_seed(set, label(set).as_bytes())
}

pub fn certificate(set: Set) -> Vec<u8> {
    let mut leaf = Leaf::new(&format!("CN={}", label(set)));
    leaf.serial = set.params(); // another for each
    leaf.issue(&key(set).spki())
}

/// One set of each size.
pub fn both() -> [Set; 2] {
    [Set::named(256, "B"), Set::named(512, "A")]
}

pub fn scheme(set: Set) -> Scheme {
    match set.bits {
        256 => Scheme::Gost256,
        _ => Scheme::Gost512,
    }
}

/// With a PIN that is kept, for a token that goes and comes.
pub fn unlocked() -> Unlocked {
    let found = Search::new().module(Fault::path()).named_only().run();
    let token = found.unwrap().select("gost").unwrap();
    token.unlock(&Pin::from(PIN).keep_pin()).unwrap()
}

pub fn identity(fob: &Unlocked, set: Set) -> Identity {
    let identities = fob.identities().unwrap();
    let problems = identities.problems();
    assert!(problems.is_empty(), "{problems:?}");
    identities.label(&label(set)).only().unwrap()
}
