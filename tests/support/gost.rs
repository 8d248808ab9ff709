//! GOST R 34.10-2012 in software: the other side of what tokens and keyfob do. It is plain, shares no
//! arithmetic with keyfob, and keeps no secret: its nonces come from the key and the digest.
#![allow(dead_code, unused_imports, reason = "no test binary needs all of it")]

#[path = "gost/curve.rs"]
pub mod curve;
#[path = "gost/sets.rs"]
mod sets;

use curve::Curve;
use num_bigint::BigUint;
pub use sets::{SETS, Set};
use sha2::{Digest, Sha512};

/// A key pair.
#[derive(Clone)]
pub struct Key {
    pub set: Set,
    d: BigUint,
}

impl Key {
    /// The same seed gives the same key.
    pub fn from_seed(set: Set, seed: &[u8]) -> Self {
        let d = scalar(&set.curve(), seed);
        Self { set, d }
    }

    /// X ‖ Y, each with its least byte first.
    pub fn public(&self) -> Vec<u8> {
        self.set.curve().public(&self.d)
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        self.set.spki(&self.public())
    }

    /// The private key with its highest byte first, for a test to look for.
    pub fn secret(&self) -> Vec<u8> {
        self.set.curve().bytes(&self.d)
    }

    /// With its least byte first.
    pub fn from_bytes(set: Set, d: &[u8]) -> Self {
        let d = BigUint::from_bytes_le(d);
        Self { set, d }
    }

    /// What two keys agree on before it is hashed, from the other's public key: RFC 7836 section 4.3.
    pub fn agree(&self, public: &[u8], ukm: &[u8]) -> Option<Vec<u8>> {
        self.set.curve().agree(&self.d, public, ukm)
    }

    /// s ‖ r, each with its highest byte first, as C_Sign answers and RFC 9215 section 2 has it.
    pub fn sign(&self, digest: &[u8]) -> Vec<u8> {
        let curve = self.set.curve();
        let nonce = scalar(&curve, &[&self.secret(), digest].concat());
        curve.sign(&self.d, &nonce, digest)
    }
}

/// Not zero, and less than q.
fn scalar(curve: &Curve, seed: &[u8]) -> BigUint {
    BigUint::from_bytes_be(&Sha512::digest(seed)) % (&curve.q - 1u8) + 1u8
}
