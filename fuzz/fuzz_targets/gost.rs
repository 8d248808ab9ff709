//! GOST keys, by their SubjectPublicKeyInfo and as tokens show them, and signatures.
#![no_main]

use std::sync::LazyLock;

use keyfob::{GostParameterSet, PublicKey, Scheme};
use libfuzzer_sys::fuzz_target;

const SCHEMES: [Scheme; 5] = [
    Scheme::Gost256,
    Scheme::Gost512,
    Scheme::GostKz256,
    Scheme::GostKz512,
    Scheme::Gost2001,
];

/// One of each parameter set. Nobody has the keys to them.
static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    include_str!("../../tests/gost/public_keys.pem")
        .split_inclusive("-----END PUBLIC KEY-----\n")
        .map(|pem| PublicKey::from_pem(pem).expect("a sound key"))
        .collect()
});

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = PublicKey::from_spki_der(data) {
        same_when_read_again(&key);
    }
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let choice = usize::from(choice);
    let set = GostParameterSet::ALL[choice % GostParameterSet::ALL.len()];
    let oid = set.oid();
    let parameters = [&[6, oid.as_bytes().len() as u8], oid.as_bytes()].concat();
    let (point, rest) = rest.split_at(rest.len().min(2 * set.field_len()));
    if let Ok(key) = PublicKey::from_gost(&parameters, point) {
        same_when_read_again(&key);
        refused(&key, rest);
    }
    refused(&KEYS[choice % KEYS.len()], data);
});

fn same_when_read_again(key: &PublicKey) {
    let again = PublicKey::from_spki_der(key.spki_der());
    assert_eq!(again.as_ref(), Ok(key));
}

/// A digest, and then what may be a signature.
fn refused(key: &PublicKey, data: &[u8]) {
    for scheme in SCHEMES {
        for length in [32, 64] {
            let (digest, signature) = data.split_at(data.len().min(length));
            assert!(key.verify_digest(scheme, digest, signature).is_err());
        }
    }
}
