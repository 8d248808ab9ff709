//! The program in tests/pin_memory/probe.rs, to be run with a token.
#![allow(dead_code, reason = "no test binary needs all of it")]

use std::process::Command;

use crate::softhsm::{Kind, PIN, SoftHsm, example};
use cryptoki::object::Attribute;
use cryptoki::types::AuthPin;

/// A token with a key that signs and one that wants its PIN each time.
pub fn token(bench: &SoftHsm, label: &str, pin: &str) {
    bench.token(label, |token| {
        token.key(Kind::P256, "p256", &[1]);
        let always = [Attribute::AlwaysAuthenticate(true)];
        token.key_with(Kind::P256, "always-ask", &[2], &always);
        if pin != PIN {
            let (old, new) = (AuthPin::new(PIN.into()), AuthPin::new(pin.into()));
            let set = token.session.set_pin(&old, &new);
            set.expect("SoftHSM takes long PINs");
        }
    });
}

/// See the program's own page for what these mean. It looks for `pin`, unless that is empty.
#[track_caller]
pub fn command(bench: &SoftHsm, mode: &str, source: &str, token: &str, pin: &str) -> Command {
    let masked: String = pin
        .bytes()
        .map(|byte| format!("{:02x}", byte ^ 0x5a))
        .collect();
    let mut command = Command::new(example("pin_probe"));
    command.args([mode, source, token, &masked]);
    command.env_remove("KEYFOB_PIN").envs(bench.environment());
    // A backtrace maps the debug information, a hundred megabytes to search.
    command.env("RUST_BACKTRACE", "0");
    command
}
