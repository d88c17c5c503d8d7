//! The read models: rows written over older ones only, each table in one statement whatever the number of rows, and
//! read by their keys.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::error::failure;
use super::rows::parsed;
use super::{DEADLINE, PostgresStore, within};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{Changes, MemoryChange};
use crate::platform::BoxFuture;
use crate::store::read_models::{search_text, search_words};
use crate::store::{HistoryQuery, MemoryQuery, MemoryRow, PricePoint, ReadModels, StoreError};

const WRITE_LATEST: &str = "
    INSERT INTO latest_prices AS latest (coin, version, usd, change_24h, market_cap, updated_at, source)
    SELECT coin, version, usd::numeric, change_24h::numeric, market_cap::numeric, updated_at, source
    FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[])
        AS new (coin, version, usd, change_24h, market_cap, updated_at, source)
    ORDER BY coin
    ON CONFLICT (coin) DO UPDATE
    SET version = EXCLUDED.version, usd = EXCLUDED.usd, change_24h = EXCLUDED.change_24h,
        market_cap = EXCLUDED.market_cap, updated_at = EXCLUDED.updated_at, source = EXCLUDED.source
    WHERE latest.version < EXCLUDED.version";
const WRITE_HISTORY: &str = "
    INSERT INTO price_history (coin, version, usd, at, source)
    SELECT coin, version, usd::numeric, at, source
    FROM unnest($1::text[], $2::int[], $3::text[], $4::timestamptz[], $5::text[])
        AS new (coin, version, usd, at, source)
    ORDER BY coin, version
    ON CONFLICT (coin, version) DO NOTHING";
const WRITE_MEMORIES: &str = "
    INSERT INTO memories AS memory (owner, id, version, deleted, content, search_text, created_at)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bool[], $5::text[], $6::text[], $7::timestamptz[])
        AS new (owner, id, version, deleted, content, search_text, created_at)
    ORDER BY owner, id
    ON CONFLICT (owner, id) DO UPDATE
    SET version = EXCLUDED.version, deleted = EXCLUDED.deleted, content = EXCLUDED.content,
        search_text = EXCLUDED.search_text, created_at = EXCLUDED.created_at
    WHERE memory.version < EXCLUDED.version";

/// Brings the read models up to the events that `changes` follow from.
pub(super) async fn write(connection: &mut PgConnection, changes: &Changes) -> Result<(), StoreError> {
    if !changes.price_history.is_empty() {
        write_prices(connection, changes).await.map_err(failure)?;
    }
    if !changes.memories.is_empty() {
        write_memories(connection, changes).await.map_err(failure)?;
    }
    Ok(())
}

async fn write_prices(connection: &mut PgConnection, changes: &Changes) -> Result<(), sqlx::Error> {
    let latest = || changes.latest_prices.values().map(|(_, quote)| quote);
    sqlx::query(WRITE_LATEST)
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
        .bind(all(changes.price_history.keys(), |(coin, _)| coin.as_str()))
        .bind(all(changes.price_history.keys(), |(_, version)| *version))
        .bind(all(changes.price_history.values(), |quote| quote.usd.to_string()))
        .bind(all(changes.price_history.values(), |quote| quote.updated_at))
        .bind(all(changes.price_history.values(), |quote| quote.source.as_str()))
        .execute(connection)
        .await
        .map(drop)
}

async fn write_memories(connection: &mut PgConnection, changes: &Changes) -> Result<(), sqlx::Error> {
    let memories = &changes.memories;
    sqlx::query(WRITE_MEMORIES)
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

/// A column.
fn all<T, C>(rows: impl Iterator<Item = T>, column: impl FnMut(T) -> C) -> Vec<C> {
    rows.map(column).collect()
}

impl ReadModels for PostgresStore {
    fn latest_prices<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, StoreError>> {
        const LATEST: &str = "
            SELECT coin, usd::text, change_24h::text, market_cap::text, updated_at, source FROM latest_prices
            WHERE coin = ANY($1)";
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query(LATEST).bind(all(coins.iter(), Coin::as_str));
            let mut held = self.pool.acquire().await?;
            let rows = query.fetch_all(&mut *held).await;
            held.give_back(rows.map_err(failure))?.iter().map(quote).collect()
        }))
    }

    fn price_history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<PricePoint>, StoreError>> {
        const HISTORY: &str = "
            SELECT version, usd::text, at, source FROM price_history
            WHERE coin = $1 AND ($2::timestamptz IS NULL OR at >= $2) AND ($3::timestamptz IS NULL OR at < $3)
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
            WHERE owner = $1 AND NOT deleted AND ($2::int IS NULL OR version < $2)
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
