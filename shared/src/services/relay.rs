//! The outbox relay, the only publisher: leases streams with unpublished events, publishes what is missing of each in
//! version order and of all at once, and notes how far it came.
//!
//! Why first occurrences are in order, however many relays run and wherever one dies: each starts at the
//! `published_version` that it read, and publishes without a hole from there; the version moves only after the
//! acknowledgement, and only from where the relay found it. What two publish, or one publishes again after a crash, are
//! duplicates behind a first occurrence. The leases only keep relays from doing the same work.

mod meter;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;
use tokio::time::timeout;
use uuid::Uuid;

use super::Error;
use crate::bus::event_message::to_message;
use crate::bus::{BusError, Publisher, Topics};
use crate::domain::RecordedEvent;
use crate::platform::clock::{Clock, Timestamp, delta};
use crate::platform::crash;
use crate::store::{LaggingStream, Published, Store, StreamPosition};

pub use meter::RelayMeter;

/// Streams of one round.
const STREAMS: u32 = 200;
/// Events of one round: what bounds the memory, whatever the backlog.
const EVENTS: usize = 1000;
/// How long the acknowledgements of one round may take.
const PUBLISHING: Duration = Duration::from_secs(10);
/// What a round may take: three deadlines of the store, and the bus's. Less time is none.
const ROUND: Duration = Duration::from_secs(26);
/// How long a stream is claimed: longer than any round.
const LEASE: Duration = Duration::from_secs(30);

/// The relay.
pub struct Relay {
    /// Where the events are.
    pub store: Arc<dyn Store>,
    /// Where they go.
    pub bus: Arc<dyn Publisher>,
    /// Under which topics.
    pub topics: Topics,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What it did.
    pub meter: Arc<RelayMeter>,
}

/// What a run did, and what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelaySummary {
    /// Events that were published.
    pub published: u64,
    /// Rounds that were made.
    pub rounds: u32,
    /// Events that are left; `None` where the store could not be asked.
    pub backlog_events: Option<u64>,
    /// How old the oldest of them is, in milliseconds.
    pub backlog_age_ms: Option<u64>,
}

/// What a round did.
struct Round {
    published: usize,
    failure: Option<BusError>,
}

impl Relay {
    /// Publishes until nothing is left, or no further round could end by `deadline`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the store or the bus does not answer; what was published until then stays so.
    /// [`Error::TooShort`] where not even one round fits.
    pub async fn run(&self, deadline: Timestamp) -> Result<RelaySummary, Error> {
        let mut summary = RelaySummary::default();
        if !self.fits(deadline) {
            return Err(Error::TooShort(ROUND));
        }
        let outcome = self.drain(deadline, &mut summary).await;
        let left = (deadline - self.clock.now()).to_std().unwrap_or_default();
        if timeout(left, self.take_stock(&mut summary)).await.is_err() {
            tracing::warn!("there was no time left to count the backlog of the outbox");
        }
        self.meter.failed.fetch_add(u64::from(outcome.is_err()), Ordering::Relaxed);
        outcome.map(|()| summary)
    }

    async fn drain(&self, deadline: Timestamp, summary: &mut RelaySummary) -> Result<(), Error> {
        while self.fits(deadline) {
            let leased = self.store.lease_lagging(STREAMS, self.clock.now(), LEASE).await?;
            if leased.is_empty() {
                break;
            }
            crash::point("relay.leased");
            let round = self.round(&leased).await?;
            summary.rounds += 1;
            summary.published += round.published as u64;
            self.meter.published.fetch_add(round.published as u64, Ordering::Relaxed);
            if let Some(failure) = round.failure {
                tracing::warn!(error = %failure, published = round.published, "the bus did not take every event");
                if failure.is_transient() {
                    return Err(Error::Unavailable { service: "kafka".to_owned(), retry_after: None });
                }
            }
            // What is left is what does not move: the same again would come of it.
            if round.published == 0 {
                break;
            }
        }
        Ok(())
    }

    fn fits(&self, deadline: Timestamp) -> bool {
        self.clock.now() + delta(ROUND) <= deadline
    }

    async fn round(&self, leased: &[LaggingStream]) -> Result<Round, Error> {
        let events = self.read(leased).await?;
        crash::point("relay.read");
        let messages = events.iter().map(|event| to_message(event, &self.topics)).collect::<Result<Vec<_>, _>>();
        let messages = messages.map_err(|error| Error::Internal(format!("an event cannot be written: {error}")))?;
        let results = self.bus.publish(messages, PUBLISHING).await;
        crash::point("relay.acknowledged");
        // Of each stream, up to the first that is not acknowledged.
        let mut reached: HashMap<Uuid, i32> = HashMap::new();
        let mut failure = None;
        let mut broken = vec![];
        for (event, result) in events.iter().zip(results) {
            let stream = event.stream.aggregate_id;
            match result {
                Ok(()) if !broken.contains(&stream) => _ = reached.insert(stream, event.event_version),
                Ok(()) => {}
                Err(error) => {
                    broken.push(stream);
                    failure.get_or_insert(error);
                }
            }
        }
        let done = |stream: &LaggingStream| Published {
            stream: stream.stream.clone(),
            from: stream.published_version,
            to: reached.get(&stream.stream.aggregate_id).copied().unwrap_or(stream.published_version),
            lease_until: stream.lease_until,
        };
        let done: Vec<_> = leased.iter().map(done).collect();
        let published = done.iter().map(|done| usize::try_from(done.to - done.from).unwrap_or(0)).sum();
        self.store.advance(&done).await?;
        crash::point("relay.advanced");
        Ok(Round { published, failure })
    }

    /// What is missing of each stream, without a hole, in one round trip.
    async fn read(&self, leased: &[LaggingStream]) -> Result<Vec<RecordedEvent>, Error> {
        let position = |stream: &LaggingStream| StreamPosition {
            aggregate_id: stream.stream.aggregate_id,
            after: stream.published_version,
        };
        let positions: Vec<_> = leased.iter().map(position).collect();
        let per_stream = u32::try_from(EVENTS / leased.len().max(1)).unwrap_or(1).max(1);
        let events = self.store.read_streams(&positions, per_stream).await?;
        let mut next: HashMap<Uuid, i32> =
            leased.iter().map(|stream| (stream.stream.aggregate_id, stream.published_version + 1)).collect();
        let mut torn = BTreeSet::new();
        let mut whole = Vec::with_capacity(events.len());
        for event in events {
            match next.get_mut(&event.stream.aggregate_id) {
                Some(next) if *next == event.event_version => {
                    *next += 1;
                    whole.push(event);
                }
                _ => _ = torn.insert(event.stream.to_string()),
            }
        }
        for stream in torn {
            tracing::error!(stream, "a stream has a hole; what comes after it is not published");
        }
        Ok(whole)
    }

    /// Says how much is left. That it cannot be counted is no failure of the run.
    async fn take_stock(&self, summary: &mut RelaySummary) {
        match self.store.backlog().await {
            Ok(backlog) => {
                let age = backlog.oldest.map_or(TimeDelta::zero(), |oldest| self.clock.now() - oldest);
                let backlog_age_ms = u64::try_from(age.num_milliseconds()).unwrap_or(0);
                summary.backlog_events = Some(backlog.events);
                summary.backlog_age_ms = Some(backlog_age_ms);
                self.meter.backlog.store(backlog.events, Ordering::Relaxed);
                self.meter.backlog_ms.store(backlog_age_ms, Ordering::Relaxed);
                let RelaySummary { published, rounds, .. } = *summary;
                let (backlog_events, backlog_streams) = (backlog.events, backlog.streams);
                if published > 0 || backlog_events > 0 {
                    tracing::info!(published, rounds, backlog_events, backlog_streams, backlog_age_ms, "relayed");
                }
            }
            Err(error) => tracing::warn!(%error, "the backlog of the outbox cannot be counted"),
        }
    }
}
