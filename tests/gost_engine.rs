//! GOST signatures of OpenSSL's engine on each parameter set: each is accepted, and with one bit
//! changed of it, of what was signed or of the key it is not.
//!
//! It is left to be named, since it needs the engine: see CONTRIBUTING.md.

#[path = "support/engine.rs"]
mod engine;

use std::fs;

use engine::{Engine, SETS};
use keyfob::{GostParameterSet, KeyType, PublicKey, Scheme};

/// Of each parameter set.
const SIGNATURES: usize = 50;

#[test]
fn signatures_on_each_parameter_set() {
    let engine = Engine::new("signatures");
    for (set, algorithm, name) in SETS {
        let [key, other] = ["key", "other"].map(|file| {
            engine.key(file, algorithm, name);
            let pem = engine.run(&["pkey", "-in", file, "-pubout"]).stdout;
            let pem = String::from_utf8(pem).expect("PEM is ASCII");
            PublicKey::from_pem(&pem).expect("a sound key")
        });
        let hash = format!("-{}", engine::digest(algorithm));
        for number in 0..SIGNATURES {
            let message = format!("message {number} on {set}").into_bytes();
            engine.file("message", &message);
            sign(&engine, &hash);
            let signature = fs::read(engine.path("signature")).expect("it was written");
            check(set, &key, &message, &signature, number);
            let scheme = scheme(set);
            assert!(other.verify(scheme, &message, &signature).is_err());
        }
    }
}

/// Signs the file `message` with `key`.
fn sign(engine: &Engine, hash: &str) {
    let files = ["-sign", "key", "-out", "signature", "message"];
    engine.run(&[&["dgst", hash], &files[..]].concat());
}

fn check(set: GostParameterSet, key: &PublicKey, message: &[u8], signature: &[u8], number: usize) {
    let scheme = scheme(set);
    key.verify(scheme, message, signature)
        .expect("the engine signed it");

    let digest = scheme.digest_algorithm().expect("GOST signs digests");
    let digest = digest.digest(message);
    let accepts = |key: &PublicKey, digest: &[u8], signature: &[u8]| {
        key.verify_digest(scheme, digest, signature).is_ok()
    };
    assert!(accepts(key, &digest, signature));
    // Another bit for each number, and over all of them bits from end to end.
    let changed = |bytes: &[u8]| {
        let bit = number * (8 * bytes.len() - 1) / (SIGNATURES - 1);
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    };
    assert!(!accepts(key, &digest, &changed(signature)), "{set}");
    assert!(!accepts(key, &changed(&digest), signature), "{set}");
    let message = changed(message);
    assert!(key.verify(scheme, &message, signature).is_err(), "{set}");

    // The point is what the key ends with.
    let der = key.spki_der();
    let (head, point) = der.split_at(der.len() - 2 * set.field_len());
    assert_eq!(PublicKey::from_spki_der(der).as_ref(), Ok(key));
    let other = [head, &changed(point)].concat();
    assert!(PublicKey::from_spki_der(&other).is_err(), "{set}");
}

fn scheme(set: GostParameterSet) -> Scheme {
    match set.field_len() {
        32 => Scheme::Gost256,
        _ => Scheme::Gost512,
    }
}

#[test]
fn the_engine_reads_what_is_written() {
    let engine = Engine::new("keys");
    for (set, algorithm, name) in SETS {
        engine.key("key", algorithm, name);
        let public = ["pkey", "-in", "key", "-pubout", "-out", "public"];
        engine.run(&public);
        let pem = fs::read_to_string(engine.path("public")).expect("it was written");
        let key = PublicKey::from_pem(&pem).expect("a sound key");
        let of = match key.key_type() {
            KeyType::Gost256(of) | KeyType::Gost512(of) => of,
            other => panic!("{other}"),
        };
        assert_eq!(of, set);
        engine.file("ours", key.to_pem().as_bytes());
        engine.file("message", name.as_bytes());
        let hash = format!("-{}", engine::digest(algorithm));
        sign(&engine, &hash);
        let verify = [
            "dgst",
            &hash,
            "-verify",
            "ours",
            "-signature",
            "signature",
            "message",
        ];
        engine.run(&verify);
    }
}
