//! Typed aggregates above the untyped store: load, decide, append, and again where another writer was faster.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::{Append, Appended, EventStore, Expected, IdempotencyKey, Snapshot, StoreError, StreamAppend};
use crate::domain::{Aggregate, DecodeError, DomainEvent, Metadata, NewEvent, RecordedEvent, StreamId};
use crate::platform::ids::jitter;

/// How often a command is tried before a conflict is the caller's.
const ATTEMPTS: u32 = 8;
/// A snapshot is kept every so many events.
const SNAPSHOT_EVERY: i32 = 100;

/// The aggregates of one kind.
pub struct Repository<A> {
    store: Arc<dyn EventStore>,
    kind: PhantomData<fn() -> A>,
}

/// An aggregate at a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<A> {
    /// Its state.
    pub state: A,
    /// The version of the last event in it; 0 for none.
    pub version: i32,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    /// The aggregate refuses it.
    #[error(transparent)]
    Refused(E),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stream holds what this code cannot read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl<A: Aggregate> Repository<A> {
    /// The aggregates of kind `A` in `store`.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, kind: PhantomData }
    }

    /// The stream that belongs to `subject`.
    pub fn stream(subject: &str) -> StreamId {
        StreamId::of(A::TYPE, subject)
    }

    /// The aggregate of `subject`, new if nothing has happened to it. One round trip.
    ///
    /// # Errors
    /// The store's, or that of an event that cannot be read.
    pub async fn load(&self, subject: &str) -> Result<Versioned<A>, CommandError<A::Error>> {
        let stream = Self::stream(subject);
        let loaded = self.store.load(&stream, Some(A::SNAPSHOT_SCHEMA)).await?;
        match start_from(loaded.snapshot) {
            Ok(start) => fold(start, &loaded.events),
            Err(error) => {
                tracing::warn!(%stream, %error, "a snapshot that cannot be read is ignored");
                fold(Versioned::default(), &self.store.load(&stream, None).await?.events)
            }
        }
    }

    /// Carries out `command` on the aggregate of `subject`: the events that were appended (those of the first time,
    /// where the idempotency key was seen before), or none if there was nothing to change.
    ///
    /// # Errors
    /// [`CommandError::Refused`] by the aggregate; [`StoreError::Conflict`] if other writers were faster each time.
    pub async fn execute(
        &self,
        subject: &str,
        command: &A::Command,
        metadata: &Metadata,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Vec<RecordedEvent>, CommandError<A::Error>> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.attempt(subject, command, metadata, idempotency.clone()).await {
                Err(CommandError::Store(StoreError::Conflict { stream, .. })) if attempt < ATTEMPTS => {
                    tracing::debug!(%stream, attempt, "another writer was faster; trying again");
                    tokio::time::sleep(jitter(Duration::from_millis(5) * 2_u32.pow(attempt.min(6)))).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(
        &self,
        subject: &str,
        command: &A::Command,
        metadata: &Metadata,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Vec<RecordedEvent>, CommandError<A::Error>> {
        let current = self.load(subject).await?;
        let events = match current.state.decide(command) {
            Ok(events) => events,
            Err(refusal) => return self.first_result(idempotency, refusal).await,
        };
        if events.is_empty() {
            return Ok(vec![]);
        }
        let append = Append {
            streams: vec![StreamAppend {
                stream: Self::stream(subject),
                expected: Expected::Exact(current.version),
                events: events.iter().map(NewEvent::from_domain).collect::<Result<_, _>>()?,
            }],
            metadata: metadata.clone(),
            idempotency,
        };
        let appended = self.store.append(&append).await?;
        self.snapshot_if_due(current, &appended).await;
        Ok(appended.events)
    }

    /// A command that is refused now may have been accepted before, under the same key: then that is the answer.
    async fn first_result(
        &self,
        idempotency: Option<IdempotencyKey>,
        refusal: A::Error,
    ) -> Result<Vec<RecordedEvent>, CommandError<A::Error>> {
        if let Some(key) = idempotency
            && let Some(first) = self.store.appended_under(&key).await?
        {
            return Ok(first.events);
        }
        Err(CommandError::Refused(refusal))
    }

    /// A snapshot that fails costs time at the next load, nothing else.
    async fn snapshot_if_due(&self, before: Versioned<A>, appended: &Appended) {
        let last = appended.events.last().map_or(0, |event| event.event_version);
        if appended.replayed || before.version / SNAPSHOT_EVERY == last / SNAPSHOT_EVERY {
            return;
        }
        let Ok(after) = fold::<A>(before, &appended.events) else { return };
        let Ok(state) = serde_json::to_value(&after.state) else { return };
        let snapshot = Snapshot { version: after.version, schema_version: A::SNAPSHOT_SCHEMA, state };
        let stream = &appended.events[0].stream;
        if let Err(error) = self.store.save_snapshot(stream, &snapshot).await {
            tracing::warn!(%stream, %error, "the snapshot was not kept");
        }
    }
}

impl<A: Default> Default for Versioned<A> {
    fn default() -> Self {
        Self { state: A::default(), version: 0 }
    }
}

fn start_from<A: Aggregate>(snapshot: Option<Snapshot>) -> Result<Versioned<A>, serde_json::Error> {
    let Some(Snapshot { version, state, .. }) = snapshot else { return Ok(Versioned::default()) };
    Ok(Versioned { state: serde_json::from_value(state)?, version })
}

fn fold<A: Aggregate>(
    mut aggregate: Versioned<A>,
    events: &[RecordedEvent],
) -> Result<Versioned<A>, CommandError<A::Error>> {
    for event in events {
        let decoded = A::Event::decode(&event.event_type, event.schema_version, &event.data)?;
        aggregate.state.apply(&decoded, event.metadata.occurred_at);
        aggregate.version = event.event_version;
    }
    Ok(aggregate)
}
