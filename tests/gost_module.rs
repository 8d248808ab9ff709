//! GOST R 34.10-2012 on tokens, in the ways in which vendors differ. The fault module stands in for
//! them, since SoftHSM has no such keys; what is right is for the tests' own arithmetic to say.

#[path = "gost_module/again.rs"]
mod again;
#[path = "gost_module/bench.rs"]
mod bench;
#[path = "gost_module/documents.rs"]
mod documents;
#[path = "support/fault.rs"]
mod fault;
#[path = "support/gost.rs"]
mod gost;
#[path = "gost_module/orders.rs"]
mod orders;
#[path = "gost_module/shown.rs"]
mod shown;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "gost_module/vectors.rs"]
mod vectors;
#[path = "gost_module/ways.rs"]
mod ways;

use bench::key;
use gost::Set;
use keyfob::{Error, SignError, Signature};
use streebog::{Digest, Streebog256, Streebog512};

const MESSAGE: &[u8] = b"The quick brown fox signs with a key that cannot leave its token.";

#[track_caller]
fn assert_right(set: Set, message: &[u8], signature: &Signature) {
    let digest = match set.bits {
        256 => Streebog256::digest(message).to_vec(),
        _ => Streebog512::digest(message).to_vec(),
    };
    let right = set.verifies(&key(set).public(), &digest, signature.as_bytes());
    assert!(right, "{} {}", set.bits, set.name);
}

#[track_caller]
fn refusal(signed: Result<Signature, Error>) -> SignError {
    match signed {
        Err(Error::Sign { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}
