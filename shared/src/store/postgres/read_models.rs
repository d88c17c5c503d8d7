//! The read models, read by their keys from the live generation.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::error::failure;
use super::rows::parsed;
use super::{DEADLINE, PostgresStore, within};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{EmotionChange, TransactionChange};
use crate::domain::transaction::Submission;
use crate::platform::BoxFuture;
use crate::store::read_models::{search_words, transaction_columns, unsigned};
use crate::store::{HistoryQuery, MemoryQuery, MemoryRow, PendingQuery, PricePoint, ReadModels, StoreError};

impl ReadModels for PostgresStore {
    fn emotions<'a>(&'a self, owners: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<(Uuid, EmotionChange)>, StoreError>> {
        const EMOTIONS: &str = "
            SELECT owner, version, user_id, emotion, points, updated_at FROM emotions
            WHERE generation = (SELECT live FROM projection_state) AND owner = ANY($1)";
        Box::pin(within(DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let rows = sqlx::query(EMOTIONS).bind(owners).fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(emotion).collect()
        }))
    }

    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        const LATEST: &str = "
            SELECT coin, usd::text, change_24h::text, market_cap::text, updated_at, source FROM latest_prices
            WHERE generation = (SELECT live FROM projection_state) AND coin = ANY($1)";
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(LATEST).bind(coins.iter().map(Coin::as_str).collect::<Vec<_>>());
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(quote).collect()
        }))
    }

    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        const HISTORY: &str = "
            SELECT version, usd::text, at, source FROM price_history
            WHERE generation = (SELECT live FROM projection_state)
              AND coin = $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
              AND ($4::int IS NULL OR version < $4)
            ORDER BY version DESC LIMIT $5";
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(HISTORY)
                .bind(query.coin.as_str())
                .bind(query.from)
                .bind(query.to)
                .bind(query.before_version)
                .bind(i64::from(query.limit));
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(point).collect()
        }))
    }

    fn memories<'a>(&'a self, query: &'a MemoryQuery) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        const MEMORIES: &str = "
            SELECT id, version, content, created_at FROM memories
            WHERE generation = (SELECT live FROM projection_state)
              AND owner = $1 AND NOT deleted AND ($2::int IS NULL OR version < $2)
              AND NOT EXISTS (SELECT FROM unnest($3::text[]) AS word WHERE strpos(search_text, word) = 0)
            ORDER BY version DESC LIMIT $4";
        Box::pin(within(DEADLINE, async move {
            let Some(words) = search_words(&query.words) else { return Ok(vec![]) };
            let query = sqlx::query(MEMORIES)
                .bind(query.owner)
                .bind(query.before_version)
                .bind(words)
                .bind(i64::from(query.limit));
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(memory).collect()
        }))
    }

    fn memories_by_id<'a>(&'a self, owner: Uuid, ids: &'a [Uuid]) -> BoxFuture<'a, Result<Vec<MemoryRow>, StoreError>> {
        const MEMORIES: &str = "
            SELECT id, version, content, created_at FROM memories
            WHERE generation = (SELECT live FROM projection_state) AND owner = $1 AND id = ANY($2) AND NOT deleted";
        Box::pin(within(DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let rows = sqlx::query(MEMORIES).bind(owner).bind(ids).fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(memory).collect()
        }))
    }

    fn transaction(&self, id: Uuid) -> BoxFuture<'_, Result<Option<TransactionChange>, StoreError>> {
        const TRANSACTION: &str = concat!(
            "SELECT ",
            transaction_columns!(),
            " FROM transactions WHERE generation = (SELECT live FROM projection_state) AND id = $1"
        );
        Box::pin(within(DEADLINE, async move {
            let mut held = self.pool.acquire().await?;
            let row = sqlx::query(TRANSACTION).bind(id).fetch_optional(&mut *held).await;
            let row = held.give_back(row.map_err(failure))?;
            Ok(row.as_ref().map(transaction).transpose()?.map(|(_, change)| change))
        }))
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
                AND updated_at < $1 AND ($2::timestamptz IS NULL OR (updated_at, id) > ($2, $3))
              ORDER BY updated_at, id LIMIT $4"
        );
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(PENDING)
                .bind(query.older_than)
                .bind(query.after.map(|(at, _)| at))
                .bind(query.after.map(|(_, id)| id))
                .bind(i64::from(query.limit));
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(transaction).collect()
        }))
    }
}

fn emotion(row: &PgRow) -> Result<(Uuid, EmotionChange), StoreError> {
    let emotion = EmotionChange {
        version: row.try_get(1).map_err(failure)?,
        user_id: row.try_get(2).map_err(failure)?,
        emotion: parsed(row.try_get(3).map_err(failure)?)?,
        points: row.try_get(4).map_err(failure)?,
        updated_at: row.try_get(5).map_err(failure)?,
    };
    Ok((row.try_get(0).map_err(failure)?, emotion))
}

fn quote(row: &PgRow) -> Result<Quote, StoreError> {
    let text = |column: usize| row.try_get::<Option<&str>, _>(column).map_err(failure);
    Ok(Quote {
        coin: parsed(text(0)?.unwrap_or_default())?,
        usd: parsed(text(1)?.unwrap_or_default())?,
        change24h: text(2)?.map(parsed).transpose()?,
        market_cap: text(3)?.map(parsed).transpose()?,
        updated_at: row.try_get(4).map_err(failure)?,
        source: text(5)?.unwrap_or_default().to_owned(),
    })
}

fn point(row: &PgRow) -> Result<PricePoint, StoreError> {
    Ok(PricePoint {
        version: row.try_get(0).map_err(failure)?,
        usd: parsed(row.try_get(1).map_err(failure)?)?,
        at: row.try_get(2).map_err(failure)?,
        source: row.try_get(3).map_err(failure)?,
    })
}

fn memory(row: &PgRow) -> Result<MemoryRow, StoreError> {
    Ok(MemoryRow {
        id: row.try_get(0).map_err(failure)?,
        version: row.try_get(1).map_err(failure)?,
        content: row.try_get(2).map_err(failure)?,
        created_at: row.try_get(3).map_err(failure)?,
    })
}

fn transaction(row: &PgRow) -> Result<(Uuid, TransactionChange), StoreError> {
    let submission = Submission {
        chain: parsed(row.try_get(2).map_err(failure)?)?,
        hash: row.try_get(3).map_err(failure)?,
        user_id: row.try_get(4).map_err(failure)?,
        from: row.try_get(5).map_err(failure)?,
        to: row.try_get(6).map_err(failure)?,
        nonce: unsigned(row.try_get(7).map_err(failure)?),
        submitted_at: row.try_get(11).map_err(failure)?,
    };
    let change = TransactionChange {
        version: row.try_get(1).map_err(failure)?,
        submission,
        block: unsigned(row.try_get(8).map_err(failure)?),
        state: parsed(row.try_get(9).map_err(failure)?)?,
        reason: row.try_get(10).map_err(failure)?,
        updated_at: row.try_get(12).map_err(failure)?,
    };
    Ok((row.try_get(0).map_err(failure)?, change))
}
