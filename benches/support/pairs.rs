//! Two ways of doing the same, measured side by side.
#![allow(dead_code, reason = "no bench needs all of it")]

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// How long one of the two runs before the other does: shorter than what else the machine does lasts,
/// so that both have the same of it.
const SLICE: Duration = Duration::from_millis(5);
/// How many times each runs.
const ROUNDS: usize = 1000;
/// The same of what takes as long as ten slices.
const LONG_ROUNDS: usize = 100;

/// The rate of `ours` over that of `other`, as a line to print at the end.
pub fn ratio(name: &str, ours: &impl Fn(), other: impl Fn()) -> String {
    let ratios = (0..ROUNDS).map(|round| {
        let (ours, other) = in_turn(round, || rate(ours), || rate(&other));
        ours / other
    });
    median(name, ratios.collect())
}

/// The same with each on several threads at once. `other` makes each thread its own.
pub fn ratio_of_threads<F: FnMut() + Send>(
    name: &str,
    threads: usize,
    ours: &(impl Fn() + Sync),
    other: impl Fn() -> F,
) -> String {
    let ratios = (0..ROUNDS).map(|round| {
        let ours = || together((0..threads).map(|_| ours).collect());
        let other = || together((0..threads).map(|_| other()).collect());
        let (ours, other) = in_turn(round, ours, other);
        ours / other
    });
    median(name, ratios.collect())
}

/// The same where a call takes so long that one is a slice.
pub fn ratio_of_long_calls(name: &str, ours: &impl Fn(), other: impl Fn()) -> String {
    ratio_of_rounds(name, LONG_ROUNDS, ours, other)
}

/// The same where a call takes so long that there is no time for many.
pub fn ratio_of_rounds(name: &str, rounds: usize, ours: &impl Fn(), other: impl Fn()) -> String {
    let rate = |call: &dyn Fn()| {
        let start = Instant::now();
        call();
        1.0 / start.elapsed().as_secs_f64()
    };
    let ratios = (0..rounds).map(|round| {
        let (ours, other) = in_turn(round, || rate(ours), || rate(&other));
        ours / other
    });
    median(name, ratios.collect())
}

/// The median time of one call.
pub fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| 1e9 / rate(&mut call)).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The same with several threads at once, each making that many calls as it can.
pub fn nanoseconds_of_threads<F: FnMut() + Send>(threads: usize, call: impl Fn() -> F) -> f64 {
    let round = |_| threads as f64 * 1e9 / together((0..threads).map(|_| call()).collect());
    let mut times: Vec<f64> = (0..ROUNDS).map(round).collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Who goes first changes from round to round.
fn in_turn(round: usize, ours: impl FnOnce() -> f64, other: impl FnOnce() -> f64) -> (f64, f64) {
    match round % 2 {
        0 => {
            let ours = ours();
            (ours, other())
        }
        _ => {
            let other = other();
            (ours(), other)
        }
    }
}

/// Calls a second, in one slice.
fn rate(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < SLICE {
        // The clock is looked at seldom, since it costs as much as a short call.
        for _ in 0..8 {
            call();
        }
        calls += 8;
    }
    f64::from(calls) / start.elapsed().as_secs_f64()
}

fn together<F: FnMut() + Send>(calls: Vec<F>) -> f64 {
    let start = Barrier::new(calls.len());
    thread::scope(|scope| {
        let threads: Vec<_> = calls
            .into_iter()
            .map(|call| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    rate(call)
                })
            })
            .collect();
        let rates = threads.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.expect("no call panics")).sum()
    })
}

/// The median is the ratio; how far the rounds spread tells how much to believe it.
fn median(name: &str, mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let at = |part: usize| ratios[(ratios.len() - 1) * part / 4];
    println!(
        "{name}: half of the rounds between {:.3} and {:.3}",
        at(1),
        at(3)
    );
    format!("ratio {name} {:.3}", at(2))
}
