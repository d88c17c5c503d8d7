//! Writing the read models: each table in one statement whatever the number of rows, to the live generation and the
//! shadow alike. Rows are written in one order by everybody, so that two writers never wait for each other in a circle.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::error::failure;
use super::{DEADLINE, PostgresStore, within};
use crate::domain::projection::{Changes, MemoryChange};
use crate::platform::BoxFuture;
use crate::store::read_models::{search_text, signed};
use crate::store::{Cursor, Projections, Rebuild, StoreError, Swept};

const WRITE_EMOTIONS: &str = "
    INSERT INTO emotions AS emotion (generation, owner, version, user_id, emotion, points, updated_at)
    SELECT generation, new.* FROM unnest($1::int[]) AS generation
    CROSS JOIN unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::int[], $7::timestamptz[])
        AS new (owner, version, user_id, emotion, points, updated_at)
    ORDER BY generation, owner
    ON CONFLICT (generation, owner) DO UPDATE
    SET version = EXCLUDED.version, user_id = EXCLUDED.user_id, emotion = EXCLUDED.emotion,
        points = EXCLUDED.points, updated_at = EXCLUDED.updated_at
    WHERE emotion.version < EXCLUDED.version";
const WRITE_LATEST: &str = "
    INSERT INTO latest_prices AS latest (generation, coin, version, usd, change_24h, market_cap, updated_at, source)
    SELECT generation, coin, version, usd::numeric, change_24h::numeric, market_cap::numeric, updated_at, source
    FROM unnest($1::int[]) AS generation
    CROSS JOIN unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
        AS new (coin, version, usd, change_24h, market_cap, updated_at, source)
    ORDER BY generation, coin
    ON CONFLICT (generation, coin) DO UPDATE
    SET version = EXCLUDED.version, usd = EXCLUDED.usd, change_24h = EXCLUDED.change_24h,
        market_cap = EXCLUDED.market_cap, updated_at = EXCLUDED.updated_at, source = EXCLUDED.source
    WHERE latest.version < EXCLUDED.version";
const WRITE_HISTORY: &str = "
    INSERT INTO price_history (generation, coin, version, usd, at, source)
    SELECT generation, coin, version, usd::numeric, at, source FROM unnest($1::int[]) AS generation
    CROSS JOIN unnest($2::text[], $3::int[], $4::text[], $5::timestamptz[], $6::text[])
        AS new (coin, version, usd, at, source)
    ORDER BY generation, coin, version
    ON CONFLICT (generation, coin, version) DO NOTHING";
const WRITE_MEMORIES: &str = "
    INSERT INTO memories AS memory (generation, owner, id, version, deleted, content, search_text, created_at)
    SELECT generation, new.* FROM unnest($1::int[]) AS generation
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::int[], $5::bool[], $6::text[], $7::text[], $8::timestamptz[])
        AS new (owner, id, version, deleted, content, search_text, created_at)
    ORDER BY generation, owner, id
    ON CONFLICT (generation, owner, id) DO UPDATE
    SET version = EXCLUDED.version, deleted = EXCLUDED.deleted, content = EXCLUDED.content,
        search_text = EXCLUDED.search_text, created_at = EXCLUDED.created_at
    WHERE memory.version < EXCLUDED.version";
const WRITE_TRANSACTIONS: &str = "
    INSERT INTO transactions AS transaction
        (generation, id, version, chain, hash, user_id, sender, recipient, nonce, block, status, reason, submitted_at,
         updated_at)
    SELECT generation, new.* FROM unnest($1::int[]) AS generation
    CROSS JOIN unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                      $10::bigint[], $11::text[], $12::text[], $13::timestamptz[], $14::timestamptz[])
        AS new (id, version, chain, hash, user_id, sender, recipient, nonce, block, status, reason, submitted_at,
                updated_at)
    ORDER BY generation, id
    ON CONFLICT (generation, id) DO UPDATE
    SET version = EXCLUDED.version, chain = EXCLUDED.chain, hash = EXCLUDED.hash, user_id = EXCLUDED.user_id,
        sender = EXCLUDED.sender, recipient = EXCLUDED.recipient, nonce = EXCLUDED.nonce, block = EXCLUDED.block,
        status = EXCLUDED.status, reason = EXCLUDED.reason, submitted_at = EXCLUDED.submitted_at,
        updated_at = EXCLUDED.updated_at
    WHERE transaction.version < EXCLUDED.version";
const WRITE_STREAMS: &str = "
    INSERT INTO projected_streams AS stream (generation, aggregate_id, version)
    SELECT generation, new.* FROM unnest($1::int[]) AS generation
    CROSS JOIN unnest($2::uuid[], $3::int[]) AS new (aggregate_id, version)
    ORDER BY generation, aggregate_id
    ON CONFLICT (generation, aggregate_id) DO UPDATE SET version = EXCLUDED.version
    WHERE stream.version < EXCLUDED.version";

/// How long a write may take.
const SLICE_DEADLINE: Duration = Duration::from_secs(20);

const TABLES: [&str; 6] =
    ["emotions", "latest_prices", "price_history", "memories", "transactions", "projected_streams"];

impl Projections for PostgresStore {
    fn projected_versions<'a>(&'a self, streams: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        const VERSIONS: &str = "
            SELECT aggregate_id, version FROM projected_streams
            WHERE generation = (SELECT live FROM projection_state) AND aggregate_id = ANY($1)";
        Box::pin(within(DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let rows = sqlx::query_as(VERSIONS).bind(streams).fetch_all(&mut *held).await;
            let rows: Vec<(Uuid, i32)> = held.give_back(rows.map_err(failure))?;
            Ok(rows.into_iter().collect())
        }))
    }

    fn apply_changes<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        // Keeps the generations as they are until the rows are written; does not wait for a slice of a rebuild.
        const GENERATIONS: &str = "SELECT live, shadow FROM projection_state FOR KEY SHARE";
        // Longer than a handler is waited for: who is slow is given less at once, not the same again.
        Box::pin(within(SLICE_DEADLINE, async move {
            self.transaction(async |connection| {
                let (live, shadow): (i32, Option<i32>) =
                    sqlx::query_as(GENERATIONS).fetch_one(&mut *connection).await?;
                let generations: Vec<_> = [live].into_iter().chain(shadow).collect();
                write(connection, &generations, changes).await
            })
            .await
        }))
    }

    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        // In a statement of its own: the one after it sees everything that was committed while it waited.
        const LOCK: &str = "SELECT shadow FROM projection_state FOR UPDATE";
        const BEGIN: &str = "
            UPDATE projection_state
            SET shadow = last_generation + 1, last_generation = last_generation + 1, read_up_to = NULL, done = 0,
                total = coalesce((SELECT global_position FROM events
                                  ORDER BY transaction_id DESC, global_position DESC LIMIT 1), 0),
                fence = pg_snapshot_xmax(pg_current_snapshot())
            WHERE shadow IS NULL";
        const SHADOW: &str = "SELECT shadow, read_up_to, done, total FROM projection_state";
        Box::pin(within(SLICE_DEADLINE, async move {
            let begun: (i32, Option<String>, i64, i64) = self
                .transaction(async |connection| {
                    sqlx::query(LOCK).execute(&mut *connection).await?;
                    sqlx::query(BEGIN).execute(&mut *connection).await?;
                    sqlx::query_as(SHADOW).fetch_one(connection).await
                })
                .await?;
            let (generation, cursor, done, total) = begun;
            let cursor = cursor.map(Cursor);
            Ok(Rebuild { generation, cursor, done: done.unsigned_abs(), total: Some(total.unsigned_abs()) })
        }))
    }

    fn rebuild_step<'a>(
        &'a self,
        rebuild: &'a Rebuild,
        changes: &'a Changes,
        cursor: &'a Cursor,
        events: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const STEP: &str = "
            UPDATE projection_state SET read_up_to = $3, done = done + $4
            WHERE shadow = $1 AND read_up_to IS NOT DISTINCT FROM $2";
        Box::pin(within(SLICE_DEADLINE, async move {
            let step = sqlx::query(STEP)
                .bind(rebuild.generation)
                .bind(rebuild.cursor.as_ref().map(Cursor::as_text))
                .bind(cursor.as_text())
                .bind(i64::try_from(events).unwrap_or(i64::MAX));
            self.transaction(async |connection| {
                let ours = step.execute(&mut *connection).await?.rows_affected() == 1;
                if ours {
                    write(connection, &[rebuild.generation], changes).await?;
                }
                Ok(ours)
            })
            .await
        }))
    }

    fn rebuild_has_settled<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        const SETTLED: &str = "
            SELECT fence <= pg_snapshot_xmin(pg_current_snapshot()) FROM projection_state WHERE shadow = $1";
        Box::pin(within(DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let settled = sqlx::query_scalar(SETTLED).bind(rebuild.generation).fetch_optional(&mut *held).await;
            let settled: Option<bool> = held.give_back(settled.map_err(failure))?;
            Ok(settled.unwrap_or(false))
        }))
    }

    fn finish_rebuild<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        const LOCK: &str = "SELECT shadow FROM projection_state FOR UPDATE";
        const FINISH: &str = "
            UPDATE projection_state SET live = shadow, shadow = NULL, read_up_to = NULL, fence = NULL WHERE shadow = $1";
        Box::pin(within(DEADLINE, async move {
            self.transaction(async |connection| {
                sqlx::query(LOCK).execute(&mut *connection).await?;
                let done = sqlx::query(FINISH).bind(rebuild.generation).execute(connection).await?;
                Ok(done.rows_affected() == 1)
            })
            .await
        }))
    }

    fn sweep_generations(&self, limit: u32) -> BoxFuture<'_, Result<Swept, StoreError>> {
        Box::pin(within(SLICE_DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let swept = async {
                let mut swept = 0;
                for table in TABLES {
                    let sweep = format!(
                        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                            SELECT row.ctid FROM {table} AS row, projection_state AS state
                            WHERE row.generation < state.live LIMIT $1))"
                    );
                    let query = sqlx::query(sqlx::AssertSqlSafe(sweep)).bind(i64::from(limit));
                    swept += query.execute(&mut *held).await?.rows_affected();
                }
                Ok(swept)
            };
            let swept = swept.await.map_err(failure);
            held.give_back(swept).map(|rows| Swept { rows, over: rows == 0 })
        }))
    }
}

impl PostgresStore {
    /// `work` in one transaction. A rollback is awaited, not left to the drop: the locks would stay until the
    /// connection is used again.
    async fn transaction<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let mut held = self.pool.acquire().await?;
        let mut transaction = held.begin().await.map_err(failure)?;
        let outcome = match work(&mut transaction).await.map_err(failure) {
            Ok(done) => transaction.commit().await.map_err(failure).map(|()| done),
            Err(error) => transaction.rollback().await.map_err(failure).and(Err(error)),
        };
        held.give_back(outcome)
    }
}

async fn write(connection: &mut PgConnection, generations: &[i32], changes: &Changes) -> Result<(), sqlx::Error> {
    if !changes.emotions.is_empty() {
        write_emotions(connection, generations, changes).await?;
    }
    if !changes.latest_prices.is_empty() {
        write_prices(connection, generations, changes).await?;
    }
    if !changes.memories.is_empty() {
        write_memories(connection, generations, changes).await?;
    }
    if !changes.transactions.is_empty() {
        write_transactions(connection, generations, changes).await?;
    }
    let streams = &changes.streams;
    sqlx::query(WRITE_STREAMS)
        .bind(generations)
        .bind(all(streams.keys(), |id| *id))
        .bind(all(streams.values(), |version| *version))
        .execute(connection)
        .await
        .map(drop)
}

async fn write_emotions(
    connection: &mut PgConnection,
    generations: &[i32],
    changes: &Changes,
) -> Result<(), sqlx::Error> {
    let emotions = || changes.emotions.values();
    sqlx::query(WRITE_EMOTIONS)
        .bind(generations)
        .bind(all(changes.emotions.keys(), |owner| *owner))
        .bind(all(emotions(), |emotion| emotion.version))
        .bind(all(emotions(), |emotion| emotion.user_id.as_deref()))
        .bind(all(emotions(), |emotion| emotion.emotion.as_str()))
        .bind(all(emotions(), |emotion| emotion.points))
        .bind(all(emotions(), |emotion| emotion.updated_at))
        .execute(connection)
        .await
        .map(drop)
}

async fn write_prices(
    connection: &mut PgConnection,
    generations: &[i32],
    changes: &Changes,
) -> Result<(), sqlx::Error> {
    let latest = || changes.latest_prices.values().map(|(_, quote)| quote);
    sqlx::query(WRITE_LATEST)
        .bind(generations)
        .bind(all(latest(), |quote| quote.coin.as_str()))
        .bind(all(changes.latest_prices.values(), |(version, _)| *version))
        .bind(all(latest(), |quote| quote.usd.to_string()))
        .bind(all(latest(), |quote| quote.change24h.map(|change| change.to_string())))
        .bind(all(latest(), |quote| quote.market_cap.map(|cap| cap.to_string())))
        .bind(all(latest(), |quote| quote.updated_at))
        .bind(all(latest(), |quote| quote.source.as_str()))
        .execute(&mut *connection)
        .await?;
    sqlx::query(WRITE_HISTORY)
        .bind(generations)
        .bind(all(changes.price_history.keys(), |(coin, _)| coin.as_str()))
        .bind(all(changes.price_history.keys(), |(_, version)| *version))
        .bind(all(changes.price_history.values(), |quote| quote.usd.to_string()))
        .bind(all(changes.price_history.values(), |quote| quote.updated_at))
        .bind(all(changes.price_history.values(), |quote| quote.source.as_str()))
        .execute(connection)
        .await
        .map(drop)
}

async fn write_memories(
    connection: &mut PgConnection,
    generations: &[i32],
    changes: &Changes,
) -> Result<(), sqlx::Error> {
    let memories = &changes.memories;
    sqlx::query(WRITE_MEMORIES)
        .bind(generations)
        .bind(all(memories.keys(), |(owner, _)| *owner))
        .bind(all(memories.keys(), |(_, id)| *id))
        .bind(all(memories.values(), |memory| memory.version))
        .bind(all(memories.values(), |memory| memory.live.is_none()))
        .bind(all(memories.values(), MemoryChange::content))
        .bind(all(memories.values(), |memory| search_text(memory.content())))
        .bind(all(memories.values(), MemoryChange::created_at))
        .execute(connection)
        .await
        .map(drop)
}

async fn write_transactions(
    connection: &mut PgConnection,
    generations: &[i32],
    changes: &Changes,
) -> Result<(), sqlx::Error> {
    let rows = || changes.transactions.values();
    let submitted = || rows().map(|change| &change.submission);
    sqlx::query(WRITE_TRANSACTIONS)
        .bind(generations)
        .bind(all(changes.transactions.keys(), |id| *id))
        .bind(all(rows(), |change| change.version))
        .bind(all(submitted(), |submission| submission.chain.as_str()))
        .bind(all(submitted(), |submission| submission.hash.as_str()))
        .bind(all(submitted(), |submission| submission.user_id.as_deref()))
        .bind(all(submitted(), |submission| submission.from.as_str()))
        .bind(all(submitted(), |submission| submission.to.as_deref()))
        .bind(all(submitted(), |submission| signed(submission.nonce)))
        .bind(all(rows(), |change| signed(change.block)))
        .bind(all(rows(), |change| change.state.as_str()))
        .bind(all(rows(), |change| change.reason.as_deref()))
        .bind(all(submitted(), |submission| submission.submitted_at))
        .bind(all(rows(), |change| change.updated_at))
        .execute(connection)
        .await
        .map(drop)
}

/// A column.
fn all<T, C>(rows: impl Iterator<Item = T>, column: impl FnMut(T) -> C) -> Vec<C> {
    rows.map(column).collect()
}
