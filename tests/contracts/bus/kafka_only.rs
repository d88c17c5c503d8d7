//! What only a bus on a network can get wrong: it is away, slow, or comes back.

use std::time::{Duration, Instant};

use mcp_core::bus::{Bus, BusError, Publisher};
use support::ports::free_port;

use super::{kafka_at, message};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_away_fails_in_time_and_keeps_nothing_back() {
    let bus = kafka_at(&format!("127.0.0.1:{}", free_port()));
    let started = Instant::now();
    let results = bus.publish(vec![message("t", "k", "v"), message("t", "k", "w")], Duration::from_secs(2)).await;
    assert!(results.iter().all(|result| matches!(result, Err(BusError::Unavailable(_)))), "{results:?}");
    // A generous bound on what must end by itself.
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(matches!(bus.partitions("g", "t").await, Err(BusError::Unavailable(_))));
}
