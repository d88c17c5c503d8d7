//! Ten keys from Redis in one round trip: the tier beside redis-rs alone, with more and more requests in flight.
//!
//! Both send the same MGET over one multiplexed connection and get the same bytes. The tier builds its keys, decodes
//! entries and minds its deadline and failures as well. Rounds are interleaved; the medians count.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use mcp_core::cache::{CacheTier, Entry};
use support::services::{redis_prefix, redis_url};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(400);
const KEYS: usize = 10;
const IN_FLIGHT: [u32; 3] = [1, 16, 64];

pub(crate) async fn measure() {
    let prefix = redis_prefix();
    let keys: Arc<[String]> = (0..KEYS).map(|number| format!("many:1:{number}")).collect();
    let tier = crate::redis_tier(&prefix);
    let entries: Vec<_> = keys.iter().map(|key| (key.clone(), entry())).collect();
    tier.put_many(&entries).await.unwrap();
    let client = redis::Client::open(redis_url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let names: Arc<[String]> = keys.iter().map(|key| format!("{prefix}{key}")).collect();

    let with_tier = move || {
        let (tier, keys) = (tier.clone(), keys.clone());
        async move {
            let entries = tier.get_many(&keys).await.unwrap();
            assert!(entries.iter().all(Option::is_some));
        }
    };
    let with_redis = move || {
        let (mut connection, names) = (connection.clone(), names.clone());
        async move {
            let command = redis::cmd("MGET").arg(&names[..]).take();
            let values: Vec<Option<Vec<u8>>> = command.query_async(&mut connection).await.unwrap();
            assert!(values.iter().all(Option::is_some));
        }
    };
    println!("{KEYS} keys from Redis:");
    for in_flight in IN_FLIGHT {
        let (mut of_tier, mut of_redis) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            of_tier.push(rate(in_flight, &with_tier).await);
            of_redis.push(rate(in_flight, &with_redis).await);
        }
        let (of_tier, of_redis) = (median(of_tier), median(of_redis));
        let ratio = of_tier / of_redis;
        println!("  {in_flight:>2} in flight: {of_tier:.0}/s, redis-rs alone {of_redis:.0}/s, ratio {ratio:.2}");
    }
}

fn entry() -> Entry {
    let now = Utc::now();
    let (fresh_until, expires_at) = (now + TimeDelta::minutes(5), now + TimeDelta::minutes(10));
    Entry { value: vec![b'v'; 32].into(), fresh_until, expires_at, tags: vec![] }
}

/// Requests a second, with every caller busy.
async fn rate<F>(in_flight: u32, request: &(impl Fn() -> F + Clone + Send + Sync + 'static)) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let started = Instant::now();
    let callers = (0..in_flight).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let mut answered = 0_u32;
            while started.elapsed() < ROUND {
                request().await;
                answered += 1;
            }
            answered
        })
    });
    let mut answered = 0;
    for caller in callers.collect::<Vec<_>>() {
        answered += caller.await.unwrap();
    }
    f64::from(answered) / started.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
