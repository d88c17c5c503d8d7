//! Chance that can be had again: SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>), from a seed that is printed.

use ethers::types::U256;

/// Where the seed may be given.
const SEED: &str = "SWAPS_SEED";
const USUAL_SEED: u64 = 20_250_701;

/// A sequence of numbers, told by its seed.
pub(super) struct Dice(u64);

impl Dice {
    /// From the seed in the environment, or always the same. Which it is is printed, for when the test fails.
    pub(super) fn new() -> Self {
        let seed = std::env::var(SEED).map_or(USUAL_SEED, |seed| seed.parse().expect("a seed is a number"));
        println!("{SEED}={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `least` to `most`, both included.
    pub(super) fn from(&mut self, least: u32, most: u32) -> u32 {
        least + u32::try_from(self.next() % u64::from(most - least + 1)).expect("no more than the range is wide")
    }

    /// So many times in a hundred.
    pub(super) fn percent(&mut self, times: u32) -> bool {
        self.from(1, 100) <= times
    }

    /// One of them.
    pub(super) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.from(0, u32::try_from(of.len()).expect("few") - 1) as usize]
    }

    /// A number of as many bits as lie in the range, each count as likely: small ones come as often as huge ones.
    pub(super) fn number(&mut self, least_bits: u32, most_bits: u32) -> U256 {
        let bits = self.from(least_bits, most_bits) as usize;
        let words = U256([self.next(), self.next(), self.next(), self.next()]);
        let top = U256::one() << (bits - 1);
        words % top + top
    }
}
