//! The daemon behind a module dies, and every call fails until the module is initialised again, as
//! p11-kit's client has it.

use super::*;

/// All that is called but C_Initialize and C_Finalize.
const ALL: &str = "C_GetInfo,C_GetSlotList,C_GetSlotInfo,C_GetTokenInfo,C_GetMechanismInfo,\
    C_OpenSession,C_CloseSession,C_GetSessionInfo,C_Login,C_Logout,C_FindObjectsInit,C_FindObjects,\
    C_FindObjectsFinal,C_GetAttributeValue,C_SignInit,C_Sign";

pub fn dies(fault: &Fault) {
    // In this order: somebody may initialise it at once.
    fault.command("rule C_Initialize then clear-rules");
    fault.command(&format!("rule {ALL} return={CKR_DEVICE_ERROR}"));
}

fn stays_dead(fault: &Fault) {
    fault.command(&format!(
        "rule {ALL},C_Initialize return={CKR_DEVICE_ERROR}"
    ));
}

#[test]
fn with_the_pin_kept_it_goes_on_by_itself() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    let another = found().select("another").unwrap();
    let other = unlock(&another, &kept());
    for round in 1..=10 {
        let start = Barrier::new(5);
        thread::scope(|scope| {
            for number in 0..4 {
                let who = [&me, &other][number % 2];
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..5 {
                        signs(who);
                    }
                });
            }
            start.wait();
            dies(&fault);
        });
        // Perhaps nobody has called since.
        signs(&me);
        signs(&other);
        assert_eq!(fault.count("C_Initialize"), 1 + round);
        assert_eq!(fault.count("C_Login"), 2 + 2 * round, "one for each token");
    }
    drop((me, other, another));
    assert_eq!(fault.sessions(), 0);
    assert_eq!(fault.count("C_Finalize"), fault.count("C_Initialize"));
}

#[test]
fn without_it_after_one_new_unlock() {
    let (_bench, fault) = bench();
    let token = token();
    let me = unlock(&token, &PIN.into());
    dies(&fault);
    is_locked(&me);
    is_locked(&me);
    assert!(token.unlocked().unwrap().is_none());
    assert_eq!(fault.count("C_Login"), 1);
    let fob = token.unlock(&PIN.into()).unwrap();
    signs(&me);
    assert_eq!(fault.count("C_Initialize"), 2);
    drop((fob, me));
    assert_eq!(fault.count("C_Logout"), 1);
}

/// A new search begins anew, too.
#[test]
fn it_is_found_again() {
    let (_bench, fault) = bench();
    let old = token();
    dies(&fault);
    let new = token();
    assert_eq!(old.slot_id(), new.slot_id());
    signs(&unlock(&old, &PIN.into()));
    assert_eq!(fault.count("C_Initialize"), 2);
}

#[test]
fn while_it_is_dead_each_call_says_so() {
    let (_bench, fault) = bench();
    let token = token();
    let me = unlock(&token, &kept());
    stays_dead(&fault);
    for _ in 0..3 {
        let error = me.sign(SCHEME, b"message").unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{error:?}");
    }
    assert_eq!(fault.count("C_Login"), 1);
    fault.clear_rules();
    signs(&me);
    assert_eq!(fault.count("C_Login"), 2);
}

/// A call hangs: the module is not finalized under it.
#[test]
fn a_call_that_hangs_is_not_disturbed() {
    let (_bench, fault) = bench();
    let me = unlock(&token(), &kept());
    fault.command("rule C_Sign nth=1 hold");
    thread::scope(|scope| {
        let hangs = scope.spawn(|| me.sign(SCHEME, b"message"));
        fault.wait_until_held(1);
        stays_dead(&fault);
        let error = me.sign(SCHEME, b"message").unwrap_err();
        assert!(matches!(error, Error::Call { .. }), "{error:?}");
        assert_eq!(fault.count("C_Finalize"), 0);
        fault.clear_rules();
        fault.release();
        hangs.join().unwrap().unwrap();
    });
    // The login is made anew, for nobody knew whether it was there.
    signs(&me);
    assert_eq!(fault.count("C_Login"), 2);
}

/// What the host program has initialised is its own to initialise again.
#[test]
fn the_host_programs_module_is_left_as_it_is() {
    let (_bench, fault) = bench();
    let host = cryptoki::context::Pkcs11::new(Fault::path()).unwrap();
    let flags = cryptoki::context::CInitializeFlags::OS_LOCKING_OK;
    host.initialize(cryptoki::context::CInitializeArgs::new(flags))
        .unwrap();
    let me = unlock(&token(), &kept());
    dies(&fault);
    let error = me.sign(SCHEME, b"message").unwrap_err();
    assert!(matches!(error, Error::Call { .. }), "{error:?}");
    fault.clear_rules();
    signs(&me);
    drop(me);
    assert_eq!(fault.count("C_Finalize"), 0);
    host.finalize().unwrap();
}
