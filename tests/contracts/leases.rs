//! What leases promise. Time is handed in, so nothing waits.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::contracts::build::at;
use crate::contracts::{Fixture, contract};

contract!(
    a_lease_has_one_holder,
    an_expired_lease_can_be_taken,
    a_holder_extends_its_lease,
    a_lease_is_released_by_its_holder_only,
    leases_of_other_names_are_independent,
    of_many_that_ask_at_once_one_gets_it,
);

const TTL: Duration = Duration::from_secs(60);

async fn a_lease_has_one_holder(fixture: Fixture) {
    assert!(fixture.store.acquire("poll", "a", at(0), TTL).await.unwrap());
    assert!(!fixture.store.acquire("poll", "b", at(59), TTL).await.unwrap());
}

async fn an_expired_lease_can_be_taken(fixture: Fixture) {
    assert!(fixture.store.acquire("poll", "a", at(0), TTL).await.unwrap());
    assert!(fixture.store.acquire("poll", "b", at(60), TTL).await.unwrap());
    assert!(!fixture.store.acquire("poll", "a", at(61), TTL).await.unwrap());
}

async fn a_holder_extends_its_lease(fixture: Fixture) {
    assert!(fixture.store.acquire("poll", "a", at(0), TTL).await.unwrap());
    assert!(fixture.store.acquire("poll", "a", at(50), TTL).await.unwrap());
    assert!(!fixture.store.acquire("poll", "b", at(100), TTL).await.unwrap());
    assert!(fixture.store.acquire("poll", "b", at(110), TTL).await.unwrap());
}

async fn a_lease_is_released_by_its_holder_only(fixture: Fixture) {
    assert!(fixture.store.acquire("poll", "a", at(0), TTL).await.unwrap());
    fixture.store.release("poll", "b").await.unwrap();
    assert!(!fixture.store.acquire("poll", "b", at(1), TTL).await.unwrap());
    fixture.store.release("poll", "a").await.unwrap();
    assert!(fixture.store.acquire("poll", "b", at(1), TTL).await.unwrap());
    fixture.store.release("unknown", "a").await.unwrap();
}

async fn leases_of_other_names_are_independent(fixture: Fixture) {
    assert!(fixture.store.acquire("poll", "a", at(0), TTL).await.unwrap());
    assert!(fixture.store.acquire("relay", "b", at(0), TTL).await.unwrap());
}

async fn of_many_that_ask_at_once_one_gets_it(fixture: Fixture) {
    let mut holders = JoinSet::new();
    for n in 0..20 {
        let store = fixture.store.clone();
        holders.spawn(async move { store.acquire("poll", &format!("h{n}"), at(0), TTL).await.unwrap() });
    }
    assert_eq!(holders.join_all().await.into_iter().filter(|got| *got).count(), 1);
}
