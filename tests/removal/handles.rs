//! Handles after the token is back: they may be other objects' by then.

use cryptoki::object::Attribute;
use keyfob::Identities;
use softhsm::Leaf;

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

/// Two keys on the token "two", whose objects get numbers as they are found, anew when the login ends.
/// Those on the token "open" are there without a login.
fn two_numbered(label: &str) -> (SoftHsm, Fault, Token) {
    let (bench, fault) = bench();
    bench.token(label, |token| {
        let private = [Attribute::Private(label != "open")];
        for (label, id) in [("first", [1]), ("second", [2])] {
            let spki = token.key_with(Kind::P256, label, &id, &private);
            let certificate = Leaf::new(&format!("CN={label}")).issue(&spki);
            token.certificate(&certificate, label, &id);
        }
    });
    fault.command("find numbered");
    let search = Search::new().module(Fault::path()).named_only();
    let token = search.run().unwrap().select(label).unwrap();
    (bench, fault, token)
}

fn both(identities: impl Fn() -> Result<Identities, Error>) -> [Identity; 2] {
    ["first", "second"].map(|label| identities().unwrap().label(label).only().unwrap())
}

/// A login that was ended by somebody else and is made again: with it all handles of private objects
/// have ended (PKCS#11 3.1, section 5.6.10).
#[test]
fn after_a_new_login_handles_are_other_objects() {
    let (_bench, fault, token) = two_numbered("two");
    let fob = token.unlock(&kept()).unwrap();
    let keys = both(|| fob.identities());
    let slot = fault.slot_of("two");
    for _ in 0..2 {
        for order in [[0, 1], [1, 0]] {
            fault.token(slot).log_out();
            for at in order {
                signs(&keys[at]);
            }
        }
    }
    assert_eq!(fault.count("C_Login"), 5);
}

/// The same of a login that nobody missed before the program made it again.
#[test]
fn after_a_new_unlock_handles_are_other_objects() {
    let (_bench, fault, token) = two_numbered("two");
    let fob = token.unlock(&PIN.into()).unwrap();
    let [first, _] = both(|| fob.identities());
    let slot = fault.slot_of("two");
    for found_first in ["first", "second"] {
        fault.token(slot).log_out();
        token.unlock(&PIN.into()).unwrap();
        fob.key(found_first).unwrap();
        signs(&first);
    }
}

/// Keys that are held beside the login: it can end, and another begin.
#[test]
fn after_a_logout_handles_are_other_objects() {
    let (_bench, fault, token) = two_numbered("two");
    let fob = token.unlock(&PIN.into()).unwrap();
    let keys = both(|| token.identities());
    drop(fob);
    for at in [0, 1] {
        let fob = token.unlock(&PIN.into()).unwrap();
        signs(&keys[at]);
        signs(&keys[0]);
        drop(fob);
    }
    assert_eq!(fault.count("C_Logout"), 3);
}

/// The token was away, or its module began anew.
#[test]
fn without_a_login_handles_are_other_objects_too() {
    let (_bench, fault, token) = two_numbered("open");
    let [first, second] = both(|| token.identities());
    let slot = fault.slot_of("open");
    let away = || {
        fault.token(slot).remove();
        fault.token(slot).insert();
    };
    let losses: [&dyn Fn(); 2] = [&away, &|| daemon::dies(&fault)];
    for lose in losses {
        for found_first in [&first, &second] {
            lose();
            signs(found_first);
            signs(&first);
        }
    }
    assert_eq!(fault.count("C_Initialize"), 3);
    assert_eq!(fault.count("C_Login"), 0);
}

/// Somebody else has logged out and in again: nobody here has to, and nobody was told.
#[test]
fn a_handle_that_the_module_does_not_know_is_not_believed_again() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &PIN.into());
    for code in [CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID] {
        let searches = fault.count("C_FindObjectsInit");
        fault.fail("C_SignInit").nth(1).with(code);
        signs(&me);
        assert!(fault.count("C_FindObjectsInit") > searches);
    }
    assert_eq!(fault.count("C_Login"), 1);
}

/// Another thread's login is made while a handle is on its way to the module.
#[test]
fn a_handle_that_became_another_objects_on_its_way_does_not_sign() {
    let (_bench, fault, token) = two_numbered("two");
    let fob = token.unlock(&kept()).unwrap();
    let [first, second] = both(|| fob.identities());
    let slot = fault.slot_of("two");
    fault.token(slot).log_out();
    // Both are the first that is found after a login.
    signs(&first);
    thread::scope(|scope| {
        fault.fail("C_SignInit").nth(1).hold();
        let held = scope.spawn(|| signs(&first));
        fault.wait_until_held(1);
        fault.token(slot).log_out();
        signs(&second);
        fault.release();
        held.join().unwrap();
    });
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
