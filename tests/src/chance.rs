//! Numbers that look random and are the same in every run.

/// A seeded generator (xorshift64*). Not for secrets.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Starts from `seed`; seeds that differ by one give unrelated numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The low bits are the weaker ones.
        (self.draw() >> 16) % end
    }

    /// One of `items`, of which there is at least one.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).expect("an index")]
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn a_seed_gives_one_sequence_and_another_seed_another() {
        let first = |seed| {
            let mut chance = Chance::new(seed);
            [chance.below(1000), chance.below(1000), chance.below(1000)]
        };
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        let mut chance = Chance::new(3);
        let mut seen = [false; 4];
        (0..200).for_each(|_| seen[usize::try_from(chance.below(4)).expect("below four")] = true);
        assert_eq!(seen, [true; 4]);
    }
}
