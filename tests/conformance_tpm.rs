//! The checks of `conformance.rs` on tpm2-pkcs11, with a TPM in software.
//!
//! It needs packages that are too much to ask of everybody, so plain `cargo test` leaves it out:
//! `./softhsm-setup.sh cargo test --test conformance_tpm`.
#![cfg(target_os = "linux")]

#[path = "conformance/bench.rs"]
mod bench;
#[path = "conformance/checks.rs"]
mod checks;
#[path = "conformance/made.rs"]
mod made;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "conformance/page.rs"]
mod page;
#[path = "support/running.rs"]
mod running;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/spy.rs"]
mod spy;
#[path = "support/tpm.rs"]
mod tpm;
#[path = "conformance/tpm.rs"]
mod tpm_bench;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::cell::RefCell;

use tpm::Tpm;

#[test]
fn tpm2_pkcs11() {
    let tpm = RefCell::new(Tpm::start());
    let forgive = || tpm.borrow().forgive();
    let bench = tpm_bench::bench(&tpm, &forgive);
    checks::run(&bench);
    tpm_bench::three_wrong_pins_lock_it(&bench);
}
