//! A module that answers at random: whole lives of a program with wrong codes, counts, lengths,
//! handles, lists, values and fields. Each ends with typed errors or right results, takes no more
//! memory than there is a reason for, and leaves a process that signs.
//!
//! A life that fails is lived again with KEYFOB_HOSTILE_SEEDS=N, which also prints what was answered.

#[path = "support/allocations.rs"]
mod allocations;
#[path = "support/fault.rs"]
mod fault;
#[path = "hostile/keys.rs"]
mod keys;
#[path = "support/last_words.rs"]
mod last_words;
#[path = "hostile/life.rs"]
mod life;
#[path = "support/softhsm.rs"]
mod softhsm;
#[path = "hostile/table.rs"]
mod table;
#[path = "support/watchdog.rs"]
mod watchdog;

use std::any::Any;
use std::collections::BTreeMap;
use std::env;
use std::io::{self, Write};
use std::num::NonZero;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use allocations::{Taken, taken_by};
use cryptoki::context::Pkcs11;
use fault::{Fault, Mutation};
use keys::Known;
use life::Life;
use table::Table;
use watchdog::Watchdog;

const LIVES: u64 = 10_000;

/// Those to be lived alone: `7`, or `0..1000`.
const SEEDS: &str = "KEYFOB_HOSTILE_SEEDS";

/// The most that a life may take at once, in bytes: what keyfob reads of a token in one listing, as it
/// came and as it was taken apart. (What it is made of decides how much the latter is; see
/// `tests/limits.rs` for the worst.)
const PEAK: usize = 2 * (32 << 20);

/// The most in one piece: the largest certificate that is read, in a list that grows by doubling.
const LARGEST: usize = 2 * (1 << 20);

/// What the lives may leave behind, all together: what a process learns once.
const KEPT: usize = 64 << 10;

#[test]
fn nothing_that_a_module_answers_does_harm() {
    let named = env::var(SEEDS).ok();
    let seeds = named.as_deref().map_or(0..LIVES, range);
    let is_one = seeds.clone().count() == 1;
    let (_bench, known) = keys::token();
    let fault = Fault::load();
    let watchdog = Watchdog::start();
    last_words::prepare();
    let called = called(&fault, known);
    let mut table = Table::default();
    let mut failures = Vec::new();
    let mut most = Taken::default();
    let mut settled = 0;
    for (lived, seed) in seeds.enumerate() {
        watchdog.at(format!("seed {seed}"));
        last_words::at(seed);
        let plan = Plan::of(seed, &called);
        match catch_unwind(AssertUnwindSafe(|| play(&fault, &plan, known))) {
            Ok(lived) => {
                most = most.or(lived.taken);
                table.add(lived.mutations, lived.outcomes);
            }
            Err(panic) => failures.push(format!("seed {seed}: {}", message(&*panic))),
        }
        if is_one {
            say(&format!("{plan:?}\n{}", fault.mutation_log().join("\n")));
        }
        end(&fault);
        if lived == 99 {
            settled = allocations::now();
        }
    }
    table.print();
    say(&format!("a life takes {most}"));
    assert!(
        failures.is_empty(),
        "{} lives went wrong; {SEEDS}=N lives one again:\n{}",
        failures.len(),
        failures.join("\n")
    );
    if named.is_some() {
        return;
    }
    let all = fault.all_mutations();
    let never = table.never(all.iter().filter(|(function, _)| called.contains(function)));
    assert!(never.is_empty(), "never made: {never:?}");
    assert!(
        table.mutations() > 10_000,
        "{} mutations",
        table.mutations()
    );
    let kept = allocations::now().saturating_sub(settled);
    assert!(kept <= KEPT, "{kept} bytes were left behind");
}

/// Or nobody could look into one that went wrong.
#[test]
fn a_life_can_be_had_again() {
    let (_bench, known) = keys::token();
    let fault = Fault::load();
    let called = called(&fault, known);
    for seed in 0..24 {
        let plan = Plan {
            threads: NonZero::<usize>::MIN,
            ..Plan::of(seed, &called)
        };
        let live = || {
            let lived = play(&fault, &plan, known);
            end(&fault);
            (lived.mutations, lived.outcomes)
        };
        let first = live();
        // What was read a second ago is read again: a machine that is very busy can make a difference.
        assert!((0..5).any(|_| live() == first), "seed {seed}: {first:?}");
    }
}

fn range(seeds: &str) -> Range<u64> {
    let number = |text: &str| text.parse().expect(SEEDS);
    match seeds.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(seeds)..number(seeds) + 1,
    }
}

/// How a life goes wrong.
#[derive(Debug)]
struct Plan {
    seed: u64,
    one_in: u64,
    /// All, where it is empty.
    functions: Vec<String>,
    /// What signs when it is over.
    key: usize,
    is_thorough: bool,
    keeps: bool,
    threads: NonZero<usize>,
}

impl Plan {
    /// Many wrong answers of one function, or some of all.
    fn of(seed: u64, called: &[String]) -> Self {
        let (manner, rest) = (seed % 8, (seed / 8) as usize);
        let one = || vec![called[rest % called.len()].clone()];
        let (one_in, functions) = match manner {
            0..=2 => (2 + manner, one()),
            3 => (6, Vec::new()),
            4 => (15, Vec::new()),
            5 => (40, Vec::new()),
            _ => (100, Vec::new()),
        };
        Self {
            seed,
            one_in,
            functions,
            key: rest,
            is_thorough: rest.is_multiple_of(9),
            keeps: rest.is_multiple_of(4),
            threads: NonZero::new(1 + 2 * (rest % 2)).expect("1 or 3"),
        }
    }
}

/// What became of a life.
struct Lived {
    mutations: BTreeMap<Mutation, u64>,
    outcomes: BTreeMap<String, u64>,
    taken: Taken,
}

fn play(fault: &Fault, plan: &Plan, known: &[Known]) -> Lived {
    let mut life = Life {
        is_thorough: plan.is_thorough,
        keeps: plan.keeps,
        threads: plan.threads,
        ..new_life(fault, known)
    };
    let functions: Vec<_> = plan.functions.iter().map(String::as_str).collect();
    fault.mutate(plan.seed, plan.one_in, &functions);
    let (taken, ()) = taken_by(|| life.live());
    fault.stop_mutating();
    let mutations = fault.mutations();
    assert!(taken.peak <= PEAK && taken.largest <= LARGEST, "{taken}");
    let mut functions = mutations.keys().map(|(function, _)| function.as_str());
    assert!(
        life.wrong == 0 || functions.any(|function| EXPLAIN.contains(&function)),
        "a wrong signature"
    );
    let outcomes = life.outcomes;
    new_life(fault, known).live_well(plan.key);
    Lived {
        mutations,
        outcomes,
        taken,
    }
}

/// Where these lie, what is signed by what key is not keyfob's to know, unless it checks.
const EXPLAIN: [&str; 5] = [
    "C_OpenSession",
    "C_FindObjects",
    "C_GetAttributeValue",
    "C_SignInit",
    "C_Sign",
];

fn new_life<'a>(fault: &'a Fault, known: &'a [Known]) -> Life<'a> {
    Life {
        fault,
        known,
        is_thorough: false,
        keeps: false,
        threads: NonZero::<usize>::MIN,
        asked: Default::default(),
        outcomes: BTreeMap::new(),
        wrong: 0,
    }
}

/// What is called in a life without lies.
fn called(fault: &Fault, known: &[Known]) -> Vec<String> {
    fault.reset();
    let mut life = new_life(fault, known);
    life.is_thorough = true;
    life.live();
    drop(life);
    fault.counts().into_keys().collect()
}

/// Of some lives the module has not been told the end, or has not believed it.
fn end(fault: &Fault) {
    fault.reset();
    let module = Pkcs11::new(Fault::path()).expect("the fault module loads");
    let _ = module.finalize();
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}

/// Not by `println!`, which shows nothing of a test that passes.
fn say(text: &str) {
    writeln!(io::stdout(), "{text}").expect("the output can be written to");
}
