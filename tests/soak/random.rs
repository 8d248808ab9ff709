//! Random numbers, of a seed that is printed and can be given.

use std::cell::Cell;
use std::env;
use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names the seed of an earlier run, to have its numbers again.
const SEED: &str = "KEYFOB_SOAK_SEED";

pub struct Random(Cell<u64>);

impl Random {
    pub fn from_seed() -> Self {
        let now = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("after 1970").as_micros() as u64
        };
        let seed = env::var(SEED).map_or_else(|_| now(), |seed| seed.parse().expect("a number"));
        crate::say(&format!("{SEED}={seed}"));
        Self(Cell::new(seed))
    }

    /// SplitMix64.
    pub fn within(&self, range: RangeInclusive<u64>) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let (first, last) = range.into_inner();
        first + (mixed ^ (mixed >> 31)) % (last - first + 1)
    }

    pub fn one_in(&self, many: u64) -> bool {
        self.within(1..=many) == 1
    }
}
