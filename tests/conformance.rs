//! The same checks on every module that runs here: this file's need no more than plain `cargo test`
//! has. What each module lacks stands in docs/modules-tested.md, and is seen to be lacking.
#![cfg(all(target_os = "linux", feature = "pcsc"))]

#[path = "conformance/bench.rs"]
mod bench;
#[path = "conformance/checks.rs"]
mod checks;
#[path = "conformance/in_reader.rs"]
mod in_reader;
#[path = "conformance/made.rs"]
mod made;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/p11_kit.rs"]
mod p11_kit;
#[path = "conformance/p11_kit.rs"]
mod p11_kit_bench;
#[path = "conformance/page.rs"]
mod page;
#[path = "support/pcscd.rs"]
mod pcscd;
#[path = "support/running.rs"]
mod running;
#[path = "support/rutoken.rs"]
mod rutoken;
#[path = "conformance/rutoken.rs"]
mod rutoken_bench;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "conformance/softhsm.rs"]
mod softhsm_bench;
#[path = "support/spy.rs"]
mod spy;
#[path = "support/vpcd.rs"]
mod vpcd;
#[path = "support/watchdog.rs"]
mod watchdog;

use in_reader::InReader;
use p11_kit_bench::Switched;
use pcscd::{Pcscd, Reader};
use softhsm::SoftHsm;

#[test]
fn softhsm() {
    let softhsm = SoftHsm::start();
    checks::run(&softhsm_bench::bench(&softhsm));
}

#[test]
fn p11_kit() {
    let softhsm = SoftHsm::start();
    let keys = softhsm_bench::keys(&softhsm, p11_kit_bench::LABEL);
    let server = Switched::on(&softhsm);
    checks::run(&p11_kit_bench::bench(&server, keys));
}

#[test]
fn opensc_with_a_rutoken() {
    // For the turn alone: the checks change the environment.
    let _turn = SoftHsm::start();
    let pcscd = Pcscd::start();
    let (card, keys) = rutoken_bench::card(&pcscd);
    let card = InReader::new(&pcscd, Reader::First, card);
    let is_locked = || rutoken_bench::is_locked(&card);
    checks::run(&rutoken_bench::bench(&card, keys, &is_locked));
}
