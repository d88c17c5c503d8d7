//! The projector: events from the bus into the read models.
//!
//! Every event that comes is applied, whatever came before: a row is only written over an older one, so duplicates,
//! replays and late ones change nothing newer. How far each stream is projected without a hole is kept beside the rows;
//! where the next event would leave one, the stream is first caught up from the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::consume::{Handler, Outcome};
use crate::bus::Record;
use crate::bus::dead_letter::Poison;
use crate::bus::event_message::from_record;
use crate::domain::RecordedEvent;
use crate::domain::projection::Changes;
use crate::platform::BoxFuture;
use crate::platform::crash;
use crate::platform::trace::is_sampled;
use crate::store::{Store, StoreError, StreamPosition};

/// Streams that are caught up at once, and events that are read for it at once.
const STREAMS: usize = 100;
const EVENTS: usize = 2000;

/// The name of the function that projects.
pub const FUNCTION: &str = "event-projector";

/// The projector.
pub struct Projector {
    /// Where the events are, and the read models.
    pub store: Arc<dyn Store>,
}

/// An event, and the place of its record.
type Placed = (usize, RecordedEvent);

impl Handler for Projector {
    fn function(&self) -> &'static str {
        FUNCTION
    }

    fn handle<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mut outcomes = vec![Outcome::Done; records.len()];
            let (mut events, mut changes) = (vec![], Changes::default());
            let mut seen = BTreeSet::new();
            for (place, record) in records.iter().enumerate() {
                match from_record(record) {
                    // The same event again, within one batch.
                    Ok(event) if !seen.insert(event.id) => {}
                    Ok(event) => match changes.add(&event) {
                        Ok(()) => events.push((place, event)),
                        Err(error) => outcomes[place] = Outcome::Poison(error.into()),
                    },
                    Err(poison) => outcomes[place] = Outcome::Poison(poison),
                }
            }
            match self.project(events, changes).await {
                Ok(poisoned) => {
                    for (place, poison) in poisoned {
                        outcomes[place] = Outcome::Poison(poison);
                    }
                }
                Err(error) => {
                    let waits = |outcome: Outcome| match outcome {
                        Outcome::Done => Outcome::Transient(error.to_string()),
                        poison => poison,
                    };
                    outcomes = outcomes.into_iter().map(waits).collect();
                }
            }
            crash::point("projector.applied");
            outcomes
        })
    }
}

/// What follows from events. What cannot be read is passed over.
fn changes_of(events: &[Placed]) -> Changes {
    let mut changes = Changes::default();
    for (_, event) in events {
        if let Err(error) = changes.add(event) {
            tracing::warn!(error = Poison::from(error).message, event_id = %event.id, "a stored event cannot be read");
            changes.pass(event);
        }
    }
    changes
}

impl Projector {
    /// Applies events, and what follows from them: those that cannot be, with the reason.
    ///
    /// # Errors
    /// The store's, that may pass or is not of the data; then some may be applied.
    async fn project(&self, events: Vec<Placed>, changes: Changes) -> Result<Vec<(usize, Poison)>, StoreError> {
        if events.is_empty() {
            return Ok(vec![]);
        }
        let known = self.close_holes(&events).await?;
        let mut poisoned = vec![];
        let mut applicable = Vec::with_capacity(events.len());
        for (place, event) in events {
            match known.get(&event.stream.aggregate_id) {
                Some(last) if *last < event.event_version => poisoned.push((place, missing_history(&event, *last))),
                _ => applicable.push((place, event)),
            }
        }
        let changes = if poisoned.is_empty() { changes } else { changes_of(&applicable) };
        poisoned.extend(self.apply(&applicable, changes).await?);
        for (_, event) in applicable.iter().filter(|(_, event)| is_sampled(event.metadata.traceparent.as_deref())) {
            tracing::info!(
                traceparent = event.metadata.traceparent,
                correlation_id = event.metadata.correlation_id,
                event_id = %event.id,
                event_type = event.event_type,
                "projected"
            );
        }
        Ok(poisoned)
    }

    /// Catches up the streams in which `events` would leave a hole. For those that could not be caught up, the version
    /// of the last event that the store has.
    async fn close_holes(&self, events: &[Placed]) -> Result<HashMap<Uuid, i32>, StoreError> {
        let mut versions: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (_, event) in events {
            versions.entry(event.stream.aggregate_id).or_default().insert(event.event_version);
        }
        let streams: Vec<_> = versions.keys().copied().collect();
        let projected = self.store.projected_versions(&streams).await?;
        let mut behind = BTreeMap::new();
        for (stream, versions) in versions {
            let projected = projected.get(&stream).copied().unwrap_or(0);
            let newer: Vec<_> = versions.range(projected + 1..).copied().collect();
            let expected = projected + 1..;
            if let Some(last) = newer.last()
                && !newer.iter().copied().eq(expected.take(newer.len()))
            {
                behind.insert(stream, Behind { at: projected, wanted: *last });
            }
        }
        self.catch_up(behind).await
    }

    async fn catch_up(&self, mut behind: BTreeMap<Uuid, Behind>) -> Result<HashMap<Uuid, i32>, StoreError> {
        let mut incomplete = HashMap::new();
        while !behind.is_empty() {
            let positions: Vec<_> = behind
                .iter()
                .take(STREAMS)
                .map(|(stream, behind)| StreamPosition { aggregate_id: *stream, after: behind.at })
                .collect();
            let per_stream = u32::try_from(EVENTS / positions.len()).unwrap_or(1);
            tracing::info!(streams = positions.len(), "streams are caught up from the store");
            let events = self.store.read_streams(&positions, per_stream).await?;
            let mut reached: HashMap<Uuid, i32> = HashMap::new();
            for event in &events {
                reached.insert(event.stream.aggregate_id, event.event_version);
            }
            self.apply_stored(events).await?;
            for StreamPosition { aggregate_id, after } in positions {
                let at = reached.get(&aggregate_id).copied().unwrap_or(after);
                let Some(stream) = behind.get_mut(&aggregate_id) else { continue };
                if at == after {
                    incomplete.insert(aggregate_id, at);
                }
                stream.at = at;
                if at == after || at >= stream.wanted {
                    behind.remove(&aggregate_id);
                }
            }
        }
        Ok(incomplete)
    }

    /// Applies what the store has. What cannot be read or written is passed over: it became a dead letter when it came,
    /// or will.
    async fn apply_stored(&self, events: Vec<RecordedEvent>) -> Result<(), StoreError> {
        let events: Vec<Placed> = events.into_iter().enumerate().collect();
        let refused = self.apply(&events, changes_of(&events)).await?;
        let mut passed = Changes::default();
        for (_, event) in refused.iter().filter_map(|(place, _)| events.get(*place)) {
            passed.pass(event);
        }
        if passed.is_empty() { Ok(()) } else { self.store.apply_changes(&passed).await }
    }

    /// Applies events in as few writes as the data allow: where the store cannot take a value, the halves are tried,
    /// down to the one that holds it.
    async fn apply(&self, events: &[Placed], changes: Changes) -> Result<Vec<(usize, Poison)>, StoreError> {
        if changes.is_empty() {
            return Ok(vec![]);
        }
        match (self.store.apply_changes(&changes).await, events) {
            (Ok(()), _) => Ok(vec![]),
            (Err(StoreError::Invalid(message)), [(place, _)]) => {
                Ok(vec![(*place, Poison { kind: "Unstorable", message })])
            }
            (Err(StoreError::Invalid(_)), _) => {
                let (first, rest) = events.split_at(events.len() / 2);
                let mut poisoned = Box::pin(self.apply(first, changes_of(first))).await?;
                poisoned.extend(Box::pin(self.apply(rest, changes_of(rest))).await?);
                Ok(poisoned)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// How far a stream is projected, and how far it should be.
struct Behind {
    at: i32,
    wanted: i32,
}

fn missing_history(event: &RecordedEvent, last: i32) -> Poison {
    Poison {
        kind: "MissingHistory",
        message: format!(
            "version {} of stream {}: the store has only {last} events of it",
            event.event_version, event.stream
        ),
    }
}
