//! A batch of records for a handler: partitions at once, the records of each in order, until one has to wait.
//!
//! What can never be handled becomes a dead letter and blocks nothing. What cannot be handled now stops its partition
//! there, and is reported, so that it comes again. A dead letter that cannot be written is of the second kind: no record
//! is lost. Duplicates, and records that come again after they were handled, are the handler's to absorb.

mod meter;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::bus::dead_letter::{Poison, dead_letter};
use crate::bus::event_message::TRACEPARENT;
use crate::bus::{Publisher, Record, topics};
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, Timestamp};
use crate::platform::{crash, trace};

pub use meter::ConsumeMeter;

/// How many partitions are handled at once: as many as a function has connections to its database.
const PARTITIONS: usize = 4;
/// How many records a handler is given at once.
const AT_ONCE: usize = 2000;
/// How long a handler may take over what it is given, unless it says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long dead letters may take.
const BURIAL: Duration = Duration::from_secs(5);

/// What a function does with records.
pub trait Handler: Send + Sync {
    /// The function's name.
    fn function(&self) -> &'static str;

    /// How long it may take over what it is given.
    fn patience(&self) -> Duration {
        PATIENCE
    }

    /// Handles records of one partition, in order: one outcome each. It may be given up at any moment, and given the
    /// same records again.
    fn handle<'a>(&'a self, records: &'a [Record]) -> BoxFuture<'a, Vec<Outcome>>;
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was handled.
    Done,
    /// It can never be handled.
    Poison(Poison),
    /// It cannot be handled now.
    Transient(String),
}

/// Gives batches to a handler.
pub struct BatchConsumer {
    /// Who handles the records.
    pub handler: Arc<dyn Handler>,
    /// Where dead letters go; `None` for a handler that finds no record poisonous.
    pub dead_letters: Option<Arc<dyn Publisher>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What became of records.
    pub meter: Arc<ConsumeMeter>,
}

impl BatchConsumer {
    /// Gives batches to `handler`.
    pub fn new(handler: Arc<dyn Handler>, dead_letters: Option<Arc<dyn Publisher>>, clock: Arc<dyn Clock>) -> Self {
        let meter = Arc::new(ConsumeMeter::of(handler.function()));
        Self { handler, dead_letters, clock, meter }
    }

    /// Handles each partition's records. For each, in the order given, the offset to come again from, if any.
    pub async fn consume(&self, partitions: &[Vec<Record>], deadline: Timestamp) -> Vec<Option<i64>> {
        let turns = Semaphore::new(PARTITIONS);
        join_all(partitions.iter().map(|records| self.partition(records, deadline, &turns))).await
    }

    async fn partition(&self, records: &[Record], deadline: Timestamp, turns: &Semaphore) -> Option<i64> {
        let first = records.first()?;
        // Nobody closes it.
        let _turn = turns.acquire().await.ok();
        let span = tracing::info_span!("kafka.consume", topic = first.topic, partition = first.partition);
        trace::join(&span, records.iter().filter_map(|record| record.header_text(TRACEPARENT)));
        let started = Instant::now();
        let stopped = async {
            for records in records.chunks(AT_ONCE) {
                if let Err((place, problem)) = self.chunk(records, deadline).await {
                    let offset = records.get(place)?.offset;
                    tracing::warn!(offset, problem, "a record has to wait; the partition stops there");
                    return Some(offset);
                }
            }
            None
        }
        .instrument(span)
        .await;
        self.meter.took(&first.topic, started.elapsed());
        stopped
    }

    /// # Errors
    /// The place of the first record that has to wait, and why.
    async fn chunk(&self, records: &[Record], deadline: Timestamp) -> Result<(), (usize, String)> {
        let outcomes = self.handle(records, deadline).await;
        if let Some(first) = records.first() {
            self.meter.counted(&first.topic, &outcomes);
        }
        let mut poisoned = vec![];
        let mut stop = Ok(());
        for (place, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Done => {}
                Outcome::Poison(poison) => poisoned.push((place, poison)),
                Outcome::Transient(problem) => {
                    stop = Err((place, problem));
                    break;
                }
            }
        }
        self.bury(records, poisoned, deadline).await?;
        stop
    }

    /// The outcomes: of all records, or up to one that has to wait. Where the handler takes too long over many, it is
    /// given half of them, so that one slow record does not hold back those before it.
    async fn handle(&self, records: &[Record], deadline: Timestamp) -> Vec<Outcome> {
        let left = (deadline - self.clock.now()).to_std().unwrap_or_default();
        if left.is_zero() {
            return vec![Outcome::Transient("the time of the invocation is over".to_owned())];
        }
        match timeout(left.min(self.handler.patience()), self.handler.handle(records)).await {
            Ok(outcomes) => outcomes,
            Err(_) if records.len() > 1 => {
                let (first, rest) = records.split_at(records.len() / 2);
                let mut outcomes = Box::pin(self.handle(first, deadline)).await;
                if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Transient(_))) {
                    outcomes.extend(Box::pin(self.handle(rest, deadline)).await);
                }
                outcomes
            }
            Err(_) => vec![Outcome::Transient("the handler took too long".to_owned())],
        }
    }

    /// Publishes dead letters.
    ///
    /// # Errors
    /// The place of the first record whose letter was not taken.
    async fn bury(
        &self,
        records: &[Record],
        poisoned: Vec<(usize, Poison)>,
        deadline: Timestamp,
    ) -> Result<(), (usize, String)> {
        if poisoned.is_empty() {
            return Ok(());
        }
        let letters = poisoned.iter().filter_map(|(place, poison)| {
            let record = records.get(*place)?;
            tracing::error!(offset = record.offset, kind = poison.kind, error = %poison, "a record becomes a dead letter");
            Some(dead_letter(record, poison, &topics::group(self.handler.function(), &record.topic)))
        });
        let Some(dead_letters) = &self.dead_letters else {
            return Err((poisoned[0].0, "it is poisonous, and there is nowhere to put it".to_owned()));
        };
        let left = (deadline + TimeDelta::milliseconds(500) - self.clock.now()).to_std().unwrap_or_default();
        let results = dead_letters.publish(letters.collect(), left.min(BURIAL)).await;
        crash::point("consume.buried");
        for ((place, _), result) in poisoned.iter().zip(results) {
            if let Err(error) = result {
                return Err((*place, format!("its dead letter was not taken: {error}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
