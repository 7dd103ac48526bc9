//! Random spreads, repeatable from a seed. Nothing secret is made of them.

use std::sync::Mutex;
use std::sync::PoisonError;

/// SplitMix64.
#[derive(Debug)]
pub struct Chance(Mutex<u64>);

impl Chance {
    /// The same seed gives the same numbers.
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// Seeded by the system; by a fixed number when the system has no randomness.
    pub fn new() -> Self {
        let mut seed = [7; 8];
        let _ = getrandom::fill(&mut seed);
        Self::seeded(u64::from_le_bytes(seed))
    }

    /// A number from 0 to 1, without 1.
    pub fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}
