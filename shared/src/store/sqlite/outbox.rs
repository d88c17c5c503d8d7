//! The outbox: heads are leased and moved on, by the one writer.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::error::failure;
use super::rows::time;
use crate::domain::StreamId;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{Backlog, LaggingStream, Outbox, Published, StoreError};

const LEASE: &str = "
    UPDATE stream_heads SET lease_until = ?3, queued_at = ?2 WHERE aggregate_id IN (
        SELECT aggregate_id FROM stream_heads
        WHERE published_version < version AND (lease_until IS NULL OR lease_until <= ?2)
        ORDER BY queued_at LIMIT ?1
    )
    RETURNING aggregate_id, aggregate_type, published_version, version, lease_until";

/// The version only moves forward; the lease is ended by who holds it.
const ADVANCE: &str = "
    UPDATE stream_heads
    SET published_version = max(published_version, ?3),
        lease_until = CASE WHEN lease_until = ?4 THEN NULL ELSE lease_until END
    WHERE aggregate_id = ?1 AND published_version >= ?2";

const BACKLOG: &str = "
    SELECT coalesce(sum(head.version - head.published_version), 0), count(*), min(event.created_at)
    FROM stream_heads AS head
    LEFT JOIN events AS event
        ON event.aggregate_id = head.aggregate_id AND event.event_version = head.published_version + 1
    WHERE head.published_version < head.version";

impl Outbox for SqliteStore {
    fn lease_lagging(
        &self,
        limit: u32,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>> {
        Box::pin(async move {
            let until = (now + ttl).timestamp_micros();
            let query = sqlx::query(LEASE).bind(limit).bind(now.timestamp_micros()).bind(until);
            query.fetch_all(&self.writer).await.map_err(failure)?.iter().map(lagging).collect()
        })
    }

    fn advance<'a>(&'a self, published: &'a [Published]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = self.begin().await?;
            for done in published {
                let query = sqlx::query(ADVANCE)
                    .bind(done.stream.aggregate_id)
                    .bind(done.from)
                    .bind(done.to)
                    .bind(done.lease_until.timestamp_micros());
                query.execute(&mut *transaction).await.map_err(failure)?;
            }
            transaction.commit().await.map_err(failure)
        })
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>> {
        Box::pin(async move {
            let row = sqlx::query_as(BACKLOG).fetch_one(&self.readers).await;
            let (events, streams, oldest): (i64, i64, Option<i64>) = row.map_err(failure)?;
            Ok(Backlog {
                events: events.unsigned_abs(),
                streams: streams.unsigned_abs(),
                oldest: oldest.map(time).transpose()?,
            })
        })
    }
}

fn lagging(row: &SqliteRow) -> Result<LaggingStream, StoreError> {
    Ok(LaggingStream {
        stream: StreamId {
            aggregate_id: row.try_get(0).map_err(failure)?,
            aggregate_type: row.try_get(1).map_err(failure)?,
        },
        published_version: row.try_get(2).map_err(failure)?,
        version: row.try_get(3).map_err(failure)?,
        lease_until: time(row.try_get(4).map_err(failure)?)?,
    })
}
