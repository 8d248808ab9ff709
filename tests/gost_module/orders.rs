//! The order of a signature's bytes.

use std::sync::Mutex;

use keyfob::{Scheme, SignError};
use log::{LevelFilter, Log, Metadata, Record};

use crate::bench::{bench, both, identity, scheme, unlocked};
use crate::{MESSAGE, assert_right, refusal};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl Log for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        SAID.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

/// The warnings since the last time.
fn said() -> Vec<String> {
    let _ = log::set_logger(&Listener);
    log::set_max_level(LevelFilter::Warn);
    std::mem::take(&mut SAID.lock().unwrap())
}

#[test]
fn whatever_the_order_it_is_put_right_and_said_once() {
    let (_bench, fault) = bench();
    for manners in ["", "swapped", "reversed", "swapped reversed"] {
        fault.gost(manners);
        let fob = unlocked();
        for set in both() {
            let me = identity(&fob, set);
            said();
            for message in [MESSAGE, b"another", b"and another"] {
                let signature = me.sign(scheme(set), message).unwrap();
                assert_right(set, message, &signature);
            }
            let said = said();
            match manners {
                "" => assert!(said.is_empty(), "{said:?}"),
                _ => assert_eq!(said.len(), 1, "{said:?}"),
            }
        }
    }
}

/// As after an update of the module.
#[test]
fn an_order_may_change() {
    let (_bench, fault) = bench();
    let fob = unlocked();
    let [set, _] = both();
    let me = identity(&fob, set);
    for manners in ["swapped", "", "reversed", "swapped reversed", "swapped"] {
        fault.gost(manners);
        let signature = me.sign(scheme(set), MESSAGE).unwrap();
        assert_right(set, MESSAGE, &signature);
    }
}

/// Kazakhstan has all bytes in reverse.
#[test]
fn the_scheme_says_in_which_order_it_is_given_out() {
    let (_bench, fault) = bench();
    for manners in ["", "swapped", "reversed"] {
        fault.gost(manners);
        let fob = unlocked();
        for (set, kazakh) in both()
            .into_iter()
            .zip([Scheme::GostKz256, Scheme::GostKz512])
        {
            let me = identity(&fob, set);
            let signature = me.sign(kazakh, MESSAGE).unwrap();
            let usual = signature
                .as_bytes()
                .iter()
                .rev()
                .copied()
                .collect::<Vec<_>>();
            let usual = keyfob::Signature::from_bytes(scheme(set), usual).unwrap();
            assert_right(set, MESSAGE, &usual);
        }
    }
}

#[test]
fn no_wrong_signature_is_given_out() {
    let (_bench, fault) = bench();
    let fob = unlocked();
    for set in both() {
        let me = identity(&fob, set);
        for manners in ["", "swapped", "reversed", "swapped reversed"] {
            fault.gost(manners);
            fault.wrong_signatures();
            let refused = refusal(me.sign(scheme(set), MESSAGE));
            assert!(
                matches!(refused, SignError::WrongSignature(_)),
                "{refused:?}"
            );
            // Nothing is left of it.
            fault.command("sign forward");
            let signature = me.sign(scheme(set), MESSAGE).unwrap();
            assert_right(set, MESSAGE, &signature);
        }
    }
}
