//! How many module calls things cost, counted by OpenSC's pkcs11-spy.so: on hardware each one is a
//! round trip over USB.

#[path = "support/softhsm.rs"]
mod softhsm;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use keyfob::{Scheme, Search};
use softhsm::{Kind, PIN, SoftHsm, example, run};

#[test]
fn a_signature_is_two_calls() {
    let bench = SoftHsm::start();
    bench.token("calls", |token| {
        token.key(Kind::P256, "p256", &[1]);
    });
    let spy = Spy::between_us_and(&bench);
    let found = Search::new()
        .module(&spy.module)
        .named_only()
        .run()
        .unwrap();
    let fob = found.select("calls").unwrap().unlock(&PIN.into()).unwrap();
    let key = fob.key("p256").unwrap();
    key.sign(Scheme::EcdsaP256Sha256, b"the first").unwrap();
    let before = spy.calls().len();
    for number in 0..100u8 {
        key.sign(Scheme::EcdsaP256Sha256, &[number]).unwrap();
    }
    let calls = spy.calls().split_off(before);
    let expected: Vec<_> = ["C_SignInit", "C_Sign"].repeat(100);
    assert_eq!(calls, expected);
}

#[test]
fn listing_is_one_call_for_each_object() {
    let bench = SoftHsm::start();
    bench.token("many", |token| {
        for number in 0..200u8 {
            token.identity(Kind::P256, &format!("key {number}"), &[1, number]);
        }
    });
    let spy = Spy::between_us_and(&bench);
    let found = Search::new()
        .module(&spy.module)
        .named_only()
        .run()
        .unwrap();
    let fob = found.select("many").unwrap().unlock(&PIN.into()).unwrap();
    let before = spy.calls().len();
    let identities = fob.identities().unwrap();
    let calls = spy.calls().len() - before;
    let whole = identities
        .iter()
        .filter(|one| one.key().is_some() && one.certificate().is_some());
    assert_eq!((whole.count(), identities.len()), (200, 200));
    println!("200 identities listed in {calls} calls");
    assert!(calls <= 620, "{calls}");
}

/// By the `sign` example, with the key named by a URI.
#[test]
fn from_start_to_signature_in_sixteen_calls() {
    let bench = SoftHsm::start();
    bench.token("calls", |token| {
        token.key(Kind::P256, "p256", &[1]);
    });
    let spy = Spy::between_us_and(&bench);
    let before = spy.calls().len();
    let file = bench.folder().join("to-sign");
    fs::write(&file, b"hello").unwrap();
    let uri = "pkcs11:token=calls;object=p256";
    run(Command::new(example("sign"))
        .args(["--force", "--key", uri])
        .arg(&file)
        .envs(bench.environment())
        .env("KEYFOB_MODULE", &spy.module)
        .env("KEYFOB_PIN", PIN));
    let calls = spy.calls().split_off(before);
    let signed = calls.iter().position(|call| call == "C_Sign").unwrap() + 1;
    println!(
        "start to signature in {signed} calls: {:?}",
        &calls[..signed]
    );
    assert!(signed <= 16, "{calls:#?}");
    assert_eq!(calls.iter().filter(|call| *call == "C_Sign").count(), 1);
}

/// OpenSC's logging module, between keyfob and SoftHSM.
struct Spy {
    module: PathBuf,
    log: PathBuf,
}

impl Spy {
    fn between_us_and(bench: &SoftHsm) -> Self {
        let log = bench.folder().join("spy.log");
        // SAFETY: this test has the turn, and the spy reads its environment later, when loaded.
        unsafe {
            env::set_var("PKCS11SPY", bench.module());
            env::set_var("PKCS11SPY_OUTPUT", &log);
        }
        Self {
            module: spy_module(),
            log,
        }
    }

    /// The calls so far, by name.
    fn calls(&self) -> Vec<String> {
        // The log has the module's texts in it, which need not be UTF-8.
        let log = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
        log.lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(number, name)| number.parse::<u32>().is_ok() && name.starts_with("C_"))
            .map(|(_, name)| name.trim().to_owned())
            .collect()
    }
}

/// Where softhsm-setup.sh has found or put it.
fn spy_module() -> PathBuf {
    let mut folders = vec![PathBuf::from("/usr/lib"), PathBuf::from("/usr/lib64")];
    folders.extend(
        fs::read_dir("/usr/lib")
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    folders
        .iter()
        .flat_map(|folder| ["pkcs11-spy.so", "pkcs11/pkcs11-spy.so"].map(|name| folder.join(name)))
        .find(|path| path.exists())
        .expect("no pkcs11-spy.so: run the tests by ./softhsm-setup.sh cargo test")
}
