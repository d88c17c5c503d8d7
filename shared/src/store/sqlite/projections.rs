//! Writing the read models: rows written over older ones only, to the live generation and the shadow alike.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::SqliteStore;
use super::error::failure;
use crate::domain::projection::Changes;
use crate::platform::BoxFuture;
use crate::store::read_models::{search_text, signed};
use crate::store::{Cursor, Projections, Rebuild, StoreError, Swept};

const WRITE_EMOTION: &str = "
    INSERT INTO emotions (generation, owner, version, user_id, emotion, points, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (generation, owner) DO UPDATE
    SET version = excluded.version, user_id = excluded.user_id, emotion = excluded.emotion,
        points = excluded.points, updated_at = excluded.updated_at
    WHERE emotions.version < excluded.version";
const WRITE_LATEST: &str = "
    INSERT INTO latest_prices (generation, coin, version, usd, change_24h, market_cap, updated_at, source)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (generation, coin) DO UPDATE
    SET version = excluded.version, usd = excluded.usd, change_24h = excluded.change_24h,
        market_cap = excluded.market_cap, updated_at = excluded.updated_at, source = excluded.source
    WHERE latest_prices.version < excluded.version";
const WRITE_HISTORY: &str = "
    INSERT INTO price_history (generation, coin, version, usd, at, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (generation, coin, version) DO NOTHING";
const WRITE_MEMORY: &str = "
    INSERT INTO memories (generation, owner, id, version, deleted, content, search_text, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT (generation, owner, id) DO UPDATE
    SET version = excluded.version, deleted = excluded.deleted, content = excluded.content,
        search_text = excluded.search_text, created_at = excluded.created_at
    WHERE memories.version < excluded.version";
const WRITE_TRANSACTION: &str = "
    INSERT INTO transactions
        (generation, id, version, chain, hash, user_id, sender, recipient, nonce, block, status, reason, submitted_at,
         updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
    ON CONFLICT (generation, id) DO UPDATE
    SET version = excluded.version, chain = excluded.chain, hash = excluded.hash, user_id = excluded.user_id,
        sender = excluded.sender, recipient = excluded.recipient, nonce = excluded.nonce, block = excluded.block,
        status = excluded.status, reason = excluded.reason, submitted_at = excluded.submitted_at,
        updated_at = excluded.updated_at
    WHERE transactions.version < excluded.version";
const WRITE_STREAM: &str = "
    INSERT INTO projected_streams (generation, aggregate_id, version) VALUES (?1, ?2, ?3)
    ON CONFLICT (generation, aggregate_id) DO UPDATE SET version = excluded.version
    WHERE projected_streams.version < excluded.version";

const TABLES: [(&str, &str); 6] = [
    ("emotions", "generation, owner"),
    ("latest_prices", "generation, coin"),
    ("price_history", "generation, coin, version"),
    ("memories", "generation, owner, id"),
    ("transactions", "generation, id"),
    ("projected_streams", "generation, aggregate_id"),
];

impl Projections for SqliteStore {
    fn projected_versions<'a>(&'a self, streams: &'a [Uuid]) -> BoxFuture<'a, Result<HashMap<Uuid, i32>, StoreError>> {
        const VERSION: &str = "
            SELECT version FROM projected_streams
            WHERE generation = (SELECT live FROM projection_state) AND aggregate_id = ?1";
        Box::pin(async move {
            let mut versions = HashMap::with_capacity(streams.len());
            for stream in streams {
                let query = sqlx::query_scalar(VERSION).bind(stream);
                if let Some(version) = query.fetch_optional(&self.readers).await.map_err(failure)? {
                    versions.insert(*stream, version);
                }
            }
            Ok(versions)
        })
    }

    fn apply_changes<'a>(&'a self, changes: &'a Changes) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut transaction = self.begin().await?;
            let state = sqlx::query_as("SELECT live, shadow FROM projection_state").fetch_one(&mut *transaction);
            let (live, shadow): (i32, Option<i32>) = state.await.map_err(failure)?;
            for generation in [live].into_iter().chain(shadow) {
                write(&mut transaction, generation, changes).await.map_err(failure)?;
            }
            transaction.commit().await.map_err(failure)
        })
    }

    fn begin_rebuild(&self) -> BoxFuture<'_, Result<Rebuild, StoreError>> {
        const BEGIN: &str = "
            UPDATE projection_state
            SET shadow = last_generation + 1, last_generation = last_generation + 1, read_up_to = NULL, done = 0,
                total = (SELECT coalesce(max(global_position), 0) FROM events)
            WHERE shadow IS NULL";
        const SHADOW: &str = "SELECT shadow, read_up_to, done, total FROM projection_state";
        Box::pin(async move {
            let mut transaction = self.begin().await?;
            sqlx::query(BEGIN).execute(&mut *transaction).await.map_err(failure)?;
            let row = sqlx::query_as(SHADOW).fetch_one(&mut *transaction).await.map_err(failure)?;
            transaction.commit().await.map_err(failure)?;
            let (generation, cursor, done, total): (i32, Option<String>, i64, i64) = row;
            let cursor = cursor.map(Cursor);
            Ok(Rebuild { generation, cursor, done: done.unsigned_abs(), total: Some(total.unsigned_abs()) })
        })
    }

    fn rebuild_step<'a>(
        &'a self,
        rebuild: &'a Rebuild,
        changes: &'a Changes,
        cursor: &'a Cursor,
        events: u64,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const STEP: &str = "
            UPDATE projection_state SET read_up_to = ?3, done = done + ?4 WHERE shadow = ?1 AND read_up_to IS ?2";
        Box::pin(async move {
            let mut transaction = self.begin().await?;
            let step = sqlx::query(STEP)
                .bind(rebuild.generation)
                .bind(rebuild.cursor.as_ref().map(Cursor::as_text))
                .bind(cursor.as_text())
                .bind(i64::try_from(events).unwrap_or(i64::MAX));
            if step.execute(&mut *transaction).await.map_err(failure)?.rows_affected() == 0 {
                return Ok(false);
            }
            write(&mut transaction, rebuild.generation, changes).await.map_err(failure)?;
            transaction.commit().await.map_err(failure)?;
            Ok(true)
        })
    }

    /// There is one writer at a time: what was committed is shown.
    fn rebuild_has_settled<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let query = sqlx::query_scalar("SELECT shadow FROM projection_state");
            let shadow: Option<i32> = query.fetch_one(&self.readers).await.map_err(failure)?;
            Ok(shadow == Some(rebuild.generation))
        })
    }

    fn finish_rebuild<'a>(&'a self, rebuild: &'a Rebuild) -> BoxFuture<'a, Result<bool, StoreError>> {
        const FINISH: &str =
            "UPDATE projection_state SET live = shadow, shadow = NULL, read_up_to = NULL WHERE shadow = ?1";
        Box::pin(async move {
            let query = sqlx::query(FINISH).bind(rebuild.generation);
            Ok(query.execute(&self.writer).await.map_err(failure)?.rows_affected() == 1)
        })
    }

    fn sweep_generations(&self, limit: u32) -> BoxFuture<'_, Result<Swept, StoreError>> {
        Box::pin(async move {
            let mut swept = 0;
            for (table, key) in TABLES {
                let sweep = format!(
                    "DELETE FROM {table} WHERE ({key}) IN (
                        SELECT {key} FROM {table}
                        WHERE generation < (SELECT live FROM projection_state) LIMIT ?1)"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(sweep)).bind(limit);
                swept += query.execute(&self.writer).await.map_err(failure)?.rows_affected();
            }
            Ok(Swept { rows: swept, over: swept == 0 })
        })
    }
}

async fn write(connection: &mut SqliteConnection, generation: i32, changes: &Changes) -> Result<(), sqlx::Error> {
    for (owner, emotion) in &changes.emotions {
        let query = sqlx::query(WRITE_EMOTION)
            .bind(generation)
            .bind(owner)
            .bind(emotion.version)
            .bind(&emotion.user_id)
            .bind(emotion.emotion.as_str())
            .bind(emotion.points)
            .bind(emotion.updated_at.timestamp_micros());
        query.execute(&mut *connection).await?;
    }
    for (version, quote) in changes.latest_prices.values() {
        let query = sqlx::query(WRITE_LATEST)
            .bind(generation)
            .bind(quote.coin.as_str())
            .bind(version)
            .bind(quote.usd.to_string())
            .bind(quote.change24h.map(|change| change.to_string()))
            .bind(quote.market_cap.map(|cap| cap.to_string()))
            .bind(quote.updated_at.timestamp_micros())
            .bind(&quote.source);
        query.execute(&mut *connection).await?;
    }
    for ((coin, version), quote) in &changes.price_history {
        let query = sqlx::query(WRITE_HISTORY)
            .bind(generation)
            .bind(coin.as_str())
            .bind(version)
            .bind(quote.usd.to_string())
            .bind(quote.updated_at.timestamp_micros())
            .bind(&quote.source);
        query.execute(&mut *connection).await?;
    }
    for ((owner, id), memory) in &changes.memories {
        let query = sqlx::query(WRITE_MEMORY)
            .bind(generation)
            .bind(owner)
            .bind(id)
            .bind(memory.version)
            .bind(memory.live.is_none())
            .bind(memory.content())
            .bind(search_text(memory.content()))
            .bind(memory.created_at().map(|at| at.timestamp_micros()));
        query.execute(&mut *connection).await?;
    }
    for (id, change) in &changes.transactions {
        let submission = &change.submission;
        let query = sqlx::query(WRITE_TRANSACTION)
            .bind(generation)
            .bind(id)
            .bind(change.version)
            .bind(submission.chain.as_str())
            .bind(&submission.hash)
            .bind(&submission.user_id)
            .bind(&submission.from)
            .bind(&submission.to)
            .bind(signed(submission.nonce))
            .bind(signed(change.block))
            .bind(change.state.as_str())
            .bind(&change.reason)
            .bind(submission.submitted_at.timestamp_micros())
            .bind(change.updated_at.timestamp_micros());
        query.execute(&mut *connection).await?;
    }
    for (stream, version) in &changes.streams {
        let query = sqlx::query(WRITE_STREAM).bind(generation).bind(stream).bind(version);
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
