//! The fault module itself, called as any PKCS#11 module is: tests that rest on it rest on this.

#[path = "support/fault.rs"]
mod fault;
#[path = "support/function_list.rs"]
mod function_list;

#[macro_use]
#[path = "fault_module_itself/bare.rs"]
mod bare;

#[path = "support/gost.rs"]
mod gost;
#[path = "fault_module_itself/gost_keys.rs"]
mod gost_keys;
#[path = "fault_module_itself/gost_mechanisms.rs"]
mod gost_mechanisms;
#[path = "support/key_pair.rs"]
mod key_pair;
#[path = "fault_module_itself/mutations.rs"]
mod mutations;
#[path = "fault_module_itself/objects.rs"]
mod objects;

use std::ptr;
use std::thread;

use bare::{Bare, pin};
use cryptoki_sys::*;
use fault::{Fault, PinCounter};

const SLOT_LISTING_LIES: CK_ULONG = 0xffff_ffff;

#[test]
fn calls_are_counted_and_logged() {
    let bare = Bare::new(Fault::load());
    bare.fault.reset();
    bare.fault.start_log();

    let session = bare.session();
    let (counts, found) = bare.fault.calls_in(|| bare.keys(session));
    assert!(found.len() >= 5, "the demo token has five keys");
    assert_eq!(counts["C_FindObjects"], 2);
    assert_eq!(counts["C_FindObjectsFinal"], 1);
    assert_eq!(bare.fault.count("C_FindObjectsInit"), 1);
    assert_eq!(bare.fault.total(), 4);
    assert_eq!(
        bare.fault.log(),
        [
            "C_OpenSession",
            "C_Login",
            "C_FindObjectsInit",
            "C_FindObjects",
            "C_FindObjects",
            "C_FindObjectsFinal"
        ]
    );
    assert_eq!(
        bare.fault.pin_lengths(),
        [format!("C_Login {}", pin().len())]
    );
}

#[test]
fn commands_that_make_no_sense_say_why() {
    let fault = Fault::load();
    for (command, reason) in [
        ("frobnicate", "no such command"),
        ("count C_Nothing", "no PKCS#11 function"),
        ("rule C_Sign nth=x return=1", "neither a number nor a range"),
        ("rule C_Sign return=0xg", "invalid digit"),
        ("token-info colour=red", "what is colour=red here?"),
        ("token-info serial=hex:0", "not hexadecimal"),
        ("reset\nremove", "slot= is missing"),
    ] {
        let error = fault.try_command(command).expect_err(command);
        assert!(error.contains(reason), "{command}: {error}");
    }
}

#[test]
fn a_rule_waits_for_its_call() {
    let bare = Bare::new(Fault::load());
    let session = bare.session();
    bare.fault
        .fail("C_GetSessionInfo")
        .nth(2)
        .with(CKR_DEVICE_ERROR);
    let ask = || bare.session_info(session).0;
    assert_eq!([ask(), ask(), ask()], [CKR_OK, CKR_DEVICE_ERROR, CKR_OK]);

    bare.fault
        .fail("C_GetSessionInfo")
        .between(2, 3)
        .arg(0, session)
        .after(CKR_DEVICE_MEMORY);
    bare.fault
        .fail("*")
        .arg(0, session + 1)
        .with(CKR_DEVICE_REMOVED);
    assert_eq!(
        [ask(), ask(), ask(), ask()],
        [CKR_OK, CKR_DEVICE_MEMORY, CKR_DEVICE_MEMORY, CKR_OK]
    );
    assert_eq!(bare.session_info(session + 1).0, CKR_DEVICE_REMOVED);

    bare.fault.clear_rules();
    bare.fault
        .fail("C_GetSessionInfo")
        .nth(1)
        .then("rule C_GetSessionInfo return=5");
    assert_eq!([ask(), ask()], [CKR_OK, CKR_GENERAL_ERROR]);
}

#[test]
fn a_call_is_held_until_released() {
    let bare = Bare::new(Fault::load());
    let session = bare.session();
    bare.fault.fail("C_GetSessionInfo").hold();
    thread::scope(|scope| {
        let held = scope.spawn(|| bare.session_info(session).0);
        bare.fault.wait_until_held(1);
        assert!(!held.is_finished());
        bare.fault.release();
        assert_eq!(held.join().expect("no panic"), CKR_OK);
    });
}

#[test]
fn os_locking_can_be_refused() {
    let fault = Fault::load();
    fault.command("locking refuse");
    assert_eq!(fault.init_args(), "never");
    let functions = function_list::of(fault.file());
    assert_eq!(bare::initialize(functions), CKR_CANT_LOCK);
    assert_eq!(fault.init_args(), "flags=0x2 mutexes=false reserved=false");
}

#[test]
fn token_info_is_what_the_test_says() {
    let bare = Bare::new(Fault::load());
    let token = bare.fault.token(bare.slot);
    token.flags(CKF_USER_PIN_FINAL_TRY, CKF_LOGIN_REQUIRED);
    token.number("max-pin", 7);
    token.text("serial", &[0xff; 16]);
    token.text("label", b"short\0");
    let info = bare.token_info(bare.slot).expect("a token");
    assert_ne!(info.flags & CKF_USER_PIN_FINAL_TRY, 0);
    assert_eq!(info.flags & CKF_LOGIN_REQUIRED, 0);
    assert_eq!(info.ulMaxPinLen, 7);
    assert_eq!(info.serialNumber, [0xff; 16]);
    assert!(info.label.starts_with(b"short\0   ") && info.label.ends_with(b"  "));
    assert!(
        info.model.starts_with(b"SoftHSM"),
        "what was not named is as it was"
    );
}

#[test]
fn the_pin_counter_locks() {
    let bare = Bare::new(Fault::load());
    let state = || bare.pin_state();
    let wrong = || bare.login(bare.open(), Some("wrong"));
    bare.fault.tokens().pin_counter(PinCounter {
        tries: 3,
        left: 3,
        hidden: false,
    });
    assert_eq!(state(), 0);
    assert_eq!(wrong(), CKR_PIN_INCORRECT);
    assert_eq!(state(), CKF_USER_PIN_COUNT_LOW);
    assert_eq!(wrong(), CKR_PIN_INCORRECT);
    assert_eq!(state(), CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY);
    let session = bare.session(); // a good login refills
    assert_eq!(state(), 0);
    bare.logout(session);
    assert_eq!(
        [wrong(), wrong(), wrong()],
        [CKR_PIN_INCORRECT, CKR_PIN_INCORRECT, CKR_PIN_LOCKED]
    );
    assert_eq!(state(), CKF_USER_PIN_LOCKED);
    assert_eq!(bare.login(session, Some(&pin())), CKR_PIN_LOCKED);

    bare.fault.tokens().pin_counter(PinCounter {
        tries: 3,
        left: 2,
        hidden: true,
    });
    assert_eq!(state(), 0, "hidden, though a try is gone");
    assert_eq!(wrong(), CKR_PIN_INCORRECT);
    assert_eq!(state(), CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY);
}

#[test]
fn a_pad_types_the_pin() {
    let bare = Bare::new(Fault::load());
    let session = bare.open();
    assert_eq!(
        bare.login(session, None),
        CKR_ARGUMENTS_BAD,
        "SoftHSM has no pad"
    );
    bare.fault.tokens().pad(Some("wrong"));
    let flags = bare.token_info(bare.slot).expect("a token").flags;
    assert_ne!(flags & CKF_PROTECTED_AUTHENTICATION_PATH, 0);
    assert_eq!(bare.login(session, None), CKR_PIN_INCORRECT);
    bare.fault
        .fail("C_Login")
        .nth(1)
        .with(CKR_FUNCTION_CANCELED);
    bare.fault.tokens().pad(Some(&pin()));
    assert_eq!(bare.login(session, None), CKR_FUNCTION_CANCELED);
    assert_eq!(bare.login(session, None), CKR_OK);

    // The key that asks each time: C_SignInit, the pad, C_Sign.
    let key = bare.key(session, "always-ask");
    assert_eq!(bare.sign_init(session, key), CKR_OK);
    let user = CKU_CONTEXT_SPECIFIC;
    assert_eq!(
        p11!(bare.C_Login(session, user, ptr::null_mut(), 0)),
        CKR_OK
    );
    assert_eq!(bare.sign(session).0, CKR_OK);
}

#[test]
fn slots_break_grow_and_lie() {
    let bare = Bare::new(Fault::load());
    let before = bare.slots().expect("slots");
    bare.fault.broken_slot(77, CKR_DEVICE_ERROR);
    let slots = bare.slots().expect("slots");
    assert_eq!(slots[0], 77);
    assert_eq!(slots[1..], before);
    assert_eq!(bare.token_info(77).unwrap_err(), CKR_DEVICE_ERROR);
    let mut info = CK_SLOT_INFO::default();
    assert_eq!(p11!(bare.C_GetSlotInfo(77, &mut info)), CKR_OK);

    bare.fault.growing_slot_list(1);
    assert_eq!(bare.slots(), Err(CKR_BUFFER_TOO_SMALL));
    assert_eq!(bare.slots().expect("slots").len(), before.len() + 2);

    bare.fault
        .command(&format!("slot-list count={SLOT_LISTING_LIES}"));
    let mut count = 0;
    assert_eq!(
        p11!(bare.C_GetSlotList(CK_TRUE, ptr::null_mut(), &mut count)),
        CKR_OK
    );
    assert_eq!(count, SLOT_LISTING_LIES);
}

#[test]
fn a_token_is_pulled_out_and_put_back() {
    let bare = Bare::new(Fault::load());
    bare.fault.command("events on");
    let session = bare.session();
    let key = bare.key(session, "p256");
    bare.fault.token(bare.slot).remove();
    assert_eq!(bare.sign_init(session, key), CKR_DEVICE_REMOVED);
    assert!(!bare.slots().expect("slots").contains(&bare.slot));
    assert_eq!(
        bare.token_info(bare.slot).unwrap_err(),
        CKR_TOKEN_NOT_PRESENT
    );

    bare.fault.token(bare.slot).insert_as(4242);
    assert_eq!(
        bare.sign_init(session, key),
        CKR_DEVICE_REMOVED,
        "until slots are listed"
    );
    assert!(bare.slots().expect("slots").contains(&4242));
    assert_eq!(bare.sign_init(session, key), CKR_SESSION_HANDLE_INVALID);
    assert_eq!(bare.token_info(bare.slot).unwrap_err(), CKR_SLOT_ID_INVALID);

    let again = bare.open_in(4242).expect("a session");
    assert_eq!(bare.session_info(again).1.slotID, 4242);
    assert_eq!(
        bare.session_info(again).1.state,
        CKS_RO_PUBLIC_SESSION,
        "the login is gone"
    );
    assert_eq!(bare.login(again, Some(&pin())), CKR_OK);
    assert_eq!(bare.sign_init(again, bare.key(again, "p256")), CKR_OK);
    assert_eq!(bare.sign(again).0, CKR_OK);

    let wait = || {
        let mut slot = 0;
        (
            p11!(bare.C_WaitForSlotEvent(CKF_DONT_BLOCK, &mut slot, ptr::null_mut())),
            slot,
        )
    };
    assert_eq!(wait(), (CKR_OK, bare.slot));
    assert_eq!(wait(), (CKR_OK, 4242));
    assert_eq!(wait().0, CKR_NO_EVENT);
}

#[test]
fn a_wait_for_events_ends_with_finalize() {
    let bare = Bare::new(Fault::load());
    bare.fault.command("events on");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut slot = 0;
            p11!(bare.C_WaitForSlotEvent(0, &mut slot, ptr::null_mut()))
        });
        while bare.fault.count("C_WaitForSlotEvent") == 0 {
            thread::yield_now();
        }
        assert_eq!(p11!(bare.C_Finalize(ptr::null_mut())), CKR_OK);
        assert_eq!(
            waiting.join().expect("no panic"),
            CKR_CRYPTOKI_NOT_INITIALIZED
        );
    });
}

#[test]
fn copies_live_apart() {
    let one = Bare::new(Fault::load());
    drop(one.fault.copy("two")); // twice is no different
    let two = Bare::new(one.fault.copy("two"));
    let (a, b) = (one.session(), two.session());
    one.logout(a);
    assert_eq!(
        two.session_info(b).1.state,
        CKS_RO_USER_FUNCTIONS,
        "its login is its own"
    );
    two.fault.fail("*").with(CKR_DEVICE_ERROR);
    assert_eq!(one.session_info(a).0, CKR_OK);
    assert_eq!(two.session_info(b).0, CKR_DEVICE_ERROR);

    drop(two);
    let session = one.session();
    assert_eq!(
        one.sign_init(session, one.key(session, "p256")),
        CKR_OK,
        "the other works on"
    );
    assert_eq!(one.sign(session).0, CKR_OK);
}
