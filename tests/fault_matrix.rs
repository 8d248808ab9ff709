//! Every PKCS#11 function that is called, failing in every way, at its first call, at its second and
//! from the third on: each time a typed error or a right signature, no PIN too many, no session left
//! open, and the same process signs again.

#[path = "support/fault.rs"]
mod fault;
#[path = "fault_matrix/life.rs"]
mod life;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "fault_matrix/table.rs"]
mod table;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::{env, fmt, fs};

use cryptoki::context::Pkcs11;
use cryptoki::object::Attribute;
use cryptoki_sys::*;
use fault::Fault;
use keyfob::{PublicKey, ReturnCode};
use life::{Life, Manner};
use softhsm::{Kind, SoftHsm};
use table::Table;
use watchdog::Watchdog;

const CODES: [CK_RV; 18] = [
    CKR_DEVICE_REMOVED,
    CKR_DEVICE_ERROR,
    CKR_DEVICE_MEMORY,
    CKR_SESSION_HANDLE_INVALID,
    CKR_SESSION_CLOSED,
    CKR_USER_NOT_LOGGED_IN,
    CKR_TOKEN_NOT_PRESENT,
    CKR_GENERAL_ERROR,
    CKR_HOST_MEMORY,
    CKR_FUNCTION_FAILED,
    CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_BUFFER_TOO_SMALL,
    CKR_KEY_HANDLE_INVALID,
    CKR_OBJECT_HANDLE_INVALID,
    CKR_PIN_INCORRECT,
    CKR_PIN_LOCKED,
    // A vendor's own.
    0x8000_4711,
];

/// Which calls of the function fail.
#[derive(Clone, Copy)]
enum Calls {
    Nth(u64),
    From(u64),
}

const CALLS: [Calls; 3] = [Calls::Nth(1), Calls::Nth(2), Calls::From(3)];

struct Case<'a> {
    manner: Manner,
    function: &'a str,
    code: CK_RV,
    calls: Calls,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            manner, function, ..
        } = self;
        let code = ReturnCode::new(self.code);
        match self.calls {
            Calls::Nth(n) => write!(f, "{manner:?}: call {n} of {function} answers {code}"),
            Calls::From(n) => write!(f, "{manner:?}: {function} answers {code} from call {n} on"),
        }
    }
}

#[test]
fn every_function_fails_in_every_way() {
    let (bench, keys) = bench();
    let fault = Fault::load();
    let watchdog = Watchdog::start();
    let mut table = Table::default();
    let mut failures = Vec::new();
    // All cases, or each n-th: for a tool that slows them down.
    let part = env::var("KEYFOB_MATRIX_PART").map_or(1, |n| n.parse().expect("a number"));
    let mut all = 0;
    for manner in [Manner::Plain, Manner::Kept, Manner::Asking] {
        let functions = called(&fault, manner, &keys);
        for case in cases(manner, &functions) {
            all += 1;
            if all % part != 0 {
                continue;
            }
            watchdog.at(&case);
            match catch_unwind(AssertUnwindSafe(|| play(&fault, &case, &keys))) {
                Ok(errors) => table.add(case.function, errors),
                Err(panic) => failures.push(format!("{case}: {}", message(&*panic))),
            }
        }
    }
    drop(bench);
    table.print();
    assert!(
        failures.is_empty(),
        "{} cases went wrong:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(all > 1000, "{all} cases");
}

fn cases(manner: Manner, functions: &BTreeSet<String>) -> impl Iterator<Item = Case<'_>> {
    functions.iter().flat_map(move |function| {
        CODES.into_iter().flat_map(move |code| {
            CALLS.map(|calls| Case {
                manner,
                function,
                code,
                calls,
            })
        })
    })
}

/// A token, and the public keys of the key that signs freely and of the one that asks.
fn bench() -> (SoftHsm, [PublicKey; 2]) {
    let bench = SoftHsm::start();
    let mut keys = Vec::new();
    bench.token("matrix", |token| {
        let always = [Attribute::AlwaysAuthenticate(true)];
        keys.push(token.key(Kind::P256, "usual", &[1]));
        keys.push(token.key_with(Kind::P256, "asking", &[2], &always));
    });
    let keys = keys.iter().map(|spki| PublicKey::from_spki_der(spki));
    let keys: Vec<_> = keys.collect::<Result<_, _>>().unwrap();
    (bench, keys.try_into().unwrap())
}

/// What is called in a life in which nothing fails: all that the source knows of.
fn called(fault: &Fault, manner: Manner, keys: &[PublicKey; 2]) -> BTreeSet<String> {
    fault.reset();
    let mut life = Life::new(fault, manner, keys, ("nothing", CKR_OK));
    life.live();
    drop(life.let_go());
    let called = fault.counts().into_keys().collect();
    let known = functions_in_source();
    let never: Vec<_> = known.difference(&called).collect();
    assert!(never.is_empty(), "never called: {never:?}");
    called
}

/// Each PKCS#11 function that a file of `src/` names.
fn functions_in_source() -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    let mut paths = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        let named = words.filter(|word| word.starts_with("C_") && word.len() > 2);
        functions.extend(named.map(str::to_owned));
    }
    functions
}

/// One case, from a module that nobody has initialised. Returns the kinds of errors that came.
fn play(fault: &Fault, case: &Case, keys: &[PublicKey; 2]) -> BTreeSet<&'static str> {
    fault.reset();
    let rule = fault.fail(case.function);
    match case.calls {
        Calls::Nth(n) => rule.nth(n).with(case.code),
        Calls::From(n) => rule.from(n).with(case.code),
    }
    // How often it has failed.
    let strikes = || match (fault.count(case.function), case.calls) {
        (count, Calls::Nth(n) | Calls::From(n)) if count < n => 0,
        (_, Calls::Nth(_)) => 1,
        (count, Calls::From(n)) => count - n + 1,
    };
    let mut errors = BTreeSet::new();
    let mut has_gone_on = false;
    // Some functions are called once in a life.
    while strikes() == 0 {
        let mut life = Life::new(fault, case.manner, keys, (case.function, case.code));
        life.live();
        let mut struck = strikes();
        if struck > 0 {
            fault.clear_rules();
            life.go_on();
            has_gone_on = true;
        }
        errors.append(&mut life.errors);
        let module = life.let_go();
        if struck == 0 {
            struck = strikes();
        }
        assert!(
            fault.sessions() <= struck * case.left_open(),
            "open sessions"
        );
        drop(module);
    }
    // What failed was the end: all of it begins anew.
    if !has_gone_on {
        fault.clear_rules();
        let mut another = Life::new(fault, case.manner, keys, ("nothing", CKR_OK));
        another.go_on();
        drop(another.let_go());
    }
    let is_ours = fault.try_command("slot-of matrix").is_err();
    assert_eq!(is_ours, case.function != "C_Finalize", "finalized");
    if !is_ours {
        Pkcs11::new(Fault::path()).unwrap().finalize().unwrap();
    }
    errors
}

impl Case<'_> {
    /// How many sessions each failure may leave open: those that the module does not close, or of
    /// which it says that there is none.
    fn left_open(&self) -> u64 {
        let is_said_gone = [CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED].contains(&self.code);
        u64::from(is_said_gone || self.function == "C_CloseSession")
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}
