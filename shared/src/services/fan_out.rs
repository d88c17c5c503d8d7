//! The fan-out: events from the bus to the clients that subscribed to them.
//!
//! An event's topic is its stream. Each operation that is subscribed to it is executed once for all who sent the same and
//! may see the same; its answer goes to each of them. What a client is told of a topic is in the order of versions, as long
//! as the records of a stream come in order. Every version comes once, unless a run ends between the telling and
//! [`Registry::finish`]: by death, or because the registry fails, or nobody can be told; then it comes again. Of topics where
//! only the newest version counts (prices), a client is never told an older one after a newer one.
//!
//! No client holds up the others: each message has a few seconds, and what cannot be sent by then is given up. Of prices, a
//! newer one will come. Of everything else the client would miss something, so it is disconnected; it connects again and asks
//! for what it missed.

mod tally;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::Error;
use super::consume::{Handler, Outcome};
use crate::bus::Record;
use crate::bus::dead_letter::Poison;
use crate::bus::event_message::from_record;
use crate::domain::emotion::{EmotionAggregate, EmotionEvent};
use crate::domain::price::{PriceAggregate, PriceEvent};
use crate::domain::watch::{WatchAggregate, WatchEvent};
use crate::domain::{Aggregate, DecodeError, RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::auth::Role;
use crate::platform::clock::{Clock, after};
use crate::push::{Operation, Poster, Registry};

pub use tally::Tally;
pub use telling::Teller;
pub(super) use telling::{Answer, Told};

/// The name of the function that fans out.
pub const FUNCTION: &str = "subscription-fanout";
/// How long a batch may take, which is long where a topic has a million listeners; and until when messages are tried. A
/// function's time-out is longer.
const PATIENCE: Duration = Duration::from_secs(240);
const TRYING: Duration = Duration::from_secs(230);
/// How many topics, parts of a topic and messages are worked on at once.
const TOPICS: usize = 8;
const SHARDS: usize = 4;
const POSTS: usize = 256;

/// Executes operations for events.
pub trait Renderer: Send + Sync {
    /// What an operation says of an event to callers of that role. It depends on nothing else of the caller.
    fn render<'a>(
        &'a self,
        operation: &'a Operation,
        role: Option<Role>,
        event: &'a Arc<RecordedEvent>,
    ) -> BoxFuture<'a, Rendered>;

    /// What is said of an error: the `errors` of an answer, as JSON.
    fn errors(&self, error: &Error) -> Bytes;
}

/// What an operation says of an event, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rendered {
    /// An answer.
    Answer(Bytes),
    /// It may not run, or no longer: the errors.
    Refused(Bytes),
    /// Nothing.
    Nothing,
}

/// Tells subscribers of events.
pub struct FanOut {
    /// Who tells.
    pub teller: Arc<Teller>,
}

impl Handler for FanOut {
    fn function(&self) -> &'static str {
        FUNCTION
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn handle<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = vec![Outcome::Done; records.len()];
            let mut topics: BTreeMap<Uuid, Topic> = BTreeMap::new();
            for (place, record) in records.iter().enumerate() {
                match read(record) {
                    Ok(Some(event)) => topics.entry(event.stream.aggregate_id).or_default().add(place, event),
                    Ok(None) => {}
                    // Nobody can be told. The store has the event, and the projector makes a dead letter of the record;
                    // this function has no way to the bus.
                    Err(poison) => tracing::error!(
                        topic = record.topic,
                        partition = record.partition,
                        offset = record.offset,
                        kind = poison.kind,
                        error = %poison,
                        "subscribers are not told of a record that cannot be read"
                    ),
                }
            }
            let results: Vec<_> = stream::iter(topics)
                .map(|(id, topic)| async move {
                    let outcome = self.teller.topic(id, &topic.events).await;
                    (topic, outcome)
                })
                .buffer_unordered(TOPICS)
                .collect()
                .await;
            for (topic, outcome) in results {
                if let Err(error) = outcome {
                    for place in topic.places {
                        outcomes[place] = Outcome::Transient(error.to_string());
                    }
                }
            }
            outcomes
        })
    }
}

/// The events of one topic in a batch, and the places of their records.
#[derive(Default)]
struct Topic {
    places: Vec<usize>,
    events: Vec<Arc<RecordedEvent>>,
}

impl Topic {
    fn add(&mut self, place: usize, event: RecordedEvent) {
        self.places.push(place);
        let newer = self.events.last().is_none_or(|last| last.event_version < event.event_version);
        if !newer {
            // It came before, or a newer one did: the same batch again, or a replay.
            return;
        }
        if only_newest(&event.stream) {
            self.events.clear();
        }
        self.events.push(Arc::new(event));
    }
}

/// Whether only the newest version of a topic is of interest.
pub(super) fn only_newest(topic: &StreamId) -> bool {
    topic.aggregate_type == PriceAggregate::TYPE
}

/// The event that a record tells of, if there is a subscription for its kind.
fn read(record: &Record) -> Result<Option<RecordedEvent>, Poison> {
    let event = from_record(record)?;
    let told = is_told(&event)?;
    Ok(told.then_some(event))
}

/// Whether subscribers are told of an event.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn is_told(event: &RecordedEvent) -> Result<bool, DecodeError> {
    match event.stream.aggregate_type.as_str() {
        PriceAggregate::TYPE => event.decode::<PriceEvent>().map(|_| true),
        EmotionAggregate::TYPE => event.decode::<EmotionEvent>().map(|_| true),
        WatchAggregate::TYPE => event.decode().map(|event| !matches!(event, WatchEvent::Scanned(_))),
        _ => Ok(false),
    }
}

#[cfg(test)]
pub(in crate::services) mod testing;
#[cfg(test)]
mod tests;
