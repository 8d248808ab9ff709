//! What is loaded and what is not, and who initialises and finalizes it.

#[path = "support/fault.rs"]
mod fault;
#[path = "modules/files.rs"]
mod files;
#[path = "support/softhsm.rs"]
mod softhsm;

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use fault::Fault;
use keyfob::{Discovery, Error, Module, ModuleError, Pin, PinError, Scheme, Search};
use softhsm::{Kind, PIN, SoftHsm};

/// One token with one key.
fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("modules", |token| token.identity(Kind::P256, "p256", &[1]));
    (bench, Fault::load())
}

fn discover() -> Discovery {
    search(&Fault::path())
}

fn search(module: &Path) -> Discovery {
    let found = Search::new().module(module).named_only().run().unwrap();
    assert!(found.problems().is_empty(), "{:?}", found.problems());
    found
}

#[test]
fn sixteen_threads_initialise_once() {
    const THREADS: usize = 16;
    let (_bench, fault) = bench();
    for round in 1..=5 {
        let everyone = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    everyone.wait();
                    let found = discover();
                    everyone.wait(); // or a quick one would finalize before a slow one comes
                    found.select("modules").unwrap();
                });
            }
        });
        assert_eq!(fault.count("C_Initialize"), round);
        assert_eq!(fault.count("C_Finalize"), round);
    }
    assert_eq!(fault.init_args(), "flags=0x2 mutexes=false reserved=false");
}

/// Here threads come while others go: a generation ends whenever nobody is left.
#[test]
fn nothing_is_called_between_finalize_and_initialize() {
    let (_bench, fault) = bench();
    fault.command("log start 2000");
    fault.fail("C_Finalize").delay(Duration::from_millis(2));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while fault.count("C_Initialize") < 40 {
                    discover().select("modules").unwrap();
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
    });
    assert_eq!(fault.count("C_Finalize"), fault.count("C_Initialize"));
    let log = fault.log();
    let begin = log.iter().position(|function| function == "C_Initialize");
    let mut open = false;
    for function in &log[begin.unwrap()..] {
        match function.as_str() {
            "C_GetFunctionList" => {}
            "C_Initialize" => assert!(!std::mem::replace(&mut open, true)),
            "C_Finalize" => assert!(std::mem::replace(&mut open, false)),
            other => assert!(open, "{other} in a module that is not initialised"),
        }
    }
    assert!(!open);
}

#[test]
fn each_kind_of_handle_keeps_the_module() {
    let (_bench, fault) = bench();
    let found = discover();
    let module = found.modules()[0].clone();
    let token = found.select("modules").unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    let identity = fob.identities().unwrap().only().unwrap();
    let key = fob.key("p256").unwrap();

    let still_there = |what: &str| assert_eq!(fault.count("C_Finalize"), 0, "{what}");
    drop(found);
    still_there("a token, what is unlocked, and a key are left");
    drop((token, fob, key));
    identity
        .sign(Scheme::EcdsaP256Sha256, b"still there")
        .unwrap();
    let clone = identity.clone();
    drop(identity);
    clone.sign(Scheme::EcdsaP256Sha256, b"and now").unwrap();
    drop(clone);
    still_there("a module is left");
    assert_eq!(fault.sessions(), 0, "and no session");
    module.info().unwrap();
    drop(module);
    assert_eq!(fault.count("C_Finalize"), 1);
    assert_eq!(fault.count("C_Initialize"), 1);

    for (name, keep) in [
        ("token", keep_token as fn() -> Box<dyn std::any::Any>),
        ("unlocked", keep_unlocked),
        ("key", keep_key),
        ("signer", keep_signer),
    ] {
        fault.reset_counts();
        let kept = keep();
        assert_eq!(fault.count("C_Finalize"), 0, "{name}");
        drop(kept);
        assert_eq!(fault.count("C_Finalize"), 1, "{name}");
    }
}

fn keep_token() -> Box<dyn std::any::Any> {
    Box::new(discover().select("modules").unwrap())
}

fn keep_unlocked() -> Box<dyn std::any::Any> {
    let token = discover().select("modules").unwrap();
    Box::new(token.unlock(&PIN.into()).unwrap())
}

fn keep_key() -> Box<dyn std::any::Any> {
    let token = discover().select("modules").unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    Box::new(fob.key("p256").unwrap())
}

fn keep_signer() -> Box<dyn std::any::Any> {
    let token = discover().select("modules").unwrap();
    let fob = token.unlock(&PIN.into()).unwrap();
    let identity = fob.identities().unwrap().only().unwrap();
    Box::new(identity.signer(Scheme::EcdsaP256Sha256).unwrap())
}

/// The host program, with a session of its own: bare `cryptoki`, as a program has it that knows
/// nothing of keyfob.
fn host() -> (Pkcs11, Session) {
    let host = Pkcs11::new(Fault::path()).unwrap();
    host.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .unwrap();
    let slots = host.get_slots_with_token().unwrap();
    let is_ours = |slot: &Slot| host.get_token_info(*slot).unwrap().label() == "modules";
    let slot = slots.into_iter().find(is_ours).unwrap();
    let session = host.open_ro_session(slot).unwrap();
    (host, session)
}

#[test]
fn what_the_host_initialised_is_not_finalized() {
    let (_bench, fault) = bench();
    let (host, session) = host();
    for _ in 0..2 {
        let token = discover().select("modules").unwrap();
        let key = token.unlock(&PIN.into()).unwrap().key("p256").unwrap();
        key.sign(Scheme::EcdsaP256Sha256, b"beside the host")
            .unwrap();
    }
    assert_eq!(fault.count("C_Finalize"), 0);
    let info = session.get_session_info().unwrap();
    assert_eq!(info.session_state(), SessionState::RoPublic);
    session.close().unwrap();
    host.finalize().unwrap();
}

#[test]
fn the_hosts_login_is_found_and_left() {
    let (_bench, fault) = bench();
    let (host, session) = host();

    let token = discover().select("modules").unwrap();
    assert!(token.unlocked().unwrap().is_none());
    session
        .login(UserType::User, Some(&AuthPin::new(PIN.into())))
        .unwrap();
    // A wrong PIN, since none would be checked.
    let refused = token.unlock(&Pin::from("not the PIN"));
    let reason = match refused {
        Err(Error::Pin { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason, PinError::AlreadyUnlocked);
    let fob = token.unlocked().unwrap().unwrap();
    let key = fob.key("p256").unwrap();
    drop((token, fob));
    key.sign(Scheme::EcdsaP256Sha256, b"by the host's login")
        .unwrap();
    drop(key);

    assert_eq!(fault.count("C_Logout"), 0);
    assert_eq!(fault.count("C_Finalize"), 0);
    let info = session.get_session_info().unwrap();
    assert_eq!(info.session_state(), SessionState::RoUser);
    session.logout().unwrap();
    session.close().unwrap();
    host.finalize().unwrap();
}

/// The host ends its login while a key found by it is still held: an error, not a stranger's
/// signature, and no login of ours.
#[test]
fn when_the_host_logs_out_the_key_says_so() {
    let (_bench, fault) = bench();
    let (host, session) = host();
    session
        .login(UserType::User, Some(&AuthPin::new(PIN.into())))
        .unwrap();
    let token = discover().select("modules").unwrap();
    let key = token.unlocked().unwrap().unwrap().key("p256").unwrap();
    session.logout().unwrap();
    let late = key.sign(Scheme::EcdsaP256Sha256, b"too late");
    assert!(matches!(late, Err(Error::NotUnlocked { .. })), "{late:?}");
    assert_eq!(fault.count("C_Login"), 1, "the host's own");
    drop((token, key));
    assert_eq!(fault.count("C_Logout"), 1, "the host's own");
    session.close().unwrap();
    host.finalize().unwrap();
}

#[cfg(unix)]
#[test]
fn two_names_of_one_library_are_one_module() {
    let (bench, fault) = bench();
    let link = bench.folder().join("another-name.so");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(Fault::path(), &link).unwrap();
    let both = Search::new().module(&link).module(Fault::path());
    let found = both.named_only().run().unwrap();
    assert!(found.problems().is_empty());
    assert_eq!(found.modules().len(), 1);
    assert_eq!(
        found.modules()[0].path(),
        Fault::path().canonicalize().unwrap()
    );
    found.select("modules").unwrap();

    // And not only within one search.
    let again = search(&link);
    assert_eq!(again.modules(), found.modules());
    assert_eq!(Module::load(&link).unwrap(), found.modules()[0]);
    drop((found, again));
    assert_eq!(fault.count("C_Initialize"), 1);
    assert_eq!(fault.count("C_Finalize"), 1);
}

#[test]
fn a_module_that_will_not_be_initialised_says_why() {
    let (_bench, fault) = bench();
    fault.fail("C_Initialize").with(0x30); // CKR_DEVICE_ERROR
    match Module::load(Fault::path()) {
        Err(Error::Module {
            path,
            reason: ModuleError::Initialize(code),
        }) => {
            assert_eq!(path, Fault::path().canonicalize().unwrap());
            assert_eq!(code.name(), Some("CKR_DEVICE_ERROR"));
        }
        other => panic!("{other:?}"),
    }
    fault.clear_rules();
    discover().select("modules").unwrap();
    assert_eq!(fault.count("C_Finalize"), 1, "of the second try alone");
}
