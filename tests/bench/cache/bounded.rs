//! The hit rate of a memory tier that holds a tenth of the data, where keys are asked for by Zipf's law: ours beside
//! moka alone, and beside the best there can be, which is to hold the keys that are asked for most.
//!
//! Both see the same look-ups, put what they miss, and have the same bound. moka weighs entries as the tier does, so
//! that both hold as many, and which ones is what makes the difference. Both rates include filling an empty cache.

use std::sync::Arc;

use mcp_core::cache::{Cache, EntryOptions, MemoryTier};
use mcp_core::platform::clock::{Clock, SystemClock};
use support::budget::{Figure, Report};

use crate::DAY;

const SEED: u64 = 0x5eed;
const LOOK_UPS: usize = 1_000_000;
const KEYS: u32 = 100_000;
const EXPONENT: f64 = 0.99;
/// The length of a value.
const VALUE: u32 = 200;
/// What an entry weighs in the tier: its key; twice its value, with three bytes before it; 64 for the stamp of its family;
/// and 160 for the rest.
const WEIGHT: u32 = 13 + 2 * (VALUE + 3) + 64 + 160;
/// What fits.
const HELD: u32 = KEYS / 10;

pub(crate) async fn measure(report: &mut Report) {
    let keys: Vec<_> = (0..KEYS).map(|number| format!("zipf:1:{number:06}")).collect();
    let zipf = Zipf::new();
    let mut random = SplitMix64(SEED);
    let look_ups: Vec<_> = (0..LOOK_UPS).map(|_| keys[zipf.rank(random.fraction())].as_str()).collect();
    let (ours, moka) = (of_ours(&keys, &look_ups).await, of_moka(&look_ups));
    let best = zipf.cumulative[HELD as usize - 1];
    println!("{LOOK_UPS} look-ups of {KEYS} keys, Zipf {EXPONENT}, seed {SEED:#x}, room for {HELD}:");
    println!("  hit rate {ours:.4}, moka alone {moka:.4}, at best {best:.4}");
    println!("  ratio to moka alone {:.3}, to the best {:.3}", ours / moka, ours / best);
    report.figure("cache/hit_rate", &Figure::beside(ours, "moka alone", moka));
}

async fn of_ours(keys: &[String], look_ups: &[&str]) -> f64 {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let cache = Cache::new(MemoryTier::new(u64::from(WEIGHT * HELD), clock.clone()), clock);
    let options = EntryOptions::lasting(DAY, DAY);
    let mut hits = 0;
    for key in look_ups {
        if cache.get_value::<String>(key).await.is_some() {
            hits += 1;
        } else {
            cache.put_values([((*key).to_owned(), "v".repeat(VALUE as usize))], &options).await;
        }
    }
    let mut held = 0;
    for key in keys {
        held += u32::from(cache.get_value::<String>(key).await.is_some());
    }
    assert!(held.abs_diff(HELD) < HELD / 20, "the tier weighs entries otherwise by now: it holds {held} of {HELD}");
    share(hits, look_ups)
}

fn of_moka(look_ups: &[&str]) -> f64 {
    let cache = moka::sync::Cache::builder()
        .max_capacity(u64::from(WEIGHT * HELD))
        .weigher(|_: &String, _: &Arc<String>| WEIGHT)
        .build();
    let mut hits = 0;
    for key in look_ups {
        if cache.get(*key).is_some() {
            hits += 1;
        } else {
            cache.insert((*key).to_owned(), Arc::new("v".repeat(VALUE as usize)));
        }
    }
    share(hits, look_ups)
}

fn share(hits: u32, look_ups: &[&str]) -> f64 {
    f64::from(hits) / f64::from(u32::try_from(look_ups.len()).unwrap())
}

/// The n-th key is asked for in proportion to n to the power of -`EXPONENT`.
struct Zipf {
    /// How often one of the first n keys is asked for.
    cumulative: Vec<f64>,
}

impl Zipf {
    fn new() -> Self {
        let weights = (1..=KEYS).map(|rank| f64::from(rank).powf(-EXPONENT));
        let sum: f64 = weights.clone().sum();
        let add = |so_far: &mut f64, weight: f64| {
            *so_far += weight / sum;
            Some(*so_far)
        };
        Self { cumulative: weights.scan(0.0, add).collect() }
    }

    /// The rank, from 0, that belongs to a number from 0 to 1: the inverse of the distribution.
    fn rank(&self, fraction: f64) -> usize {
        self.cumulative.partition_point(|&share| share <= fraction).min(self.cumulative.len() - 1)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014), so that every run has the same look-ups.
struct SplitMix64(u64);

impl SplitMix64 {
    /// At least 0 and below 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        f64::from(u32::try_from(mixed >> 32).unwrap()) / (f64::from(u32::MAX) + 1.0)
    }
}
