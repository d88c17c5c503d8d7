//! A log in a SQLite file: what the local process has where a deployment has Kafka. Topics, partitions, offsets, groups
//! and their promises are the same; what was acknowledged is there after a restart, for other processes too.
//!
//! Unlike Kafka: of a group's members within one process, one reads all partitions and the others wait for it to leave;
//! members in other processes are not known.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Bus, BusError, Consumer, Header, Message, PartitionState, Publisher, Record, Start, TopicSpec};
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::ids::new_id;
use crate::platform::sqlite::SqliteFile;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS topics (
        name TEXT PRIMARY KEY NOT NULL, partitions INTEGER NOT NULL, max_message_bytes INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS partitions (
        topic TEXT NOT NULL, number INTEGER NOT NULL, end INTEGER NOT NULL, PRIMARY KEY (topic, number)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS records (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, position INTEGER NOT NULL, published_at INTEGER NOT NULL,
        key BLOB, value BLOB, headers TEXT NOT NULL, PRIMARY KEY (topic, partition, position)
    );
    CREATE TABLE IF NOT EXISTS committed (
        reader TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (reader, topic, partition)
    ) WITHOUT ROWID;";

/// What another process publishes is seen after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How many records are read at once.
const READ_AHEAD: usize = 500;

/// The log. Clones share it.
#[derive(Clone)]
pub struct InProcessBus {
    file: SqliteFile,
    clock: Arc<dyn Clock>,
    published: watch::Sender<()>,
    members: Arc<Mutex<HashMap<(String, String), Member>>>,
}

/// Tells a member from others.
type Member = uuid::Uuid;

impl InProcessBus {
    /// Opens the log at `path`; `:memory:` is gone with the last clone.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] where the file cannot be used.
    pub async fn open(path: &str) -> Result<Self, BusError> {
        let unusable = |error| BusError::Unavailable(format!("{path:?}: {}", failure(&error)));
        let file = SqliteFile::open(path).await.map_err(unusable)?;
        sqlx::raw_sql(SCHEMA).execute(&file.writer).await.map_err(unusable)?;
        let published = watch::Sender::new(());
        Ok(Self { file, clock: Arc::new(SystemClock), published, members: Arc::default() })
    }

    fn readers(&self) -> &SqlitePool {
        &self.file.readers
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, BusError> {
        self.file.writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| failure(&error))
    }

    async fn publish_all(&self, messages: &[Message]) -> Result<Vec<Result<(), BusError>>, BusError> {
        let now = self.clock.now().timestamp_millis();
        let (mut topics, mut broken) = (HashMap::new(), HashSet::new());
        let mut results = Vec::with_capacity(messages.len());
        let mut transaction = self.begin().await?;
        for message in messages {
            let topic = topic(&mut transaction, &mut topics, &message.topic).await?;
            let sequence = (&message.topic, &message.key);
            let refusal = match topic {
                None => Some(format!("there is no topic {:?}", message.topic)),
                Some(topic) if message.size() > topic.max_message_bytes => Some("the message is too large".to_owned()),
                Some(_) if broken.contains(&sequence) => Some("one before it under its key was refused".to_owned()),
                Some(topic) => {
                    let partition = partition_of(message.key.as_deref(), topic.partitions);
                    insert(&mut transaction, message, partition, now).await?;
                    None
                }
            };
            if refusal.is_some() && message.key.is_some() {
                broken.insert(sequence);
            }
            results.push(refusal.map_or(Ok(()), |reason| Err(BusError::Refused(reason))));
        }
        transaction.commit().await.map_err(|error| failure(&error))?;
        self.published.send_replace(());
        Ok(results)
    }

    async fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>, BusError> {
        const ENDS: &str = "SELECT number, end FROM partitions WHERE topic = ?1";
        let rows = sqlx::query_as(ENDS).bind(topic).fetch_all(self.readers()).await;
        let rows: Vec<(i32, i64)> = rows.map_err(|error| failure(&error))?;
        Ok(rows.into_iter().collect())
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<HashMap<i32, i64>, BusError> {
        const COMMITTED: &str = "SELECT partition, position FROM committed WHERE reader = ?1 AND topic = ?2";
        let rows = sqlx::query_as(COMMITTED).bind(group).bind(topic).fetch_all(self.readers()).await;
        let rows: Vec<(i32, i64)> = rows.map_err(|error| failure(&error))?;
        Ok(rows.into_iter().collect())
    }

    async fn commit_offsets(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) -> Result<(), BusError> {
        const COMMIT: &str =
            "INSERT OR REPLACE INTO committed (reader, topic, partition, position) VALUES (?1, ?2, ?3, ?4)";
        let mut transaction = self.begin().await?;
        for (partition, offset) in offsets {
            let query = sqlx::query(COMMIT).bind(group).bind(topic).bind(partition).bind(offset);
            query.execute(&mut *transaction).await.map_err(|error| failure(&error))?;
        }
        transaction.commit().await.map_err(|error| failure(&error))
    }

    async fn records(&self, topic: &str, partition: i32, from: i64, limit: usize) -> Result<Vec<Record>, BusError> {
        const READ: &str = "
            SELECT position, published_at, key, value, headers FROM records
            WHERE topic = ?1 AND partition = ?2 AND position >= ?3 ORDER BY position LIMIT ?4";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = sqlx::query(READ).bind(topic).bind(partition).bind(from).bind(limit);
        let rows = query.fetch_all(self.readers()).await.map_err(|error| failure(&error))?;
        rows.iter().map(|row| record(row, topic, partition)).collect()
    }

    fn members(&self) -> MutexGuard<'_, HashMap<(String, String), Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy)]
struct Topic {
    partitions: i32,
    max_message_bytes: usize,
}

async fn topic(
    connection: &mut SqliteConnection,
    known: &mut HashMap<String, Option<Topic>>,
    name: &str,
) -> Result<Option<Topic>, BusError> {
    const TOPIC: &str = "SELECT partitions, max_message_bytes FROM topics WHERE name = ?1";
    if let Some(topic) = known.get(name) {
        return Ok(*topic);
    }
    let row: Option<(i32, i64)> =
        sqlx::query_as(TOPIC).bind(name).fetch_optional(connection).await.map_err(|error| failure(&error))?;
    let topic = row.map(|(partitions, bytes)| Topic {
        partitions,
        max_message_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
    });
    known.insert(name.to_owned(), topic);
    Ok(topic)
}

/// FNV-1a: the same key is in the same partition for ever.
fn partition_of(key: Option<&[u8]>, partitions: i32) -> i32 {
    let hash = key
        .unwrap_or_default()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    i32::try_from(hash % u64::from(partitions.max(1).unsigned_abs())).unwrap_or_default()
}

async fn insert(
    connection: &mut SqliteConnection,
    message: &Message,
    partition: i32,
    now: i64,
) -> Result<(), BusError> {
    const NEXT: &str = "UPDATE partitions SET end = end + 1 WHERE topic = ?1 AND number = ?2 RETURNING end - 1";
    const INSERT: &str = "
        INSERT INTO records (topic, partition, position, published_at, key, value, headers)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let next = sqlx::query_scalar(NEXT).bind(&message.topic).bind(partition);
    let position: i64 = next.fetch_one(&mut *connection).await.map_err(|error| failure(&error))?;
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|(name, value)| (name, value.as_ref().map(|value| STANDARD.encode(value))))
        .collect();
    let headers = serde_json::to_string(&headers).map_err(|error| BusError::Refused(error.to_string()))?;
    let query = sqlx::query(INSERT)
        .bind(&message.topic)
        .bind(partition)
        .bind(position)
        .bind(now)
        .bind(message.key.as_deref())
        .bind(message.value.as_deref())
        .bind(headers);
    query.execute(connection).await.map(drop).map_err(|error| failure(&error))
}

fn record(row: &SqliteRow, topic: &str, partition: i32) -> Result<Record, BusError> {
    let bytes = |column: usize| row.try_get::<Option<Vec<u8>>, _>(column).map(|bytes| bytes.map(Bytes::from));
    let read = || Ok((row.try_get(0)?, row.try_get(1)?, bytes(2)?, bytes(3)?, row.try_get::<&str, _>(4)?));
    let (offset, timestamp, key, value, headers) = read().map_err(|error: sqlx::Error| failure(&error))?;
    let unreadable = || BusError::Refused("a record of the log cannot be read".to_owned());
    let headers: Vec<(String, Option<String>)> = serde_json::from_str(headers).map_err(|_| unreadable())?;
    let header = |(name, value): (String, Option<String>)| -> Result<Header, BusError> {
        let value = value.map(|value| STANDARD.decode(value)).transpose().map_err(|_| unreadable())?;
        Ok((name, value.map(Bytes::from)))
    };
    let headers = headers.into_iter().map(header).collect::<Result<_, _>>()?;
    Ok(Record { topic: topic.to_owned(), partition, offset, timestamp: Some(timestamp), key, value, headers })
}

fn failure(error: &sqlx::Error) -> BusError {
    BusError::Unavailable(error.to_string())
}

impl Publisher for InProcessBus {
    fn publish(&self, messages: Vec<Message>, within: Duration) -> BoxFuture<'_, Vec<Result<(), BusError>>> {
        Box::pin(async move {
            let late = || BusError::Unavailable("not written in time".to_owned());
            let written = timeout(within, self.publish_all(&messages)).await.unwrap_or_else(|_| Err(late()));
            written.unwrap_or_else(|error| vec![Err(error); messages.len()])
        })
    }
}

impl Bus for InProcessBus {
    fn create_topics<'a>(&'a self, topics: &'a [TopicSpec]) -> BoxFuture<'a, Result<Vec<String>, BusError>> {
        const TOPIC: &str = "INSERT OR IGNORE INTO topics (name, partitions, max_message_bytes) VALUES (?1, ?2, ?3)";
        const PARTITION: &str = "INSERT OR IGNORE INTO partitions (topic, number, end) VALUES (?1, ?2, 0)";
        const FORGET: &str = "DELETE FROM records WHERE topic = ?1 AND published_at < ?2";
        Box::pin(async move {
            let mut created = vec![];
            let mut transaction = self.begin().await?;
            let failed = |error| failure(&error);
            for spec in topics {
                let bytes = i64::try_from(spec.max_message_bytes).unwrap_or(i64::MAX);
                let query = sqlx::query(TOPIC).bind(&spec.name).bind(spec.partitions).bind(bytes);
                if query.execute(&mut *transaction).await.map_err(failed)?.rows_affected() == 1 {
                    for number in 0..spec.partitions {
                        let query = sqlx::query(PARTITION).bind(&spec.name).bind(number);
                        query.execute(&mut *transaction).await.map_err(failed)?;
                    }
                    created.push(spec.name.clone());
                }
                if let Some(retention) = spec.retention {
                    let oldest = (self.clock.now() - retention).timestamp_millis();
                    let query = sqlx::query(FORGET).bind(&spec.name).bind(oldest);
                    query.execute(&mut *transaction).await.map_err(failed)?;
                }
            }
            transaction.commit().await.map_err(failed)?;
            Ok(created)
        })
    }

    fn subscribe<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        start: Start,
    ) -> BoxFuture<'a, Result<Box<dyn Consumer>, BusError>> {
        Box::pin(async move {
            let beginning = match start {
                Start::Earliest => BTreeMap::new(),
                Start::Latest => self.ends(topic).await?,
            };
            let consumer: Box<dyn Consumer> = Box::new(InProcessConsumer {
                bus: self.clone(),
                published: self.published.subscribe(),
                key: (group.to_owned(), topic.to_owned()),
                member: new_id(),
                beginning,
                positions: None,
                turn: 0,
            });
            Ok(consumer)
        })
    }

    fn partitions<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
    ) -> BoxFuture<'a, Result<Vec<PartitionState>, BusError>> {
        const FIRST: &str = "SELECT min(position) FROM records WHERE topic = ?1 AND partition = ?2";
        Box::pin(async move {
            let committed = self.committed(group, topic).await?;
            let mut states = vec![];
            for (partition, end) in self.ends(topic).await? {
                let query = sqlx::query_scalar(FIRST).bind(topic).bind(partition);
                let first: Option<i64> = query.fetch_one(self.readers()).await.map_err(|error| failure(&error))?;
                let first = first.unwrap_or(end);
                states.push(PartitionState { partition, first, end, committed: committed.get(&partition).copied() });
            }
            Ok(states)
        })
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: i32,
        offset: i64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, BusError>> {
        Box::pin(self.records(topic, partition, offset, limit))
    }

    fn delete_before<'a>(&'a self, topic: &'a str, offsets: &'a [(i32, i64)]) -> BoxFuture<'a, Result<(), BusError>> {
        const DELETE: &str = "DELETE FROM records WHERE topic = ?1 AND partition = ?2 AND position < ?3";
        Box::pin(async move {
            for (partition, offset) in offsets {
                let query = sqlx::query(DELETE).bind(topic).bind(partition).bind(offset);
                query.execute(&self.file.writer).await.map_err(|error| failure(&error))?;
            }
            Ok(())
        })
    }

    fn commit<'a>(
        &'a self,
        group: &'a str,
        topic: &'a str,
        offsets: &'a [(i32, i64)],
    ) -> BoxFuture<'a, Result<(), BusError>> {
        Box::pin(self.commit_offsets(group, topic, offsets))
    }
}

struct InProcessConsumer {
    bus: InProcessBus,
    published: watch::Receiver<()>,
    /// Group and topic.
    key: (String, String),
    member: Member,
    /// Where partitions begin that the group has committed nothing of.
    beginning: BTreeMap<i32, i64>,
    /// Where each partition goes on, while it is this member's turn to read.
    positions: Option<BTreeMap<i32, i64>>,
    /// Which partition is read first, so that a busy one starves no other.
    turn: usize,
}

impl InProcessConsumer {
    /// Whether this member reads: it does once no other does.
    async fn reads(&mut self) -> Result<bool, BusError> {
        if *self.bus.members().entry(self.key.clone()).or_insert(self.member) != self.member {
            return Ok(false);
        }
        if self.positions.is_none() {
            let (group, topic) = &self.key;
            let committed = self.bus.committed(group, topic).await?;
            let ends = self.bus.ends(topic).await?;
            let from = |partition| committed.get(partition).or(self.beginning.get(partition)).copied().unwrap_or(0);
            self.positions = Some(ends.keys().map(|partition| (*partition, from(partition))).collect());
        }
        Ok(true)
    }

    async fn take(&mut self, max_bytes: usize) -> Result<Vec<Record>, BusError> {
        let mut taken = vec![];
        if !self.reads().await? {
            return Ok(taken);
        }
        let Some(positions) = &mut self.positions else { return Ok(taken) };
        // One look at all partitions; most of them have nothing new.
        let ends = self.bus.ends(&self.key.1).await?;
        self.turn += 1;
        let mut order: Vec<_> = positions.iter_mut().collect();
        let first = self.turn % order.len().max(1);
        order.rotate_left(first);
        let mut bytes = 0;
        for (partition, position) in order {
            if ends.get(partition).is_none_or(|end| *position >= *end) {
                continue;
            }
            let records = match self.bus.records(&self.key.1, *partition, *position, READ_AHEAD).await {
                // What was taken before is not lost on the way.
                Err(error) if !taken.is_empty() => {
                    tracing::debug!(%error, "a partition of the log cannot be read now");
                    break;
                }
                records => records?,
            };
            for record in records {
                if bytes >= max_bytes {
                    return Ok(taken);
                }
                bytes += record.size();
                *position = record.offset + 1;
                taken.push(record);
            }
        }
        Ok(taken)
    }
}

impl Consumer for InProcessConsumer {
    fn poll(&mut self, max_bytes: usize, wait: Duration) -> BoxFuture<'_, Result<Vec<Record>, BusError>> {
        Box::pin(async move {
            let deadline = Instant::now() + wait;
            loop {
                self.published.mark_unchanged();
                let taken = self.take(max_bytes).await?;
                if !taken.is_empty() || Instant::now() >= deadline {
                    return Ok(taken);
                }
                let look = deadline.min(Instant::now() + LOOK_AGAIN);
                // Either way it is time to look again.
                let _ = timeout_at(look, self.published.changed()).await;
            }
        })
    }

    fn commit(&mut self, offsets: Vec<(i32, i64)>) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move {
            let (group, topic) = &self.key;
            self.bus.commit_offsets(group, topic, &offsets).await
        })
    }
}

impl Drop for InProcessConsumer {
    fn drop(&mut self) {
        let mut members = self.bus.members();
        if members.get(&self.key) == Some(&self.member) {
            members.remove(&self.key);
        }
    }
}
