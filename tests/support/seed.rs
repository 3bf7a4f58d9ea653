//! Random numbers that can be reproduced: `SEED=7` for another run's.

use std::env;

/// Numbers by `SplitMix64` (Steele, Lea and Flood, 2014).
#[derive(Clone)]
pub(crate) struct Seed(u64);

impl Seed {
    /// That of `SEED`, else the same in each run. It is printed: a failing test shows it.
    pub(crate) fn of_this_run() -> Self {
        let seed = env::var("SEED").map_or(1, |seed| seed.parse().expect("SEED: a number"));
        println!("SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of the numbers below that.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Another, for another thread.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
