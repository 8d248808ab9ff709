//! How many module calls things cost, counted by OpenSC's pkcs11-spy.so: on hardware each one is a
//! round trip over USB.

#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/spy.rs"]
mod spy;

use std::fs;
use std::process::Command;

use keyfob::{Scheme, Search};
use softhsm::{Kind, PIN, SoftHsm, example, run};
use spy::Spy;

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

/// By the `sign` example, with the key named by a URI.
#[test]
fn from_start_to_signature_in_fourteen_calls() {
    let bench = SoftHsm::start();
    bench.token("calls", |token| {
        token.key(Kind::P256, "p256", &[1]);
    });
    let spy = Spy::between_us_and(&bench);
    let file = bench.folder().join("to-sign");
    fs::write(&file, b"hello").unwrap();
    let mut sign = Command::new(example("sign"));
    sign.args(["--force", "--key", "pkcs11:token=calls;object=p256"])
        .arg(&file)
        .envs(bench.environment())
        .env("KEYFOB_MODULE", &spy.module)
        .env("KEYFOB_PIN", PIN);
    // A machine that stalls for a second between finding and unlocking costs a call more, since
    // what the token said of its PIN is old then.
    let runs = [(); 3].map(|()| {
        let before = spy.calls().len();
        run(&mut sign);
        spy.calls().split_off(before)
    });
    let to_signature = |calls: &Vec<String>| {
        let signed = calls.iter().position(|call| call == "C_Sign");
        signed.expect("it signs") + 1
    };
    let fewest = runs.iter().map(to_signature).min().unwrap();
    println!("start to signature in {fewest} calls");
    assert!(fewest <= 14, "{runs:#?}");
    for calls in &runs {
        assert_eq!(calls.iter().filter(|call| *call == "C_Sign").count(), 1);
    }
}
