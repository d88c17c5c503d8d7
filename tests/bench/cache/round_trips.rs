//! The round trips that reading from Redis takes, by the number of keys: a proxy counts what the tier sends.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use mcp_core::cache::{CacheTier, Entry};
use support::budget::{Figure, Report};
use support::proxy::Proxy;
use support::services::{redis_prefix, redis_url};

const KEYS: [usize; 3] = [1, 10, 100];
const TRIES: usize = 6;

pub(crate) async fn measure(report: &mut Report) {
    let url = redis_url();
    let address = url.trim_start_matches("redis://").split('/').next().expect("an address");
    let proxy = Proxy::to(address).await;
    let tier = crate::redis_tier_at(&format!("redis://{}", proxy.address()), &redis_prefix());
    let mut trips = [0.0; KEYS.len()];
    for (trips, count) in trips.iter_mut().zip(KEYS) {
        let keys: Vec<_> = (0..count).map(|number| format!("trips:1:{number}")).collect();
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), entry())).collect();
        tier.put_many(&entries).await.unwrap();
        // One may come in two pieces on a busy machine; the least counts.
        let mut least = u32::MAX;
        for _ in 0..TRIES {
            let before = proxy.requests();
            assert!(tier.get_many(&keys).await.unwrap().iter().all(Option::is_some));
            least = least.min(u32::try_from(proxy.requests() - before).unwrap());
            // What the connection says by itself is not this request's.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        *trips = f64::from(least);
        println!("{count} keys from Redis: {least} round trips");
    }
    report.figure("cache/round_trips", &Figure::beside(trips[2], "for 1 key", trips[0]));
}

fn entry() -> Entry {
    let now = Utc::now();
    let (fresh_until, expires_at) = (now + TimeDelta::minutes(5), now + TimeDelta::minutes(10));
    Entry { value: vec![b'v'; 32].into(), fresh_until, expires_at, tags: vec![] }
}
