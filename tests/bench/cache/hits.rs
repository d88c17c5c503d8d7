//! A hit in memory: ours, with nothing behind the memory tier and with a Redis there, beside moka alone.
//!
//! moka holds the decoded value and nothing else. Ours finds an entry in a moka of the same bound, sees whether it
//! expired or was invalidated, gives the value decoded, and counts the hit; with a Redis it asks once a second what was
//! invalidated. One thread, interleaved rounds, the best of each side.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mcp_core::breaker::Breakers;
use mcp_core::cache::{Cache, Companion, EntryOptions, MemoryTier, TierOptions};
use mcp_core::platform::clock::{Clock, SystemClock};
use support::budget::{Figure, Report};
use support::services::redis_prefix;

use crate::DAY;

const ROUNDS: usize = 9;
const KEYS: u32 = 1_000;
const PASSES: u32 = 1_000;
/// More than the values take.
const BYTES: u64 = 64 << 20;

pub(crate) async fn measure(report: &mut Report) {
    let keys: Vec<_> = (0..KEYS).map(|number| format!("hit:1:{number:04}")).collect();
    let value = "v".repeat(32);
    let (in_memory, before_redis) = (in_memory(), before_redis());
    for cache in [&in_memory, &before_redis] {
        let values = keys.iter().map(|key| (key.clone(), value.clone()));
        cache.put_values(values, &EntryOptions::lasting(DAY, DAY)).await;
    }
    let moka = moka::sync::Cache::builder()
        .max_capacity(BYTES)
        .weigher(|key: &String, value: &Arc<String>| u32::try_from(key.len() + value.len()).unwrap())
        .build();
    keys.iter().for_each(|key| moka.insert(key.clone(), Arc::new(value.clone())));

    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        let round = [of_ours(&in_memory, &keys).await, of_ours(&before_redis, &keys).await, of_moka(&moka, &keys)];
        best.iter_mut().zip(round).for_each(|(best, nanos)| *best = best.min(nanos));
    }
    let [in_memory, before_redis, moka] = best;
    println!("a hit in memory before a Redis: {before_redis:.0} ns, ratio to moka alone {:.2}", before_redis / moka);
    report.figure("cache/hit", &Figure::beside(in_memory, "moka alone", moka));
}

fn in_memory() -> Cache {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Cache::new(MemoryTier::new(BYTES, clock.clone()), clock)
}

/// As a process has it.
fn before_redis() -> Cache {
    let breakers = Breakers::new(Arc::new(SystemClock));
    let (tier, options) = (crate::redis_tier(&redis_prefix()), TierOptions::redis());
    let companion = Companion::new(tier.clone(), tier.clone(), &options, &breakers);
    in_memory().before(tier, options, &breakers).beside(companion)
}

/// Nanoseconds a hit.
async fn of_ours(cache: &Cache, keys: &[String]) -> f64 {
    let started = Instant::now();
    for _ in 0..PASSES {
        for key in keys {
            let cached = black_box(cache.get_value::<String>(key).await);
            assert!(cached.is_some_and(|cached| cached.fresh));
        }
    }
    nanos(started)
}

fn of_moka(cache: &moka::sync::Cache<String, Arc<String>>, keys: &[String]) -> f64 {
    let started = Instant::now();
    for _ in 0..PASSES {
        for key in keys {
            assert!(black_box(cache.get(key)).is_some());
        }
    }
    nanos(started)
}

fn nanos(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e9 / f64::from(KEYS * PASSES)
}
