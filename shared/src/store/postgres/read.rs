//! The event store's trait: loading a stream, reading everything, snapshots, heads. One statement each.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::error::{failure, raised};
use super::rows::{event, event_columns};
use super::{DEADLINE, PostgresStore, within};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{
    Append, Appended, Cursor, EventStore, Head, IdempotencyKey, Loaded, Page, ReadOrder, Snapshot, StoreError,
    StreamPosition,
};

/// The snapshot, if any, as a first row without an event's type, then the events after it.
const LOAD: &str = "
    WITH snapshot AS (
        SELECT version, schema_version, state FROM snapshots WHERE aggregate_id = $1 AND schema_version = $2
    )
    SELECT NULL::uuid AS id, NULL::uuid AS aggregate_id, NULL::text AS aggregate_type, version AS event_version,
           NULL::text AS event_type, schema_version, state AS event_data, NULL::jsonb AS metadata
    FROM snapshot
    UNION ALL
    SELECT id, aggregate_id, aggregate_type, event_version, event_type, schema_version, event_data, metadata
    FROM events
    WHERE aggregate_id = $1 AND event_version > coalesce((SELECT version FROM snapshot), 0)
    ORDER BY event_version";

/// Below the oldest transaction that still runs nothing can appear any more, so nothing is skipped.
const READ_ALL: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", transaction_id::text || ':' || global_position FROM events
    WHERE (transaction_id, global_position) > ($1::text::xid8, $2)
      AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY transaction_id, global_position LIMIT $3"
);

/// One look into the index a stream, however many streams.
const READ_STREAMS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS wanted (stream, after, place)
    CROSS JOIN LATERAL (
        SELECT * FROM events WHERE aggregate_id = stream AND event_version > after ORDER BY event_version LIMIT $3
    ) AS found
    ORDER BY place, event_version"
);

const LAST_EVENTS: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM unnest($1::uuid[]) AS wanted (stream)
    CROSS JOIN LATERAL (
        SELECT * FROM events WHERE aggregate_id = stream ORDER BY event_version DESC LIMIT 1
    ) AS found"
);

impl EventStore for PostgresStore {
    fn order(&self) -> ReadOrder {
        ReadOrder::Global
    }

    fn append<'a>(&'a self, append: &'a Append) -> BoxFuture<'a, Result<Appended, StoreError>> {
        Box::pin(self.append_events(append))
    }

    fn appended_under<'a>(&'a self, key: &'a IdempotencyKey) -> BoxFuture<'a, Result<Option<Appended>, StoreError>> {
        const UNDER_KEY: &str = "SELECT * FROM events_under_key($1, $2)";
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(UNDER_KEY).bind(&key.key).bind(&key.fingerprint);
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await.map_err(|error| match raised(&error) {
                Some(("MC002", _)) => StoreError::KeyReused,
                _ => failure(error),
            });
            let rows = held.give_back(rows)?;
            if rows.is_empty() {
                return Ok(None);
            }
            let events = rows.iter().map(|row| event(row, 1)).collect::<Result<_, _>>()?;
            Ok(Some(Appended { events, replayed: true }))
        }))
    }

    fn load<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot_schema: Option<i32>,
    ) -> BoxFuture<'a, Result<Loaded, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(LOAD).bind(stream.aggregate_id).bind(snapshot_schema);
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            let rows = held.give_back(rows.map_err(failure))?;
            let (snapshot, events) = match rows.split_first() {
                Some((first, rest)) if first.try_get::<Option<&str>, _>(4).map_err(failure)?.is_none() => {
                    (Some(snapshot(first)?), rest)
                }
                _ => (None, rows.as_slice()),
            };
            Ok(Loaded { snapshot, events: events.iter().map(|row| event(row, 0)).collect::<Result<_, _>>()? })
        }))
    }

    fn save_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        snapshot: &'a Snapshot,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        const SAVE: &str = "
            INSERT INTO snapshots AS kept (aggregate_id, schema_version, version, state) VALUES ($1, $2, $3, $4)
            ON CONFLICT (aggregate_id, schema_version) DO UPDATE
            SET version = EXCLUDED.version, state = EXCLUDED.state, created_at = EXCLUDED.created_at
            WHERE kept.version < EXCLUDED.version";
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(SAVE)
                .bind(stream.aggregate_id)
                .bind(snapshot.schema_version)
                .bind(snapshot.version)
                .bind(Json(&snapshot.state));
            let mut held = self.pool.acquire().await?;
            let done = query.execute(&mut *held).await;
            held.give_back(done.map(drop).map_err(failure))
        }))
    }

    fn read_all<'a>(&'a self, cursor: Option<&'a Cursor>, limit: u32) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let (transaction, position) = cursor.map_or(Ok((0, 0)), parts)?;
            let query = sqlx::query(READ_ALL).bind(transaction.to_string()).bind(position).bind(i64::from(limit));
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            let rows = held.give_back(rows.map_err(failure))?;
            let next = match rows.last() {
                Some(row) => Some(Cursor(row.try_get(8).map_err(failure)?)),
                None => cursor.cloned(),
            };
            Ok(Page { events: rows.iter().map(|row| event(row, 0)).collect::<Result<_, _>>()?, next })
        }))
    }

    fn read_streams<'a>(
        &'a self,
        positions: &'a [StreamPosition],
        per_stream: u32,
    ) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let ids: Vec<_> = positions.iter().map(|position| position.aggregate_id).collect();
            let after: Vec<_> = positions.iter().map(|position| position.after).collect();
            let query = sqlx::query(READ_STREAMS).bind(ids).bind(after).bind(i64::from(per_stream));
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(|row| event(row, 0)).collect()
        }))
    }

    fn last_events<'a>(&'a self, streams: &'a [StreamId]) -> BoxFuture<'a, Result<Vec<RecordedEvent>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let ids: Vec<_> = streams.iter().map(|stream| stream.aggregate_id).collect();
            let query = sqlx::query(LAST_EVENTS).bind(ids);
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(|row| event(row, 0)).collect()
        }))
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, StoreError>> {
        const HEAD: &str = "SELECT version, published_version, lease_until FROM stream_heads WHERE aggregate_id = $1";
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query_as(HEAD).bind(stream.aggregate_id);
            let mut held = self.pool.acquire().await?;
            let row = query.fetch_optional(&mut *held).await;
            let row: Option<(i32, i32, Option<Timestamp>)> = held.give_back(row.map_err(failure))?;
            Ok(row.map(|(version, published_version, lease_until)| Head { version, published_version, lease_until }))
        }))
    }
}

fn snapshot(row: &PgRow) -> Result<Snapshot, StoreError> {
    let Json(state) = row.try_get(6).map_err(failure)?;
    Ok(Snapshot { version: row.try_get(3).map_err(failure)?, schema_version: row.try_get(5).map_err(failure)?, state })
}

/// A cursor is the transaction and the position of the last event that was read: `742:19`.
fn parts(cursor: &Cursor) -> Result<(u64, i64), StoreError> {
    let parts = cursor.as_text().split_once(':').and_then(|(transaction, position)| {
        Some((transaction.parse().ok()?, position.parse().ok().filter(|position| *position >= 0)?))
    });
    parts.ok_or_else(|| StoreError::Invalid(format!("{:?} is not a cursor of this store", cursor.as_text())))
}
