//! The way of events out of the store: published to topics, consumed from them by groups, set aside as dead letters.
//! One capability, [`Bus`], with a backend for Kafka and one in this process; both pass the suite in
//! `tests/contracts/bus`.
//!
//! Services call it; it calls nothing but the domain, and listens to what the store has committed.

pub mod dead_letter;
pub mod event_message;
#[cfg(feature = "sqlite")]
pub mod in_process;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod topics;
pub mod wake;

use std::time::Duration;

use bytes::Bytes;

use crate::platform::BoxFuture;

pub use topics::Topics;

/// A header: its name, and its value, which may be missing.
pub type Header = (String, Option<Bytes>);

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// Messages with one key keep their order.
    pub key: Option<Bytes>,
    /// The payload; none at all is something else than an empty one.
    pub value: Option<Bytes>,
    /// In order; a name may come more than once.
    pub headers: Vec<Header>,
}

/// What was published, as a consumer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// When it was published, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The key.
    pub key: Option<Bytes>,
    /// The payload.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Vec<Header>,
}

impl Message {
    /// What it takes on the bus, in bytes, about.
    pub fn size(&self) -> usize {
        size_of(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

/// The overhead of a record in Kafka's batches, at most.
const OVERHEAD: usize = 70;

fn size_of(key: Option<&Bytes>, value: Option<&Bytes>, headers: &[Header]) -> usize {
    let length = |bytes: Option<&Bytes>| bytes.map_or(0, Bytes::len);
    let headers: usize = headers.iter().map(|(name, value)| name.len() + length(value.as_ref())).sum();
    length(key) + length(value) + headers + OVERHEAD
}

impl Record {
    /// What it takes on the bus, in bytes, about.
    pub fn size(&self) -> usize {
        size_of(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }

    /// The value of the first header of that name, if it is text.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}

/// Sends messages.
///
/// Guarantees: a message that is reported as sent is on the bus, on all replicas in sync. Of one key and topic, messages
/// are there in the order given, and after one that failed none of the same call is. Nothing is sent after the call has
/// returned: what is not acknowledged by then is thrown away.
/// Not guaranteed: that a message that is reported as failed is not on the bus. Consumers absorb duplicates.
pub trait Publisher: Send + Sync {
    /// Sends `messages`, all acknowledged or given up `within` that time. One result a message, in order.
    fn publish(&self, messages: Vec<Message>, within: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>>;
}

/// Publishing, consuming, and looking after topics.
pub trait Bus: Publisher {
    /// Makes the topics that are not there yet; the names of those, in order. Existing ones are left as they are.
    fn create_topics<'a>(&'a self, topics: &'a [TopicSpec]) -> BoxFuture<'a, Result<Vec<String>, BusError>>;

    /// Joins `group` on `topic`. Each partition is read by one member at a time, from the group's committed offset, or
    /// from `start` where it has none.
    fn subscribe<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        start: Start,
    ) -> BoxFuture<'a, Result<Box<dyn Consumer>, BusError>>;

    /// The partitions of `topic` as they are now, and how far `group` has come. Empty where there is no such topic.
    fn partitions<'a>(&'a self, group: &'a str, topic: &'a str)
    -> BoxFuture<'a, Result<Vec<PartitionState>, BusError>>;

    /// Up to `limit` records of one partition from `offset` on, outside any group's membership. Fewer, or none, where
    /// the end is reached or no more came soon.
    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        offset: i64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, BusError>>;

    /// Deletes the records of partitions below offsets: `(partition, offset)`.
    fn delete_before<'a>(&'a self, topic: &'a str, offsets: &'a [(i32, i64)]) -> BoxFuture<'a, Result<(), BusError>>;

    /// Commits for `group`, which nobody is a member of, the offsets to go on from: `(partition, offset)`. A bus may forget
    /// them after a week in which nobody asks for them.
    fn commit<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        offsets: &'a [(i32, i64)],
    ) -> BoxFuture<'a, Result<(), BusError>>;
}

/// A member of a group.
pub trait Consumer: Send {
    /// The next records, of any of its partitions, those of one in order: at least one unless `wait` passes, and no
    /// more once their keys, values and headers have `max_bytes`.
    fn poll(&mut self, max_bytes: usize, wait: Duration) -> BoxFuture<'_, Result<Vec<Record>, BusError>>;

    /// Commits the offsets to go on from after a restart: `(partition, offset)`.
    fn commit(&mut self, offsets: Vec<(i32, i64)>) -> BoxFuture<'_, Result<(), BusError>>;
}

/// Where a group begins that has committed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the newest.
    Latest,
}

/// A topic that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How long records are kept; `None` for ever.
    pub retention: Option<Duration>,
    /// The largest record batch that it takes, in bytes.
    pub max_message_bytes: usize,
}

/// A partition, and where a group stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionState {
    /// The partition.
    pub partition: i32,
    /// The offset of the oldest record.
    pub first: i64,
    /// The offset that the next record will have.
    pub end: i64,
    /// Where the group goes on; `None` where it has committed nothing.
    pub committed: Option<i64>,
}

/// Why the bus did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    /// The bus did not answer, or not in time.
    #[error("the bus is unavailable: {0}")]
    Unavailable(String),
    /// The bus will not take this, today or tomorrow: it is too large, or not allowed.
    #[error("the bus refused: {0}")]
    Refused(String),
}

impl BusError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
