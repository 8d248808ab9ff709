//! Handles after the token is back: they may be other objects' by then.

use super::*;

/// Handles of objects, as the module gives them out, in another order.
#[test]
fn objects_in_another_order_are_told_apart() {
    let (bench, fault) = bench();
    bench.token("many", |token| {
        for number in 1..=5 {
            token.identity(Kind::P256, &format!("key {number}"), &[number]);
        }
    });
    let search = Search::new().module(Fault::path()).named_only();
    let token = search.run().unwrap().select("many").unwrap();
    let fob = token.unlock(&kept()).unwrap();
    let all: Vec<_> = fob.identities().unwrap().into_iter().collect();
    assert_eq!(all.len(), 5);
    let slot = fault.slot_of("many");
    for _ in 0..3 {
        fault.token(slot).remove();
        fault.token(slot).insert();
        fault.command("find reverse");
        for me in &all {
            signs(me);
        }
    }
}

/// A key that was read alone shows no public key: it is known by a signature that it has made.
#[test]
fn a_key_without_public_key_is_known_by_its_signature() {
    let (_bench, fault) = bench();
    let fob = token().unlock(&kept()).unwrap();
    let used = fob.key("p256").unwrap();
    assert!(used.public_key().is_none());
    let fresh = fob.key("p256").unwrap();
    used.sign(SCHEME, b"message").unwrap();
    let slot = fault.slot_of("removal");
    fault.token(slot).remove();
    fault.token(slot).insert();
    used.sign(SCHEME, b"message").unwrap();
    // There is nothing to know this one by.
    let gone = fresh.sign(SCHEME, b"message").unwrap_err();
    assert!(gone.to_string().contains("choose it again"), "{gone}");
    fob.key("p256").unwrap().sign(SCHEME, b"message").unwrap();
}

/// The token comes back with another key under the old one's handle, label and id.
#[test]
fn another_key_in_its_place_never_signs() {
    let (_bench, fault) = bench();
    let search = Search::new().module(Fault::path()).named_only();
    let found = search.run().unwrap();
    let fob = found.select("removal").unwrap().unlock(&kept()).unwrap();
    let me = fob.identities().unwrap().label("p256").only().unwrap();
    let alone = fob.key("p256").unwrap();
    alone.sign(SCHEME, b"message").unwrap();
    let another = found.select("another").unwrap();
    let serial = fob.serial().as_bytes();
    let (slot, swapped) = (fault.slot_of("removal"), fault.slot_of("another"));
    drop(found);
    fault.token(slot).remove_with_reader();
    // It says that it is the first one: the same texts, the same key names, other keys.
    fault.token(swapped).text("label", b"removal");
    fault.token(swapped).text("serial", serial);
    for _ in 0..2 {
        for result in [me.sign(SCHEME, b"m"), alone.sign(SCHEME, b"m")] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("choose it again"), "{error}");
        }
    }
    drop(another);
    let signs = fault.count("C_Sign");
    assert_eq!(signs, 1, "nothing was signed with the other key");
}
