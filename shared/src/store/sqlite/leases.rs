//! Leases: a row a name, taken over once it has expired.

use std::time::Duration;

use super::SqliteStore;
use super::error::failure;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{Leases, StoreError};

impl Leases for SqliteStore {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const ACQUIRE: &str = "
            INSERT INTO leases (name, holder, expires_at) VALUES (?1, ?2, ?4)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
            WHERE leases.holder = excluded.holder OR leases.expires_at <= ?3";
        Box::pin(async move {
            let now = now.timestamp_micros();
            let expires_at = now.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX));
            let query = sqlx::query(ACQUIRE).bind(name).bind(holder).bind(now).bind(expires_at);
            let done = query.execute(&self.writer).await.map_err(failure)?;
            Ok(done.rows_affected() == 1)
        })
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let query = sqlx::query("DELETE FROM leases WHERE name = ?1 AND holder = ?2").bind(name).bind(holder);
            query.execute(&self.writer).await.map(drop).map_err(failure)
        })
    }
}
