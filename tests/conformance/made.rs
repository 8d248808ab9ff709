//! Keys made through PKCS#11, for the modules that take that.
#![allow(dead_code, reason = "no test binary needs all of it")]

use cryptoki::object::Attribute;
use keyfob::{Curve, KeyStatus, KeyType};

use crate::bench::{Bench, Key};
use crate::checks::bare::Bare;
use crate::softhsm::{Filler, Kind, Leaf};

/// A key of each kind with a certificate, and one without, which wants the PIN each time.
pub fn fill(token: &Filler, kinds: &[Kind]) -> Vec<Key> {
    let key = |key_type: KeyType, spki: Vec<u8>, always_asks: bool| Key {
        key_type,
        spki,
        has_certificate: !always_asks,
        always_asks,
        before_login: Some(KeyStatus::Hidden),
    };
    let mut keys = Vec::new();
    for (id, kind) in (1..).zip(kinds) {
        let key_type = key_type(*kind);
        let name = key_type.to_string();
        let spki = token.key(*kind, &name, &[id]);
        let certificate = Leaf::new(&format!("CN={name}")).issue(&spki);
        token.certificate(&certificate, &name, &[id]);
        keys.push(key(key_type, spki, false));
    }
    let always = [Attribute::AlwaysAuthenticate(true)];
    let spki = token.key_with(Kind::P256, "always-ask", &[0xFF], &always);
    keys.push(key(key_type(Kind::P256), spki, true));
    keys
}

fn key_type(kind: Kind) -> KeyType {
    match kind {
        Kind::Rsa(bits) => KeyType::Rsa {
            bits: bits.try_into().expect("a short key"),
        },
        Kind::P256 => KeyType::Ec(Curve::P256),
        Kind::P384 => KeyType::Ec(Curve::P384),
        Kind::P521 => KeyType::Ec(Curve::P521),
        Kind::Ed25519 => KeyType::Ed25519,
    }
}

/// The proof that a token cannot be pulled out.
pub fn is_fixed(bench: &Bench<'_>) {
    let bare = Bare::of(bench);
    let slot = bare.module().get_slot_info(bare.slot).unwrap();
    assert!(!slot.removable_device());
}
