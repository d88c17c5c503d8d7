//! The outbox: heads are leased and moved on, one statement each.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::failure;
use super::{DEADLINE, PostgresStore, within};
use crate::domain::StreamId;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{Backlog, LaggingStream, Outbox, Published, StoreError};

/// Rows that another relay is just looking at are skipped, not waited for.
const LEASE: &str = "
    UPDATE stream_heads AS head SET lease_until = $2::timestamptz + $3 * interval '1 microsecond', queued_at = $2
    FROM (
        SELECT aggregate_id FROM stream_heads
        WHERE published_version < version AND (lease_until IS NULL OR lease_until <= $2)
        ORDER BY queued_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ) AS lagging
    WHERE head.aggregate_id = lagging.aggregate_id
    RETURNING head.aggregate_id, head.aggregate_type, head.published_version, head.version, head.lease_until";

/// The version only moves forward; the lease is ended by who holds it. Rows are locked in the order in which appends lock
/// them.
const ADVANCE: &str = "
    WITH done AS (
        SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::timestamptz[])
            AS done (aggregate_id, from_version, to_version, lease)
    ), locked AS (
        SELECT head.aggregate_id FROM stream_heads AS head JOIN done USING (aggregate_id)
        ORDER BY head.aggregate_id FOR UPDATE OF head
    )
    UPDATE stream_heads AS head
    SET published_version = greatest(head.published_version, done.to_version),
        lease_until = CASE WHEN head.lease_until = done.lease THEN NULL ELSE head.lease_until END
    FROM done JOIN locked USING (aggregate_id)
    WHERE head.aggregate_id = done.aggregate_id AND head.published_version >= done.from_version";

const BACKLOG: &str = "
    SELECT coalesce(sum(head.version - head.published_version), 0)::bigint, count(*), min(event.created_at)
    FROM stream_heads AS head
    LEFT JOIN events AS event
        ON event.aggregate_id = head.aggregate_id AND event.event_version = head.published_version + 1
    WHERE head.published_version < head.version";

/// Counting a million lagging streams takes its time.
const BACKLOG_DEADLINE: Duration = Duration::from_secs(20);

impl Outbox for PostgresStore {
    fn lease_lagging(
        &self,
        limit: u32,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<Vec<LaggingStream>, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
            let query = sqlx::query(LEASE).bind(i64::from(limit)).bind(now).bind(ttl);
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(lagging).collect()
        }))
    }

    fn advance<'a>(&'a self, published: &'a [Published]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(ADVANCE)
                .bind(published.iter().map(|done| done.stream.aggregate_id).collect::<Vec<_>>())
                .bind(published.iter().map(|done| done.from).collect::<Vec<_>>())
                .bind(published.iter().map(|done| done.to).collect::<Vec<_>>())
                .bind(published.iter().map(|done| done.lease_until).collect::<Vec<_>>());
            let mut held = self.pool.acquire().await?;
            let done = query.execute(&mut *held).await;
            held.give_back(done.map(drop).map_err(failure))
        }))
    }

    fn backlog(&self) -> BoxFuture<'_, Result<Backlog, StoreError>> {
        Box::pin(within(BACKLOG_DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let row = sqlx::query_as(BACKLOG).fetch_one(&mut *held).await;
            let (events, streams, oldest): (i64, i64, Option<Timestamp>) = held.give_back(row.map_err(failure))?;
            Ok(Backlog { events: events.unsigned_abs(), streams: streams.unsigned_abs(), oldest })
        }))
    }
}

fn lagging(row: &PgRow) -> Result<LaggingStream, StoreError> {
    let read = || {
        Ok(LaggingStream {
            stream: StreamId { aggregate_id: row.try_get(0)?, aggregate_type: row.try_get(1)? },
            published_version: row.try_get(2)?,
            version: row.try_get(3)?,
            lease_until: row.try_get(4)?,
        })
    };
    read().map_err(failure)
}
