//! Postgres: one statement an append, one a load, one a page. Everything that a session could remember is left out
//! (SET, LISTEN, session locks, temporary tables), so that a proxy may share its connections.

mod append;
mod error;
#[cfg(feature = "rds-iam")]
mod iam;
mod leases;
mod outbox;
mod pool;
mod projections;
mod read;
mod read_models;
mod rows;

use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnectOptions;

use self::error::failure;
use self::pool::Pool;
use super::migrations::{self, File};
use super::{Maintenance, StoreError, within};
use crate::platform::BoxFuture;
use crate::platform::secret::Secret;

/// The schema.
pub(super) const MIGRATIONS: &[File] = migrations::files!("postgres": 1 "0001_event_store", 2 "0002_append_events", 3 "0003_read_models",
    4 "0004_outbox_queue", 5 "0005_projections", 6 "0006_transactions");

/// How long one call may take, the wait for a connection included.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a migration may take: an index over many events is not made in seconds.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(600);

/// A store in a Postgres database (version 13 or newer).
pub struct PostgresStore {
    pool: Pool,
}

impl PostgresStore {
    /// The store at `url`, which opens at most `max_connections` connections, each when a call first needs it: the
    /// database may be down now, and may come back, without this failing. A Lambda sandbox handles one request at a
    /// time and needs one or two.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for what is no Postgres URL. The text does not repeat it: it may carry a password.
    pub fn connect(url: &Secret, max_connections: u32) -> Result<Self, StoreError> {
        Ok(Self { pool: Pool::new(options(url)?, max_connections) })
    }

    /// The same where each connection is let in by a token of Amazon RDS for that region, over TLS.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for what is no Postgres URL, or asks for less than TLS.
    #[cfg(feature = "rds-iam")]
    pub fn connect_with_iam(url: &Secret, max_connections: u32, region: &str) -> Result<Self, StoreError> {
        let pool = Pool::new(iam::encrypted(options(url)?, url)?, max_connections);
        Ok(Self { pool: pool.with_tokens(iam::Tokens::new(region)) })
    }
}

fn options(url: &Secret) -> Result<PgConnectOptions, StoreError> {
    let invalid = |_| StoreError::Invalid("the database URL is not one of Postgres".to_owned());
    PgConnectOptions::from_str(url.expose()).map_err(invalid)
}

impl Maintenance for PostgresStore {
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, async {
            let mut held = self.pool.acquire().await?;
            let pinged = held.ping().await;
            held.give_back(pinged.map_err(failure))
        }))
    }

    fn migrate(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        /// Any constant would do, the same for everybody. The lock ends with the transaction.
        const LOCK: &str = "SELECT pg_advisory_xact_lock(7237126549)";
        Box::pin(within(MIGRATION_DEADLINE, async {
            let mut held = self.pool.acquire().await?;
            let mut transaction = held.begin().await.map_err(failure)?;
            sqlx::query(LOCK).execute(&mut *transaction).await.map_err(failure)?;
            let applied = migrations::run(&mut *transaction, MIGRATIONS)
                .await
                .map_err(|error| migrations::cause(error).map_or_else(StoreError::Failed, failure))?;
            let committed = transaction.commit().await.map_err(failure);
            held.give_back(committed)?;
            Ok(applied)
        }))
    }
}
