//! The event store's trait: loading a stream, reading everything, snapshots, heads.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::append::under_key;
use super::error::failure;
use super::rows::{event, event_columns, json, time};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::store::{
    Append, Appended, Cursor, EventStore, Head, IdempotencyKey, Loaded, Page, ReadOrder, Snapshot, StoreError,
    StreamPosition,
};

/// The snapshot, if any, as a first row without an event's id, then the events after it. Text that is no JSON is no
/// snapshot.
const LOAD: &str = "
    WITH snapshot AS (
        SELECT version, schema_version, state FROM snapshots
        WHERE aggregate_id = ?1 AND schema_version = ?2 AND json_valid(state)
    )
    SELECT NULL AS id, NULL AS aggregate_id, NULL AS aggregate_type, version AS event_version, NULL AS event_type,
           schema_version, state AS event_data, NULL AS metadata
    FROM snapshot
    UNION ALL
    SELECT id, aggregate_id, aggregate_type, event_version, event_type, schema_version, event_data, metadata
    FROM events
    WHERE aggregate_id = ?1 AND event_version > coalesce((SELECT version FROM snapshot), 0)
    ORDER BY event_version";

const READ_ALL: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", global_position FROM events WHERE global_position > ?1 ORDER BY global_position LIMIT ?2"
);

const READ_STREAM: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE aggregate_id = ?1 AND event_version > ?2 ORDER BY event_version LIMIT ?3"
);

const LAST_EVENT: &str =
    concat!("SELECT ", event_columns!(), " FROM events WHERE aggregate_id = ?1 ORDER BY event_version DESC LIMIT 1");

impl EventStore for SqliteStore {
    fn order(&self) -> ReadOrder {
        ReadOrder::Global
    }

    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(self.append_events(append))
    }

    fn appended_under<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        Box::pin(async move {
            let mut connection = self.readers.acquire().await.map_err(failure)?;
            let events = under_key(&mut connection, key, self.clock.now()).await?;
            Ok(events.map(|events| Appended { events, replayed: true }))
        })
    }

    fn load<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot_schema: Option<i32>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(async move {
            let query = sqlx::query(LOAD).bind(stream.aggregate_id).bind(snapshot_schema);
            let rows = query.fetch_all(&self.readers).await.map_err(failure)?;
            let (snapshot, events) = match rows.split_first() {
                Some((first, rest)) if first.try_get::<Option<&str>, _>(4).map_err(failure)?.is_none() => {
                    (Some(snapshot(first)?), rest)
                }
                _ => (None, rows.as_slice()),
            };
            Ok(Loaded { snapshot, events: events.iter().map(event).collect::<Result<_, _>>()? })
        })
    }

    fn save_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        const SAVE: &str = "
            INSERT INTO snapshots (aggregate_id, schema_version, version, state, created_at)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (aggregate_id, schema_version) DO UPDATE
            SET version = excluded.version, state = excluded.state, created_at = excluded.created_at
            WHERE snapshots.version < excluded.version";
        Box::pin(async move {
            let query = sqlx::query(SAVE)
                .bind(stream.aggregate_id)
                .bind(snapshot.schema_version)
                .bind(snapshot.version)
                .bind(snapshot.state.to_string())
                .bind(self.clock.now().timestamp_micros());
            query.execute(&self.writer).await.map(drop).map_err(failure)
        })
    }

    fn read_all<'a>(&'a self, cursor: Option<&'a Cursor>, limit: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let after = cursor.map_or(Ok(0), position)?;
            let query = sqlx::query(READ_ALL).bind(after).bind(limit);
            let rows = query.fetch_all(&self.readers).await.map_err(failure)?;
            let next = match rows.last() {
                Some(row) => Some(Cursor(row.try_get::<i64, _>(8).map_err(failure)?.to_string())),
                None => cursor.cloned(),
            };
            Ok(Page { events: rows.iter().map(event).collect::<Result<_, _>>()?, next })
        })
    }

    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        Box::pin(async move {
            let mut events = vec![];
            for position in positions {
                let query = sqlx::query(READ_STREAM).bind(position.aggregate_id).bind(position.after).bind(per_stream);
                let rows = query.fetch_all(&self.readers).await.map_err(failure)?;
                for row in &rows {
                    events.push(event(row)?);
                }
            }
            Ok(events)
        })
    }

    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        Box::pin(async move {
            let mut events = vec![];
            for stream in streams {
                let query = sqlx::query(LAST_EVENT).bind(stream.aggregate_id);
                let row = query.fetch_optional(&self.readers).await.map_err(failure)?;
                events.extend(row.as_ref().map(event).transpose()?);
            }
            Ok(events)
        })
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        const HEAD: &str = "SELECT version, published_version, lease_until FROM stream_heads WHERE aggregate_id = ?1";
        Box::pin(async move {
            let query = sqlx::query_as(HEAD).bind(stream.aggregate_id);
            let row: Option<(i32, i32, Option<i64>)> = query.fetch_optional(&self.readers).await.map_err(failure)?;
            let Some((version, published_version, lease_until)) = row else { return Ok(None) };
            Ok(Some(Head { version, published_version, lease_until: lease_until.map(time).transpose()? }))
        })
    }
}

fn snapshot(row: &SqliteRow) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        version: row.try_get(3).map_err(failure)?,
        schema_version: row.try_get(5).map_err(failure)?,
        state: json(row.try_get(6).map_err(failure)?)?,
    })
}

/// Where a cursor stands: the position of the last event that was read.
fn position(cursor: &Cursor) -> Result<i64, StoreError> {
    match cursor.as_text().parse() {
        Ok(position @ 0..) => Ok(position),
        _ => Err(StoreError::Invalid(format!("{:?} is not a cursor of this store", cursor.as_text()))),
    }
}
