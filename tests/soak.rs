//! A signing service's year in minutes: threads sign, the token is pulled out and plugged in again, and
//! the daemon behind its module dies. Each call ends with a signature that is verified or with an
//! error that fits; what is open and what is in memory stays the same.
#![cfg(target_os = "linux")]

#[path = "support/fault.rs"]
mod fault;
#[path = "soak/memory.rs"]
mod memory;
#[path = "soak/mischief.rs"]
mod mischief;
#[path = "soak/p11_kit.rs"]
mod p11_kit;
#[path = "soak/random.rs"]
mod random;
#[path = "soak/remote.rs"]
mod remote;
#[path = "soak/service.rs"]
mod service;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::io::{self, Write};
use std::thread;

use fault::Fault;
use keyfob::Search;
use memory::Memory;
use mischief::Mischief;
use random::Random;
use service::Service;
use softhsm::{Kind, SoftHsm};
use watchdog::Watchdog;

const THREADS: u64 = 8;
const ROUNDS: u64 = 10;
/// Signatures of one round.
const ROUND: u64 = 20_000;

/// What may be left over in memory from the second round to the last, beside what SoftHSM loses by
/// itself: less than a byte for each of the 160,000 signatures that are made meanwhile, and less than
/// a kilobyte for each of the 160 losses. What is there at the end of a round differs by about 30
/// KiB, with how many sessions there are.
const HEAP: i64 = 128 << 10;
/// The same of the pages that the process has. These also tell how the heap is cut up.
const RESIDENT: i64 = 4 << 20;

#[test]
fn eight_threads_sign_while_the_token_comes_and_goes() {
    let bench = SoftHsm::start();
    bench.token("soak", |token| token.identity(Kind::P256, "p256", &[1]));
    let lost = memory::lost_by_softhsm(&bench, "soak");
    let fault = Fault::load();
    let random = Random::from_seed();
    let watchdog = Watchdog::start();
    fault.watch_inside();

    let search = Search::new().module(Fault::path()).named_only();
    let service = Service::start(search.run().unwrap().select("soak").unwrap(), "p256");
    let mut mischief = Mischief::new(&fault, &service, &random, &watchdog, fault.slot_of("soak"));
    say("round   signed   errors   losses   logins   sessions   heap   resident");
    let mut ends = Vec::new();
    for round in 1..=ROUNDS {
        let until = round * ROUND;
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let service = &service;
                scope.spawn(move || service.sign_until(until, thread));
            }
            mischief.until(until);
        });
        let end = End {
            sessions: fault.sessions(),
            lives: fault.count("C_Initialize"),
            memory: Memory::now(),
        };
        say(&format!(
            "{round:>5} {:>8} {:>8} {:>8} {:>8} {:>10} {:>6} {:>10}",
            service.signed(),
            service.errors(),
            mischief.losses(),
            fault.count("C_Login"),
            end.sessions,
            end.memory.heap,
            end.memory.resident,
        ));
        ends.push(end);
    }
    let (losses, deaths) = (mischief.losses(), mischief.deaths());
    service.print();

    service.is_accounted_for();
    assert!(service.signed() >= ROUNDS * ROUND);
    assert!(losses >= 150, "{losses} losses");
    assert!(deaths >= 5, "{deaths} deaths");
    assert_eq!(fault.count("C_Initialize"), 1 + deaths);
    let most = 1 + losses + service.unlocks();
    let logins = fault.count("C_Login");
    assert!(logins <= most, "{logins} logins, and {most} at most");
    assert_eq!(fault.clashes(), [] as [&str; 0]);

    for end in &ends {
        assert!(end.sessions <= THREADS + 1, "{} sessions", end.sessions);
    }
    let (first, last) = (&ends[1], &ends[ends.len() - 1]);
    let signed = (ROUNDS - 2) * ROUND;
    let by_softhsm = lost.by(signed, last.lives - first.lives);
    let grown = last.memory - first.memory;
    say(&format!(
        "grown from round 2 on: heap {}, resident {}; SoftHSM alone loses {by_softhsm}",
        grown.heap, grown.resident
    ));
    assert!(grown.heap <= HEAP + by_softhsm, "{grown:?}");
    assert!(grown.resident <= RESIDENT + by_softhsm, "{grown:?}");

    drop(service);
    assert_eq!(fault.sessions(), 0);
    assert_eq!(fault.count("C_Finalize"), fault.count("C_Initialize"));
}

/// A program that looks for tokens again and again, and holds none meanwhile: the module is loaded,
/// initialised and finalized each time.
#[test]
fn to_look_again_and_again_costs_no_memory() {
    const TIMES: u64 = 100;
    let bench = SoftHsm::start();
    bench.token("soak", |token| token.identity(Kind::P256, "p256", &[1]));
    let lost = memory::lost_by_softhsm(&bench, "soak");
    let fault = Fault::load();
    let look = || {
        let search = Search::new().module(Fault::path()).named_only();
        drop(Service::start(
            search.run().unwrap().select("soak").unwrap(),
            "p256",
        ));
    };
    (0..5).for_each(|_| look());
    let before = Memory::now();
    (0..TIMES).for_each(|_| look());
    let grown = (Memory::now() - before).heap;
    let by_softhsm = lost.by(0, TIMES);
    say(&format!("grown: {grown}; SoftHSM alone loses {by_softhsm}"));
    assert_eq!(fault.count("C_Finalize"), 5 + TIMES);
    // A hundred bytes a time.
    assert!(grown <= by_softhsm + 100 * TIMES as i64, "{grown}");
}

/// What there is when all threads of a round are done.
struct End {
    sessions: u64,
    lives: u64,
    memory: Memory,
}

/// Not by `println!`, which shows nothing of a test that passes.
fn say(line: &str) {
    writeln!(io::stdout().lock(), "{line}").expect("the output can be written to");
}
