//! The same over a real daemon: a token that p11-kit serves, whose connections are killed.

use std::thread;
use std::time::Duration;

use keyfob::Search;

use crate::p11_kit::Server;
use crate::random::Random;
use crate::service::Service;
use crate::softhsm::{Kind, SoftHsm};
use crate::watchdog::Watchdog;

const SIGNATURES: u64 = 4_000;
const THREADS: u64 = 4;
const DEATHS: u64 = 8;

#[test]
fn a_served_token_outlives_its_connections() {
    let bench = SoftHsm::start();
    bench.token("served", |token| token.identity(Kind::P256, "p256", &[1]));
    let server = Server::start(bench.folder(), bench.module(), "served");
    let random = Random::from_seed();
    let watchdog = Watchdog::start();

    let search = Search::new().module(Server::client()).named_only();
    let service = Service::start(search.run().unwrap().select("served").unwrap(), "p256");
    for death in 1..=DEATHS {
        watchdog.at(format!("connection {death}"));
        let until = SIGNATURES * death / DEATHS;
        let dies_at = until - random.within(1..=SIGNATURES / DEATHS);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let service = &service;
                scope.spawn(move || service.sign_until(until, thread));
            }
            while service.signed() < dies_at && !service.is_astray() {
                thread::sleep(Duration::from_micros(200));
            }
            assert_eq!(server.kill_connections(), 1, "one for the module");
        });
    }
    // The last may have died after the last signature.
    while !service.sign(b"it goes on") && !service.is_astray() {}
    service.print();
    service.is_accounted_for();
    assert!(service.signed() >= SIGNATURES);
    // The PIN was kept, and never in doubt but where the connection died in the middle of a login.
    assert!(service.unlocks() <= DEATHS);
    drop(service);
}
