//! The read models, read by their keys from the live generation.

use std::collections::BTreeSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::error::failure;
use super::rows::{parsed, time};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{EmotionChange, TransactionChange};
use crate::domain::transaction::Submission;
use crate::platform::BoxFuture;
use crate::store::read_models::{search_words, transaction_columns, unsigned};
use crate::store::{HistoryQuery, MemoryQuery, MemoryRow, PendingQuery, PricePoint, ReadModels, StoreError};

impl ReadModels for SqliteStore {
    fn emotions<'a>(&'a self, owners: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>> {
        const EMOTION: &str = "
            SELECT owner, version, user_id, emotion, points, updated_at FROM emotions
            WHERE generation = (SELECT live FROM projection_state) AND owner = ?1";
        Box::pin(async move {
            let mut emotions = vec![];
            for owner in owners {
                let row = sqlx::query(EMOTION).bind(owner).fetch_optional(&self.readers).await.map_err(failure)?;
                emotions.extend(row.as_ref().map(emotion).transpose()?);
            }
            Ok(emotions)
        })
    }

    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        // A list of any length is one parameter.
        const LATEST: &str = "
            SELECT coin, usd, change_24h, market_cap, updated_at, source FROM latest_prices
            WHERE generation = (SELECT live FROM projection_state) AND coin IN (SELECT value FROM json_each(?1))";
        Box::pin(async move {
            let coins = json_list(coins.iter().map(Coin::as_str));
            let rows = sqlx::query(LATEST).bind(coins).fetch_all(&self.readers).await.map_err(failure)?;
            rows.iter().map(quote).collect()
        })
    }

    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        const HISTORY: &str = "
            SELECT version, usd, at, source FROM price_history
            WHERE generation = (SELECT live FROM projection_state)
              AND coin = ?1 AND (?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at < ?3)
              AND (?4 IS NULL OR version < ?4)
            ORDER BY version DESC LIMIT ?5";
        Box::pin(async move {
            let rows = sqlx::query(HISTORY)
                .bind(query.coin.as_str())
                .bind(query.from.map(|at| at.timestamp_micros()))
                .bind(query.to.map(|at| at.timestamp_micros()))
                .bind(query.before_version)
                .bind(query.limit)
                .fetch_all(&self.readers);
            rows.await.map_err(failure)?.iter().map(point).collect()
        })
    }

    fn memories<'a>(&'a self, query: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        const MEMORIES: &str = "
            SELECT id, version, content, created_at FROM memories
            WHERE generation = (SELECT live FROM projection_state)
              AND owner = ?1 AND NOT deleted AND (?2 IS NULL OR version < ?2)
              AND NOT EXISTS (SELECT 1 FROM json_each(?3) AS word WHERE instr(search_text, word.value) = 0)
            ORDER BY version DESC LIMIT ?4";
        Box::pin(async move {
            let Some(words) = search_words(&query.words) else { return Ok(vec![]) };
            let rows = sqlx::query(MEMORIES)
                .bind(query.owner)
                .bind(query.before_version)
                .bind(json_list(words.iter().map(String::as_str)))
                .bind(query.limit)
                .fetch_all(&self.readers);
            rows.await.map_err(failure)?.iter().map(memory).collect()
        })
    }

    fn memories_by_id<'a>(&'a self, owner: Uuid, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        const MEMORY: &str = "
            SELECT id, version, content, created_at FROM memories
            WHERE generation = (SELECT live FROM projection_state) AND owner = ?1 AND id = ?2 AND NOT deleted";
        Box::pin(async move {
            let mut memories = vec![];
            for id in ids.iter().collect::<BTreeSet<_>>() {
                let row = sqlx::query(MEMORY).bind(owner).bind(id).fetch_optional(&self.readers).await;
                memories.extend(row.map_err(failure)?.as_ref().map(memory).transpose()?);
            }
            Ok(memories)
        })
    }

    fn transaction(&self, id: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>> {
        const TRANSACTION: &str = concat!(
            "SELECT ",
            transaction_columns!(),
            " FROM transactions WHERE generation = (SELECT live FROM projection_state) AND id = ?1"
        );
        Box::pin(async move {
            let row = sqlx::query(TRANSACTION).bind(id).fetch_optional(&self.readers).await.map_err(failure)?;
            Ok(row.as_ref().map(transaction).transpose()?.map(|(_, change)| change))
        })
    }

    fn pending_transactions<'a>(
        &'a self,
        query: &'a PendingQuery,
    ) -> BoxFuture<'a, Result<Vec<(Uuid, TransactionChange)>, StoreError>> {
        const PENDING: &str = concat!(
            "SELECT ",
            transaction_columns!(),
            " FROM transactions
              WHERE generation = (SELECT live FROM projection_state) AND status IN ('SUBMITTED', 'ACCEPTED')
                AND updated_at < ?1 AND (?2 IS NULL OR (updated_at, id) > (?2, ?3))
              ORDER BY updated_at, id LIMIT ?4"
        );
        Box::pin(async move {
            let rows = sqlx::query(PENDING)
                .bind(query.older_than.timestamp_micros())
                .bind(query.after.map(|(at, _)| at.timestamp_micros()))
                .bind(query.after.map(|(_, id)| id))
                .bind(query.limit)
                .fetch_all(&self.readers);
            rows.await.map_err(failure)?.iter().map(transaction).collect()
        })
    }
}

fn json_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    items.collect::<serde_json::Value>().to_string()
}

fn emotion(row: &SqliteRow) -> Result<(Uuid, EmotionChange), StoreError> {
    let emotion = EmotionChange {
        version: row.try_get(1).map_err(failure)?,
        user_id: row.try_get(2).map_err(failure)?,
        emotion: parsed(row.try_get(3).map_err(failure)?)?,
        points: row.try_get(4).map_err(failure)?,
        updated_at: time(row.try_get(5).map_err(failure)?)?,
    };
    Ok((row.try_get(0).map_err(failure)?, emotion))
}

fn quote(row: &SqliteRow) -> Result<Quote, StoreError> {
    let text = |column: usize| row.try_get::<Option<&str>, _>(column).map_err(failure);
    Ok(Quote {
        coin: parsed(text(0)?.unwrap_or_default())?,
        usd: parsed(text(1)?.unwrap_or_default())?,
        change24h: text(2)?.map(parsed).transpose()?,
        market_cap: text(3)?.map(parsed).transpose()?,
        updated_at: time(row.try_get(4).map_err(failure)?)?,
        source: text(5)?.unwrap_or_default().to_owned(),
    })
}

fn point(row: &SqliteRow) -> Result<PricePoint, StoreError> {
    Ok(PricePoint {
        version: row.try_get(0).map_err(failure)?,
        usd: parsed(row.try_get(1).map_err(failure)?)?,
        at: time(row.try_get(2).map_err(failure)?)?,
        source: row.try_get(3).map_err(failure)?,
    })
}

fn memory(row: &SqliteRow) -> Result<MemoryRow, StoreError> {
    Ok(MemoryRow {
        id: row.try_get(0).map_err(failure)?,
        version: row.try_get(1).map_err(failure)?,
        content: row.try_get(2).map_err(failure)?,
        created_at: time(row.try_get(3).map_err(failure)?)?,
    })
}

fn transaction(row: &SqliteRow) -> Result<(Uuid, TransactionChange), StoreError> {
    let submission = Submission {
        chain: parsed(row.try_get(2).map_err(failure)?)?,
        hash: row.try_get(3).map_err(failure)?,
        user_id: row.try_get(4).map_err(failure)?,
        from: row.try_get(5).map_err(failure)?,
        to: row.try_get(6).map_err(failure)?,
        nonce: unsigned(row.try_get(7).map_err(failure)?),
        submitted_at: time(row.try_get(11).map_err(failure)?)?,
    };
    let change = TransactionChange {
        version: row.try_get(1).map_err(failure)?,
        submission,
        block: unsigned(row.try_get(8).map_err(failure)?),
        state: parsed(row.try_get(9).map_err(failure)?)?,
        reason: row.try_get(10).map_err(failure)?,
        updated_at: time(row.try_get(12).map_err(failure)?)?,
    };
    Ok((row.try_get(0).map_err(failure)?, change))
}
