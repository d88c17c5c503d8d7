//! The outbox: each stream's head says which of its events are not yet on the bus.

use std::time::Duration;

use super::StoreError;
use crate::domain::StreamId;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;

/// The heads of streams, as a relay sees them.
///
/// A relay leases lagging streams, publishes what lies between their two versions, and moves `published_version` on.
/// Leases keep relays from doing the same work; they are not what keeps the order. That follows from how each relay
/// goes: it starts at the `published_version` that it read, and publishes without a hole.
pub trait Outbox: Send + Sync {
    /// Claims up to `limit` streams with unpublished events until `now + ttl`, none that another relay holds. Those
    /// that nobody claimed for the longest come first, so that a busy stream never starves another. Two calls at
    /// once never claim the same stream and do not wait for each other.
    fn lease_lagging(
        &self,
        limit: u32,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>>;

    /// Notes what was published, and gives the leases back, those that are still this relay's. `to == from` gives a lease
    /// back without progress.
    ///
    /// The version never moves back: who began at `from`, which is not beyond it, and came to `to` without a hole, has
    /// with everybody else published up to the higher of the two. A stream that is not even at `from` (it was restored
    /// from a backup) is left alone.
    fn advance<'a>(&'a self, published: &'a [Published]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// What is not yet published, in one query.
    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>>;
}

/// A stream with unpublished events, claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaggingStream {
    /// The stream.
    pub stream: StreamId,
    /// The version of the last event that reached the bus.
    pub published_version: i32,
    /// The version of the last event.
    pub version: i32,
    /// Until when it is claimed. Tells this claim from others, too.
    pub lease_until: Timestamp,
}

/// What a relay did with a claimed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The stream.
    pub stream: StreamId,
    /// Its `published_version` when it was claimed.
    pub from: i32,
    /// The version of the last event that is now on the bus, with all before it.
    pub to: i32,
    /// The claim.
    pub lease_until: Timestamp,
}

/// What is not yet on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Events.
    pub events: u64,
    /// Streams that have some.
    pub streams: u64,
    /// When the oldest of them was appended, by the store's clock.
    pub oldest: Option<Timestamp>,
}
