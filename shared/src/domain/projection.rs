//! What each event means for the read models. Pure: events in, changes out; a store writes them.
//!
//! Every change carries the version of the event it follows from, and a store writes it only over an older one, so
//! that duplicates, replays and reordering change nothing.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::aggregate::{Aggregate, DecodeError};
use super::coin::Coin;
use super::emotion::{Emotion, EmotionAggregate, EmotionEvent};
use super::event::RecordedEvent;
use super::memory::{MemoryAggregate, MemoryEvent};
use super::price::{PriceAggregate, PriceEvent, Quote};
use super::transaction::{Submission, TransactionAggregate, TransactionEvent, TransactionState};
use super::watch::{WatchAggregate, WatchEvent};
use crate::platform::clock::Timestamp;

/// The rows that follow from some events. Each row is there once, as the newest event about it leaves it, and in one
/// order for everybody, so that two writers never wait for each other in a circle.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// By the user's emotion stream.
    pub emotions: BTreeMap<Uuid, EmotionChange>,
    /// The newest quote of each coin, with its version.
    pub latest_prices: BTreeMap<Coin, (i32, Quote)>,
    /// Every quote, by coin and version.
    pub price_history: BTreeMap<(Coin, i32), Quote>,
    /// By owner (the user's memory stream) and id.
    pub memories: BTreeMap<(Uuid, Uuid), MemoryChange>,
    /// By the transaction's stream.
    pub transactions: BTreeMap<Uuid, TransactionChange>,
    /// How far each stream is projected with these changes.
    pub streams: BTreeMap<Uuid, i32>,
}

/// A user's emotion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the read model's row")]
pub struct EmotionChange {
    pub version: i32,
    pub user_id: Option<String>,
    pub emotion: Emotion,
    pub points: i32,
    pub updated_at: Timestamp,
}

/// A memory, or the tombstone of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryChange {
    /// The version of the event.
    pub version: i32,
    /// The text and when it was added; `None` for a tombstone, whose text is erased from the read model.
    pub live: Option<(String, Timestamp)>,
}

/// A transaction that was handed in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionChange {
    /// The version of the event.
    pub version: i32,
    /// What was handed in.
    pub submission: Submission,
    /// What became of it.
    pub state: TransactionState,
    /// The number of the block that it is in.
    pub block: Option<u64>,
    /// Why it was rejected, dropped, or failed.
    pub reason: Option<String>,
    /// When that happened.
    pub updated_at: Timestamp,
}

impl Changes {
    /// Takes in what follows from `event`.
    ///
    /// # Errors
    /// [`DecodeError`] where it cannot be read; then nothing is taken in.
    pub fn add(&mut self, event: &RecordedEvent) -> Result<(), DecodeError> {
        let (owner, version) = (event.stream.aggregate_id, event.event_version);
        match event.stream.aggregate_type.as_str() {
            EmotionAggregate::TYPE => {
                let EmotionEvent::Updated(updated) = event.decode()?;
                let change = EmotionChange {
                    version,
                    user_id: event.metadata.user_id.clone(),
                    emotion: updated.new_emotion,
                    points: updated.points,
                    updated_at: event.metadata.occurred_at,
                };
                keep_newest(&mut self.emotions, owner, change, |change| change.version);
            }
            PriceAggregate::TYPE => {
                let PriceEvent::Updated(quote) = event.decode()?;
                self.price_history.insert((quote.coin.clone(), version), quote.clone());
                keep_newest(&mut self.latest_prices, quote.coin.clone(), (version, quote), |(version, _)| *version);
            }
            MemoryAggregate::TYPE => {
                let (id, live) = match event.decode()? {
                    MemoryEvent::Added(added) => (added.memory_id, Some((added.content, event.metadata.occurred_at))),
                    MemoryEvent::Deleted(deleted) => (deleted.memory_id, None),
                };
                let change = MemoryChange { version, live };
                keep_newest(&mut self.memories, (owner, id), change, |change| change.version);
            }
            TransactionAggregate::TYPE => {
                let transaction: TransactionEvent = event.decode()?;
                let change = TransactionChange {
                    version,
                    submission: transaction.submission().clone(),
                    state: transaction.state(),
                    block: transaction.block().map(|block| block.number),
                    reason: transaction.reason().map(ToOwned::to_owned),
                    updated_at: event.metadata.occurred_at,
                };
                keep_newest(&mut self.transactions, owner, change, |change| change.version);
            }
            // Without a read model: whoever wants them reads the topic.
            WatchAggregate::TYPE => _ = event.decode::<WatchEvent>()?,
            _ => return Err(DecodeError::UnknownType { event_type: event.event_type.clone() }),
        }
        self.pass(event);
        Ok(())
    }

    /// Counts `event` as projected without any change: it cannot be read, and what follows it must not wait.
    pub fn pass(&mut self, event: &RecordedEvent) {
        let newest = self.streams.entry(event.stream.aggregate_id).or_insert(0);
        *newest = event.event_version.max(*newest);
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

fn keep_newest<K: Ord, V>(rows: &mut BTreeMap<K, V>, key: K, change: V, version: impl Fn(&V) -> i32) {
    if rows.get(&key).is_none_or(|older| version(older) < version(&change)) {
        rows.insert(key, change);
    }
}

impl MemoryChange {
    /// The text; empty for a tombstone.
    pub fn content(&self) -> &str {
        self.live.as_ref().map_or("", |(content, _)| content)
    }

    /// When it was added.
    pub fn created_at(&self) -> Option<Timestamp> {
        self.live.as_ref().map(|(_, created_at)| *created_at)
    }
}
