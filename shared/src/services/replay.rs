//! Dead letters on their way back: to the topic they came from, or aside for good once they were replayed too often.
//!
//! An offset is a watermark: who commits one has dealt with every record below it. So a letter that a filter leaves out
//! is appended to its topic again, and acknowledged, before the offset behind it is committed; and a run ends where the
//! topic ended when it began, or it would meet those again. A run that dies repeats its last slice the next time: what
//! was replayed twice, consumers absorb. A lease keeps a topic's runs from overlapping.
//!
//! What was dealt with is deleted, too: Kafka forgets after a week how far a group came that has no members.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::bus::dead_letter::{kind, reason, replay, replay_count, set_aside};
use crate::bus::event_message::event_type;
use crate::bus::{Bus, BusError, Message, PartitionState, Record, topics};
use crate::platform::clock::{Clock, Timestamp, delta};
use crate::platform::crash;
use crate::platform::ids::new_id;
use crate::store::Leases;

/// The name of the function that replays.
pub const FUNCTION: &str = "dlq-replay";

/// Letters of one slice: what is repeated at most after a crash.
const SLICE: usize = 100;
/// How long the acknowledgements of a slice may take.
const PUBLISHING: Duration = Duration::from_secs(10);
/// What a slice may take.
const SLICE_TIME: Duration = Duration::from_secs(20);
/// How long a run that died keeps others out.
const LEASE: Duration = Duration::from_secs(45);
/// How often a letter is replayed before it is parked.
const MAX_REPLAYS: u32 = 5;
/// How many letters a run replays unless it is told.
const DEFAULT_MAX: usize = 10_000;

/// Replays dead letters.
pub struct Replayer {
    /// Where the letters are.
    pub bus: Arc<dyn Bus>,
    /// Keeps runs apart.
    pub leases: Arc<dyn Leases>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What to replay.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayRequest {
    /// The topic that the letters came from (`mcp.events`); its topic of dead letters will do, too.
    pub topic: String,
    /// How many letters to replay at most.
    pub max: Option<usize>,
    /// Which letters; all of them if it says nothing.
    #[serde(default)]
    pub filter: ReplayFilter,
    /// Only count, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Another topic than the one that they came from.
    pub to: Option<String>,
}

/// Which letters: those that fit everything that is said here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayFilter {
    /// The type of the event.
    pub event_type: Option<String>,
    /// A part of the error's kind or text.
    pub error: Option<String>,
    /// Died not before this time.
    pub from: Option<Timestamp>,
    /// Died before this time.
    pub until: Option<Timestamp>,
    /// The key.
    pub key: Option<String>,
}

/// What a run did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplaySummary {
    /// Letters that went back to their topic.
    pub replayed: usize,
    /// Letters that the filter left where they are.
    pub skipped: usize,
    /// Letters that were replayed too often, and are parked now.
    pub parked: usize,
    /// Letters that were there at the beginning and were not looked at: the maximum, or the time, was reached.
    pub remaining: i64,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// A dead letter, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub struct DeadLetter {
    pub partition: i32,
    pub offset: i64,
    pub died_at: Option<Timestamp>,
    pub key: Option<String>,
    pub event_type: Option<String>,
    pub kind: Option<String>,
    pub error: Option<String>,
    pub replays: u32,
    pub bytes: usize,
}

/// What is to become of a letter.
enum Fate {
    Replay,
    Skip,
    Park,
}

impl Replayer {
    /// Goes through the letters of a topic that were there at the beginning.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a topic without dead letters, or a target that cannot be one; [`Error::Busy`] while
    /// another run is on; [`Error::Unavailable`]: what was committed until then stays so.
    pub async fn run(&self, request: &ReplayRequest, deadline: Timestamp) -> Result<ReplaySummary, Error> {
        let topic = letters_of(&request.topic);
        let source = topics::source_of(&topic).unwrap_or_default().to_owned();
        let target = request.to.as_deref().unwrap_or(&source);
        if target == topic {
            return Err(Error::Invalid(format!("{target} is where the letters are already")));
        }
        let (lease, holder) = (format!("{FUNCTION}.{topic}"), new_id().to_string());
        if !self.leases.acquire(&lease, &holder, self.clock.now(), LEASE).await? {
            return Err(busy(&topic));
        }
        let run =
            Run { replayer: self, request, topic: &topic, source: &source, target, lease: &lease, holder: &holder };
        let outcome = run.all(deadline).await;
        if let Err(error) = self.leases.release(&lease, &holder).await {
            tracing::warn!(%error, "the lease of a replay is left to run out");
        }
        let summary = outcome?;
        let ReplaySummary { replayed, skipped, parked, remaining, dry_run } = summary;
        tracing::info!(topic, replayed, skipped, parked, remaining, dry_run, "dead letters were replayed");
        Ok(summary)
    }

    /// The letters that a run would go through, at most `max`.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn list(&self, topic: &str, max: usize) -> Result<Vec<DeadLetter>, Error> {
        let topic = letters_of(topic);
        let mut letters = vec![];
        for PartitionState { partition, first, end, committed } in self.partitions(&topic).await? {
            let mut next = committed.unwrap_or(first).max(first);
            while next < end && letters.len() < max {
                let records = self.bus.read(&topic, partition, next, SLICE.min(max - letters.len())).await?;
                let Some(last) = records.last() else { break };
                next = last.offset + 1;
                letters.extend(records.iter().filter(|record| record.offset < end).map(DeadLetter::of));
            }
        }
        Ok(letters)
    }

    async fn partitions(&self, topic: &str) -> Result<Vec<PartitionState>, Error> {
        let partitions = self.bus.partitions(&topics::group(FUNCTION, topic), topic).await?;
        if partitions.is_empty() {
            return Err(Error::Invalid(format!("there is no topic {topic:?}")));
        }
        Ok(partitions)
    }
}

fn busy(topic: &str) -> Error {
    let seconds = LEASE.as_secs();
    Error::Busy(format!("another replay of {topic} is on, or ended without saying so within the last {seconds} s"))
}

/// The topic of dead letters that is meant.
fn letters_of(topic: &str) -> String {
    if topics::source_of(topic).is_some() { topic.to_owned() } else { topics::dead_letters(topic) }
}

struct Run<'a> {
    replayer: &'a Replayer,
    request: &'a ReplayRequest,
    topic: &'a str,
    source: &'a str,
    target: &'a str,
    lease: &'a str,
    holder: &'a str,
}

impl Run<'_> {
    async fn all(&self, deadline: Timestamp) -> Result<ReplaySummary, Error> {
        let mut summary = ReplaySummary { dry_run: self.request.dry_run, ..ReplaySummary::default() };
        let partitions = self.replayer.partitions(self.topic).await?;
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        if !self.goes_on(&summary, deadline) && self.max() > 0 {
            return Err(Error::TooShort(SLICE_TIME));
        }
        for PartitionState { partition, first, end, committed } in &partitions {
            let mut at = committed.unwrap_or(*first).max(*first);
            if at > *first && !self.request.dry_run {
                self.forget(*partition, at).await;
            }
            while at < *end && self.goes_on(&summary, deadline) {
                let read = self.replayer.bus.read(self.topic, *partition, at, SLICE).await?;
                let records: Vec<_> = read.into_iter().filter(|record| record.offset < *end).collect();
                let Some(last) = records.last().map(|record| record.offset) else { break };
                let reached = self.slice(*partition, &records, &mut summary).await?;
                at = reached.unwrap_or(last) + 1;
                if reached.is_some() {
                    break;
                }
            }
            next.insert(*partition, at);
        }
        let left =
            |state: &PartitionState| (state.end - next.get(&state.partition).copied().unwrap_or(state.end)).max(0);
        summary.remaining = partitions.iter().map(left).sum();
        Ok(summary)
    }

    fn goes_on(&self, summary: &ReplaySummary, deadline: Timestamp) -> bool {
        summary.replayed < self.max() && self.replayer.clock.now() + delta(SLICE_TIME) <= deadline
    }

    fn max(&self) -> usize {
        self.request.max.unwrap_or(DEFAULT_MAX)
    }

    /// Deals with records of one partition and commits. The offset of the last one dealt with, where the maximum was
    /// reached before the end.
    async fn slice(
        &self,
        partition: i32,
        records: &[Record],
        summary: &mut ReplaySummary,
    ) -> Result<Option<i64>, Error> {
        let (mut counts, mut messages, mut reached) = (*summary, vec![], None);
        let mut last = -1;
        for record in records {
            if counts.replayed >= self.max() {
                reached = Some(last);
                break;
            }
            last = record.offset;
            messages.push(match self.fate(record) {
                Fate::Replay => {
                    counts.replayed += 1;
                    replay(record, self.target)
                }
                Fate::Skip => {
                    counts.skipped += 1;
                    set_aside(record, self.source, false)
                }
                Fate::Park => {
                    counts.parked += 1;
                    set_aside(record, self.source, true)
                }
            });
        }
        if !self.request.dry_run {
            let refused = self.publish(records, messages).await?;
            counts.replayed -= refused;
            counts.parked += refused;
            crash::point("replay.acknowledged");
            let group = topics::group(FUNCTION, self.topic);
            self.replayer.bus.commit(&group, self.topic, &[(partition, last + 1)]).await?;
            crash::point("replay.committed");
            self.forget(partition, last + 1).await;
            let now = self.replayer.clock.now();
            if !self.replayer.leases.acquire(self.lease, self.holder, now, LEASE).await? {
                return Err(busy(self.topic));
            }
        }
        *summary = counts;
        Ok(reached)
    }

    /// Publishes a slice. What its topic will never take is parked instead: how many letters that are.
    async fn publish(&self, records: &[Record], messages: Vec<Message>) -> Result<usize, Error> {
        let mut parked = 0;
        let mut pending: Vec<_> = records.iter().zip(messages).collect();
        while !pending.is_empty() {
            let messages = pending.iter().map(|(_, message)| message.clone()).collect();
            let results = self.replayer.bus.publish(messages, PUBLISHING).await;
            let mut again = vec![];
            for ((record, message), result) in pending.into_iter().zip(results) {
                match result {
                    Ok(()) => {}
                    Err(BusError::Refused(problem)) if message.topic == self.source => {
                        tracing::warn!(offset = record.offset, problem, "a letter cannot go back and is parked");
                        parked += 1;
                        again.push((record, set_aside(record, self.source, true)));
                    }
                    // Behind a refused one of its key nothing is sent: once that is parked, it is.
                    Err(BusError::Unavailable(_)) if !again.is_empty() => again.push((record, message)),
                    Err(error) => return Err(error.into()),
                }
            }
            pending = again;
        }
        Ok(parked)
    }

    /// Deletes what was dealt with. Should it stay, the committed offset still says so.
    async fn forget(&self, partition: i32, below: i64) {
        if let Err(error) = self.replayer.bus.delete_before(self.topic, &[(partition, below)]).await {
            tracing::warn!(%error, partition, below, "replayed letters stay where they are");
        }
    }

    fn fate(&self, record: &Record) -> Fate {
        match (self.request.filter.fits(record), replay_count(record)) {
            (false, _) => Fate::Skip,
            (true, MAX_REPLAYS..) => Fate::Park,
            (true, _) => Fate::Replay,
        }
    }
}

impl ReplayFilter {
    fn fits(&self, record: &Record) -> bool {
        let died_at = died_at(record);
        let said = |part: &String| {
            kind(record).is_some_and(|kind| kind.contains(part))
                || reason(record).is_some_and(|text| text.contains(part))
        };
        self.event_type.as_ref().is_none_or(|wanted| event_type(record).as_ref() == Some(wanted))
            && self.error.as_ref().is_none_or(said)
            && self.from.is_none_or(|from| died_at.is_some_and(|at| at >= from))
            && self.until.is_none_or(|until| died_at.is_some_and(|at| at < until))
            && self.key.as_ref().is_none_or(|wanted| record.key.as_deref() == Some(wanted.as_bytes()))
    }
}

fn died_at(record: &Record) -> Option<Timestamp> {
    record.timestamp.and_then(chrono::DateTime::from_timestamp_millis)
}

impl DeadLetter {
    fn of(record: &Record) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            died_at: died_at(record),
            key: record.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned()),
            event_type: event_type(record),
            kind: kind(record).map(str::to_owned),
            error: reason(record).map(str::to_owned),
            replays: replay_count(record),
            bytes: record.value.as_ref().map_or(0, bytes::Bytes::len),
        }
    }
}

impl From<BusError> for Error {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Unavailable(problem) => {
                tracing::warn!(problem, "the bus is unavailable");
                Self::Unavailable { service: "kafka".to_owned(), retry_after: None }
            }
            BusError::Refused(problem) => Self::Invalid(problem),
        }
    }
}
