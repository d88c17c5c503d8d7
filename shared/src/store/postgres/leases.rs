//! Leases: a row a name, taken over once it has expired.

use std::time::Duration;

use super::error::failure;
use super::{DEADLINE, PostgresStore, within};
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::store::{Leases, StoreError};

impl Leases for PostgresStore {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        const ACQUIRE: &str = "
            INSERT INTO leases AS lease (name, holder, expires_at)
            VALUES ($1, $2, $3::timestamptz + $4 * interval '1 microsecond')
            ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
            WHERE lease.holder = EXCLUDED.holder OR lease.expires_at <= $3";
        Box::pin(within(DEADLINE, async move {
            let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
            let query = sqlx::query(ACQUIRE).bind(name).bind(holder).bind(now).bind(ttl);
            let mut held = self.pool.acquire().await?;
            let done = query.execute(&mut *held).await;
            Ok(held.give_back(done.map_err(failure))?.rows_affected() == 1)
        }))
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let query = sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2").bind(name).bind(holder);
            let mut held = self.pool.acquire().await?;
            let done = query.execute(&mut *held).await;
            held.give_back(done.map(drop).map_err(failure))
        }))
    }
}
