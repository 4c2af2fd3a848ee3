//! Numbers that look random and are the same for the same seed, on every machine.
//!
//! The generator is SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
//! Generators", 2014). Not for secrets.

use std::ops::RangeInclusive;

/// A source of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The source that this seed stands for.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, any of 2^64.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A source of its own, for a part whose draws must not disturb the others.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self::new(self.number())
    }

    /// A number of the range, all nearly alike in likelihood.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        debug_assert!(low <= high, "an empty range has no number");
        match (high - low).checked_add(1) {
            Some(count) => low + self.number() % count,
            None => self.number(),
        }
    }

    /// A place in something of `length` entries, which must not be zero.
    pub fn index(&mut self, length: usize) -> usize {
        let last = (length as u64).saturating_sub(1);
        usize::try_from(self.within(0..=last)).unwrap_or_default()
    }

    /// An entry of a slice that is not empty.
    pub fn pick<'s, T>(&mut self, entries: &'s [T]) -> &'s T {
        let index = self.index(entries.len());
        &entries[index]
    }

    /// True in so many cases of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.within(1..=100) <= percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.number(), 6_457_827_717_110_365_317);
        assert_eq!(random.number(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut random = Random::new(1);
        let draws: Vec<_> = (0..1000).map(|_| random.within(3..=5)).collect();
        assert!([3, 4, 5].iter().all(|number| draws.contains(number)));
        assert!(draws.iter().all(|number| (3..=5).contains(number)));
        assert!(!random.percent(0));
        assert!(random.percent(100));
    }
}
