//! Appending: everything that belongs to one append, in one transaction of the one writer.

use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::error::failure;
use super::rows::{event, event_columns};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::clock::Timestamp;
use crate::store::{Append, Appended, Expected, IDEMPOTENCY_WINDOW, IdempotencyKey, StoreError, StreamAppend};

impl SqliteStore {
    pub(super) async fn append_events(&self, append: &Append) -> Result<Appended, StoreError> {
        append.check()?;
        let now = self.clock.now();
        let mut transaction = self.begin().await?;
        if let Some(key) = &append.idempotency
            && let Some(events) = under_key(&mut transaction, key, now).await?
        {
            return Ok(Appended { events, replayed: true });
        }
        let before = current_versions(&mut transaction, append).await?;
        let mut events = Vec::new();
        let mut positions = Vec::new();
        for (stream, before) in append.streams.iter().zip(before) {
            move_head(&mut transaction, stream, before, now).await?;
            for recorded in recorded(stream, before, append) {
                positions.push(insert(&mut transaction, &recorded, now).await?);
                events.push(recorded);
            }
        }
        if let (Some(key), [first, .., last] | [first @ last]) = (&append.idempotency, positions.as_slice()) {
            keep_key(&mut transaction, key, *first, *last, now).await?;
        }
        transaction.commit().await.map_err(failure)?;
        Ok(Appended { events, replayed: false })
    }
}

/// The version of each stream before the append.
///
/// # Errors
/// [`StoreError::Conflict`] for the first that is not the expected one.
async fn current_versions(connection: &mut SqliteConnection, append: &Append) -> Result<Vec<i32>, StoreError> {
    let mut versions = Vec::with_capacity(append.streams.len());
    for StreamAppend { stream, expected, .. } in &append.streams {
        let actual = version(connection, stream).await?;
        match *expected {
            Expected::Exact(expected) if expected != actual => {
                return Err(StoreError::Conflict { stream: stream.clone(), expected, actual });
            }
            _ => versions.push(actual),
        }
    }
    Ok(versions)
}

async fn version(connection: &mut SqliteConnection, stream: &StreamId) -> Result<i32, StoreError> {
    let query = sqlx::query_scalar("SELECT version FROM stream_heads WHERE aggregate_id = ?1");
    let version: Option<i32> = query.bind(stream.aggregate_id).fetch_optional(connection).await.map_err(failure)?;
    Ok(version.unwrap_or(0))
}

async fn move_head(
    connection: &mut SqliteConnection,
    append: &StreamAppend,
    before: i32,
    now: Timestamp,
) -> Result<(), StoreError> {
    const MOVE: &str = "
        INSERT INTO stream_heads (aggregate_id, aggregate_type, version, queued_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (aggregate_id) DO UPDATE SET version = excluded.version";
    let after = (before..).nth(append.events.len());
    let query = sqlx::query(MOVE).bind(append.stream.aggregate_id).bind(&append.stream.aggregate_type).bind(after);
    let query = query.bind(now.timestamp_micros());
    query.execute(connection).await.map(drop).map_err(failure)
}

/// The events of one stream, with the versions that they get.
fn recorded(append: &StreamAppend, before: i32, whole: &Append) -> impl Iterator<Item = RecordedEvent> {
    append.events.iter().zip(before + 1..).map(|(event, event_version)| RecordedEvent {
        id: event.id,
        stream: append.stream.clone(),
        event_version,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        data: event.data.clone(),
        metadata: whole.metadata.clone(),
    })
}

/// The position that the event got.
async fn insert(connection: &mut SqliteConnection, event: &RecordedEvent, now: Timestamp) -> Result<i64, StoreError> {
    const INSERT: &str =
        concat!("INSERT INTO events (", event_columns!(), ", created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    let metadata = serde_json::to_string(&event.metadata).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let query = sqlx::query(INSERT)
        .bind(event.id)
        .bind(event.stream.aggregate_id)
        .bind(&event.stream.aggregate_type)
        .bind(event.event_version)
        .bind(&event.event_type)
        .bind(event.schema_version)
        .bind(event.data.to_string())
        .bind(metadata)
        .bind(now.timestamp_micros());
    Ok(query.execute(connection).await.map_err(failure)?.last_insert_rowid())
}

/// What was appended under a key, if that was within the window.
///
/// # Errors
/// [`StoreError::KeyReused`] if it was for something else.
pub(super) async fn under_key(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
    now: Timestamp,
) -> Result<Option<Vec<RecordedEvent>>, StoreError> {
    const FIND: &str = "
        SELECT fingerprint, from_position, to_position FROM idempotency_keys WHERE key = ?1 AND created_at > ?2";
    const EVENTS: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM events WHERE global_position BETWEEN ?1 AND ?2 ORDER BY global_position"
    );
    let oldest = (now - IDEMPOTENCY_WINDOW).timestamp_micros();
    let find = sqlx::query(FIND).bind(&key.key).bind(oldest);
    let Some(row) = find.fetch_optional(&mut *connection).await.map_err(failure)? else { return Ok(None) };
    if row.try_get::<&str, _>(0).map_err(failure)? != key.fingerprint {
        return Err(StoreError::KeyReused);
    }
    let (first, last): (i64, i64) = (row.try_get(1).map_err(failure)?, row.try_get(2).map_err(failure)?);
    let rows = sqlx::query(EVENTS).bind(first).bind(last).fetch_all(connection).await.map_err(failure)?;
    rows.iter().map(event).collect::<Result<_, _>>().map(Some)
}

/// Keeps a key; one that has expired is taken over. Sweeps two of the expired, so that the table stays as small as a
/// day is long, without a task for it.
async fn keep_key(
    connection: &mut SqliteConnection,
    key: &IdempotencyKey,
    first: i64,
    last: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    const KEEP: &str = "
        INSERT OR REPLACE INTO idempotency_keys (key, fingerprint, from_position, to_position, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    const SWEEP: &str = "
        DELETE FROM idempotency_keys WHERE key IN (
            SELECT key FROM idempotency_keys WHERE created_at <= ?1 ORDER BY created_at LIMIT 2)";
    let keep = sqlx::query(KEEP).bind(&key.key).bind(&key.fingerprint).bind(first).bind(last);
    keep.bind(now.timestamp_micros()).execute(&mut *connection).await.map_err(failure)?;
    let oldest = (now - IDEMPOTENCY_WINDOW).timestamp_micros();
    sqlx::query(SWEEP).bind(oldest).execute(connection).await.map(drop).map_err(failure)
}
