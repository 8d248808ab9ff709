//! What is checked on every module, and how a module's run is told.
#![allow(dead_code, reason = "no test binary needs all of it")]

#[path = "checks/bare.rs"]
pub mod bare;
#[path = "checks/calls.rs"]
mod calls;
#[path = "checks/finding.rs"]
mod finding;
#[path = "checks/listing.rs"]
pub mod listing;
#[path = "checks/login.rs"]
pub mod login;
#[path = "checks/loss.rs"]
mod loss;
#[path = "checks/signing.rs"]
pub mod signing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::bench::Bench;
use crate::page::Page;
use crate::watchdog::Watchdog;

/// One row of the page's table.
pub struct Check {
    pub name: &'static str,
    run: fn(&Bench<'_>),
}

const fn check(name: &'static str, run: fn(&Bench<'_>)) -> Check {
    Check { name, run }
}

pub const DISCOVERY: &str = "discovery";
pub const PIN_STATES: &str = "PIN states";
pub const ONE_LOGIN: &str = "one login";
pub const BEFORE_LOGIN: &str = "listing before login";
pub const AFTER_LOGIN: &str = "listing after login";
pub const PKCS1: &str = "RSA PKCS#1 v1.5";
pub const PSS: &str = "RSA-PSS";
pub const P256: &str = "ECDSA P-256";
pub const P384: &str = "ECDSA P-384";
pub const P521: &str = "ECDSA P-521";
pub const ED25519: &str = "Ed25519";
pub const DIGESTS: &str = "digests and streams";
pub const CHECKED: &str = "checked signatures";
pub const BATCHES: &str = "batches";
pub const THREADS: &str = "threads";
pub const ALWAYS_ASKS: &str = "PIN for each signature";
pub const PROTECTION: &str = "protection";
pub const NEVER_LEFT: &str = "never left the token";
pub const CALLS: &str = "two calls a signature";
pub const LOGOUT: &str = "logout by dropping";
pub const RETURN: &str = "removal and return";
pub const KEPT_PIN: &str = "return with the PIN kept";

pub const CHECKS: &[Check] = &[
    check(DISCOVERY, finding::found_by_every_name),
    check(PIN_STATES, login::a_wrong_pin_has_its_answer),
    check(ONE_LOGIN, login::a_second_login_is_refused),
    check(BEFORE_LOGIN, listing::before_login),
    check(AFTER_LOGIN, listing::after_login),
    check(PKCS1, signing::rsa_pkcs1),
    check(PSS, signing::rsa_pss),
    check(P256, signing::ecdsa_p256),
    check(P384, signing::ecdsa_p384),
    check(P521, signing::ecdsa_p521),
    check(ED25519, signing::ed25519),
    check(DIGESTS, signing::digests_and_streams),
    check(CHECKED, signing::checked),
    check(BATCHES, signing::batches),
    check(THREADS, signing::threads),
    check(ALWAYS_ASKS, signing::pin_for_each_signature),
    check(PROTECTION, listing::protection_as_the_token_tells),
    check(NEVER_LEFT, listing::never_left_the_token),
    check(CALLS, calls::two_for_a_signature),
    check(LOGOUT, login::dropping_logs_out),
    check(RETURN, loss::goes_on_after_a_new_unlock),
    check(KEPT_PIN, loss::goes_on_by_itself_with_the_pin_kept),
];

/// Longer than any check takes on a machine that is busy. Modules hang where what is behind them dies.
const PATIENCE: Duration = Duration::from_secs(300);

/// Goes through all checks. What the module lacks must be lacking in truth, and all of it must
/// stand on the page.
pub fn run(bench: &Bench<'_>) {
    let watchdog = Watchdog::with_patience(PATIENCE);
    let mut failed = Vec::new();
    for check in CHECKS {
        watchdog.at(format!("{}: {}", bench.name, check.name));
        let lack = bench.lacks.iter().find(|lack| lack.check == check.name);
        let outcome = catch_unwind(AssertUnwindSafe(|| match lack {
            None => (check.run)(bench),
            Some(lack) => (lack.proof)(bench),
        }));
        let told = match (&outcome, lack) {
            (Err(_), _) => "FAILED",
            (Ok(()), None) => "yes",
            (Ok(()), Some(lack)) => lack.why,
        };
        println!("{}: {}: {told}", bench.name, check.name);
        if outcome.is_err() {
            failed.push(check.name);
        }
    }
    assert!(failed.is_empty(), "{}: {failed:?}", bench.name);
    Page::read().agrees_with(bench);
}
