//! How sessions are shared, modules that cannot lock, and what is logged of their calls.

#[path = "support/fault.rs"]
mod fault;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;
use fault::Fault;
use keyfob::{Error, Identity, Pin, PinError, PinRequest, Scheme, Search, Token, TriesLeft};
use softhsm::{Kind, PIN, SoftHsm};
use watchdog::Watchdog;

const SCHEME: Scheme = Scheme::EcdsaP256Sha256;

fn bench() -> (SoftHsm, Fault) {
    let bench = SoftHsm::start();
    bench.token("sessions", |token| token.identity(Kind::P256, "p256", &[1]));
    (bench, Fault::load())
}

fn token() -> Token {
    let found = Search::new().module(Fault::path()).named_only().run();
    found.unwrap().select("sessions").unwrap()
}

fn unlock(token: &Token) -> Identity {
    let fob = token.unlock(&PIN.into()).unwrap();
    fob.identities().unwrap().only().unwrap()
}

fn sign_on(threads: usize, each: usize, me: &Identity) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    me.sign(SCHEME, b"message").unwrap();
                }
            });
        }
    });
}

/// The token says how many sessions it takes; eight threads share two.
#[test]
fn threads_share_as_many_sessions_as_the_token_allows() {
    let (_bench, fault) = bench();
    fault.tokens().number("max-sessions", 2);
    let me = unlock(&token());
    sign_on(8, 25, &me);
    assert!(fault.sessions() <= 2, "{}", fault.sessions());
    assert!(fault.count("C_OpenSession") <= 2);
}

/// It takes fewer than it has said: others use it too.
#[test]
fn a_token_that_is_full_is_shared() {
    let (_bench, fault) = bench();
    let me = unlock(&token());
    fault.fail("C_OpenSession").with(CKR_SESSION_COUNT);
    sign_on(8, 25, &me);
    assert!(fault.sessions() <= 1);
    assert!(fault.count("C_OpenSession") < 20);
}

/// The token allows one session, and is asked about its PIN while that is on loan. It fails to answer, and
/// is looked for.
#[test]
fn nobody_waits_for_the_session_that_he_holds() {
    let (_bench, fault) = bench();
    fault.tokens().number("max-sessions", 1);
    let watchdog = Watchdog::start();
    let token = token();
    token.set_patience(Duration::from_secs(3600));
    watchdog.at("the PIN is refused, and nobody knows how many tries are left");
    fault.fail("C_Login").nth(1).with_then(
        CKR_PIN_INCORRECT,
        &format!("rule C_GetTokenInfo nth=1 return={CKR_DEVICE_ERROR}"),
    );
    let refused = token.unlock(&PIN.into()).unwrap_err();
    assert!(
        matches!(
            refused,
            Error::Pin {
                reason: PinError::Incorrect {
                    tries: TriesLeft::Unknown
                },
                ..
            }
        ),
        "{refused:?}"
    );

    watchdog.at("a person has taken long to type");
    fault.clear_rules();
    let types_slowly = |_: &PinRequest| {
        thread::sleep(Duration::from_millis(1100));
        fault.fail("C_GetTokenInfo").nth(1).with(CKR_DEVICE_ERROR);
        Ok(Pin::from(PIN))
    };
    let fob = token.unlock_by(&types_slowly).unwrap();
    let me = fob.identities().unwrap().only().unwrap();
    me.sign(SCHEME, b"message").unwrap();
    assert_eq!(fault.count("C_Login"), 2);
}

#[test]
fn nobody_waits_for_ever() {
    let (_bench, fault) = bench();
    fault.tokens().number("max-sessions", 1);
    let token = token();
    let me = unlock(&token);
    me.sign(SCHEME, b"the mechanism is known").unwrap();
    token.set_patience(Duration::from_millis(300));
    fault.fail("C_Sign").nth(1).hold();
    thread::scope(|scope| {
        let held = scope.spawn(|| me.sign(SCHEME, b"held"));
        fault.wait_until_held(1);
        let start = Instant::now();
        let busy = me.sign(SCHEME, b"waits").unwrap_err();
        assert!(matches!(busy, Error::Busy { .. }), "{busy:?}");
        assert!(start.elapsed() >= Duration::from_millis(300));
        fault.release();
        held.join().unwrap().unwrap();
    });
    me.sign(SCHEME, b"free again").unwrap();
}

/// A call that is stuck in one module holds up no token of another.
#[test]
fn a_stuck_module_is_alone_with_it() {
    let (_bench, fault) = bench();
    let other = fault.copy("other");
    let me = unlock(&token());
    let search = Search::new().module(other.file()).named_only();
    let elsewhere = search.run().unwrap().select("sessions").unwrap();
    let elsewhere = unlock(&elsewhere);
    fault.fail("C_Sign").nth(1).hold();
    thread::scope(|scope| {
        let stuck = scope.spawn(|| me.sign(SCHEME, b"stuck"));
        fault.wait_until_held(1);
        elsewhere.sign(SCHEME, b"not stuck").unwrap();
        search.run().unwrap().select("sessions").unwrap();
        // Not even the stuck module's other sessions.
        me.sign(SCHEME, b"beside it").unwrap();
        fault.release();
        stuck.join().unwrap().unwrap();
    });
}

/// A module that cannot lock is called by one thread at a time.
#[test]
fn a_module_that_cannot_lock_is_called_in_turns() {
    let (_bench, fault) = bench();
    fault.command("locking refuse");
    let token = token();
    assert_eq!(fault.init_args(), "flags=0x0 mutexes=false reserved=false");
    is_called_in_turns(&fault, &token);
}

/// Nor is one that hangs where threads share its connection and that ends, whatever it says.
#[test]
fn a_module_that_is_known_to_hang_is_called_in_turns() {
    let (_bench, fault) = bench();
    let client = fault.copy_as("client", "p11-kit-client.so");
    let search = Search::new().module(client.file()).named_only();
    let token = search.run().unwrap().select("sessions").unwrap();
    assert_eq!(client.init_args(), "flags=0x2 mutexes=false reserved=false");
    is_called_in_turns(&client, &token);
}

#[track_caller]
fn is_called_in_turns(fault: &Fault, token: &Token) {
    let me = unlock(token);
    me.sign(SCHEME, b"the mechanism is known").unwrap();
    fault.reset_counts();
    fault.fail("C_Sign").nth(1).hold();
    thread::scope(|scope| {
        let signing = [(); 3].map(|()| scope.spawn(|| me.sign(SCHEME, b"message")));
        fault.wait_until_held(1);
        thread::sleep(Duration::from_millis(200));
        let begun = fault.count("C_SignInit");
        thread::sleep(Duration::from_millis(200));
        // Whatever came before the call that is held, nothing comes beside it.
        let beside = (fault.count("C_SignInit") - begun, fault.count("C_Sign"));
        fault.release();
        assert_eq!(beside, (0, 1));
        for thread in signing {
            thread.join().unwrap().unwrap();
        }
    });
    sign_on(8, 25, &me);
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {} {}", record.target(), record.level(), record.args());
        LOGGED.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

#[test]
fn calls_are_logged_without_what_they_are_about() {
    let (_bench, fault) = bench();
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    LOGGED.lock().unwrap().clear();
    fault.reset_counts();
    let me = unlock(&token());
    let message = b"a message that is nobody's business";
    fault.fail("C_SignInit").nth(1).with(CKR_FUNCTION_FAILED);
    me.sign(SCHEME, message).unwrap_err();
    me.sign(SCHEME, message).unwrap();
    drop(me);
    log::set_max_level(log::LevelFilter::Off);
    let logged = LOGGED.lock().unwrap().clone();
    let calls: Vec<_> = logged
        .iter()
        .filter_map(|line| line.strip_prefix("keyfob::pkcs11 TRACE "))
        .collect();
    for (function, count) in fault.counts() {
        // How a function list is had is the loader's affair.
        if function == "C_GetFunctionList" {
            continue;
        }
        let begin = format!("{function}: ");
        let found = calls.iter().filter(|call| call.starts_with(&begin)).count();
        assert_eq!(found as u64, count, "{function}");
    }
    assert!(calls.iter().all(|call| call.contains(" in ")));
    let failed = "C_SignInit: CKR_FUNCTION_FAILED";
    assert!(
        calls.iter().any(|call| call.starts_with(failed)),
        "{calls:#?}"
    );
    for line in &logged {
        assert!(!line.contains(PIN) && !line.contains("nobody's"), "{line}");
    }
}
