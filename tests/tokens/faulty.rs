//! Modules and tokens that say nonsense: they are told, and hide no other.

use cryptoki_sys::*;
use keyfob::{Discovery, Error};

use crate::{bench, discover};

/// Both tokens are there and work.
fn both_are_there(found: &Discovery) {
    found.select("second").unwrap();
    let first = found.select("first").unwrap();
    assert_eq!(first.identities().unwrap().len(), 1);
}

#[test]
fn malformed_text_hides_no_token() {
    let (_bench, fault) = bench();
    let slot = discover().select("first").unwrap().slot_id() as CK_SLOT_ID;
    let replaced = |count| "\u{fffd}".repeat(count);
    for (label, read) in [
        (
            &b"NUL padded\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..],
            "NUL padded".into(),
        ),
        (b"after NUL\0junk", "after NUL".into()),
        (b"caf\xe9", format!("caf{}", replaced(1))),
        ("Токен".as_bytes(), "Токен".into()),
        (&[0xff; 32], replaced(32)),
        (&[0; 32], String::new()),
        (b"", String::new()),
        (b"line\nand\x1b[31mred", "line\nand\x1b[31mred".into()),
    ] {
        fault.reset();
        fault.token(slot).text("label", label);
        let found = discover();
        assert!(found.problems().is_empty(), "{:?}", found.problems());
        found.select("second").unwrap();
        let by_slot = format!("pkcs11:slot-id={slot}");
        let token = found.select(&by_slot).unwrap();
        assert_eq!(token.label(), read);
        // Whatever is in it, its URI finds it again.
        let again = found.by_uri(&token.uri()).unwrap();
        assert_eq!(again.slot_id(), token.slot_id(), "{read:?}");
        assert_eq!(token.identities().unwrap().len(), 1);
    }
}

#[test]
fn a_token_of_nothing_but_ones_is_still_one() {
    let (_bench, fault) = bench();
    let slot = discover().select("first").unwrap().slot_id() as CK_SLOT_ID;
    for (field, length) in [
        ("label", 32),
        ("manufacturer", 32),
        ("model", 16),
        ("serial", 16),
    ] {
        fault.token(slot).text(field, &vec![0xff; length]);
    }
    for time in [
        &[0xff; 16][..],
        b"20269999999999zz",
        &[0; 16],
        b"not a time",
    ] {
        fault.token(slot).text("time", time);
        for number in [
            "min-pin",
            "max-pin",
            "sessions",
            "max-sessions",
            "rw-sessions",
        ] {
            fault.token(slot).number(number, CK_ULONG::MAX);
        }
        let found = discover();
        assert!(found.problems().is_empty(), "{:?}", found.problems());
        found.select("second").unwrap();
        let token = found.select(&format!("pkcs11:slot-id={slot}")).unwrap();
        assert_eq!(token.label(), "\u{fffd}".repeat(32));
        assert_eq!(token.pin_lengths(), None);
        let fob = token.unlock(&crate::PIN.into()).unwrap();
        assert_eq!(fob.identities().unwrap().len(), 1);
    }
}

#[test]
fn a_broken_slot_is_a_problem_and_hides_no_other() {
    let (_bench, fault) = bench();
    for code in [
        CKR_DEVICE_ERROR,
        CKR_GENERAL_ERROR,
        CKR_TOKEN_NOT_RECOGNIZED,
        CKR_SLOT_ID_INVALID,
        0x8000_0042,
    ] {
        fault.reset();
        fault.broken_slot(77, code);
        let found = discover();
        both_are_there(&found);
        let [problem] = found.problems() else {
            panic!("{:?}", found.problems())
        };
        let Error::Call {
            subject,
            function,
            code: found,
        } = problem
        else {
            panic!("{problem:?}")
        };
        assert_eq!(*function, "C_GetTokenInfo");
        assert_eq!(found.code(), code);
        assert!(subject.contains("slot 77 of "), "{subject}");
    }
}

/// More slots than are asked for at once, all broken but ours.
#[test]
fn many_slots_are_all_seen() {
    let (_bench, fault) = bench();
    for id in 0..100 {
        fault.broken_slot(1000 + id, CKR_DEVICE_ERROR);
    }
    for _ in 0..2 {
        let found = discover();
        assert_eq!(found.problems().len(), 100);
        both_are_there(&found);
        // Asked otherwise where the module is in use already.
        let again = discover();
        assert_eq!(again.problems().len(), 100);
        both_are_there(&again);
    }
}

#[test]
fn a_slot_list_may_grow_while_it_is_read() {
    let (_bench, fault) = bench();
    let kept = discover();
    for grow in [1, 2] {
        fault.reset();
        fault.growing_slot_list(grow);
        let found = discover();
        both_are_there(&found);
        // The slots that came have no token that is recognised.
        assert!(!found.problems().is_empty());
        assert!(
            found.problems().iter().all(|problem| matches!(
                problem,
                Error::Call {
                    function: "C_GetTokenInfo",
                    ..
                }
            )),
            "{:?}",
            found.problems()
        );
    }
    // It is not followed for ever.
    fault.growing_slot_list(1_000_000);
    assert!(is_list_problem(&discover()));
    assert!(fault.count("C_GetSlotList") < 20);
    drop(kept);
}

#[test]
fn a_slot_list_that_lies_is_a_problem() {
    let (_bench, fault) = bench();
    for lie in [
        "count=0xffffffff",
        "count=100000",
        "filled=0xffffffff",
        "filled=1000",
        "filled=40",
    ] {
        for already_used in [false, true] {
            fault.reset();
            let kept = already_used.then(discover);
            fault.command(&format!("slot-list {lie}"));
            let found = discover();
            // A module just initialised is not asked for the size.
            if !already_used && lie.starts_with("count=") {
                both_are_there(&found);
            } else {
                assert!(is_list_problem(&found), "{lie}: {found:?}");
                assert!(found.tokens().is_empty());
            }
            drop(kept);
        }
    }
    fault.reset();
    fault.command("slot-list count=0 filled=0");
    let found = discover();
    assert!(found.problems().is_empty() && found.tokens().is_empty());
}

fn is_list_problem(found: &Discovery) -> bool {
    matches!(
        found.problems(),
        [Error::Call {
            function: "C_GetSlotList",
            ..
        }]
    )
}
