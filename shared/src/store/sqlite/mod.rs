//! The embedded default: one SQLite file, or memory. One connection writes, one transaction at a time; others read
//! beside it.

mod append;
mod error;
mod leases;
mod outbox;
mod read;
mod read_models;
mod rows;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use self::error::failure;
use super::migrations::{self, File};
use super::{Maintenance, StoreError};
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::ids::jitter;

/// The schema.
pub(super) const MIGRATIONS: &[File] = migrations::files!("sqlite": 1 "0001_event_store", 2 "0002_read_models");

/// How long a call waits for a connection, or for another process that writes to the same file.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a file is tried to be opened, and the longest pause between two tries.
const OPENINGS: u32 = 8;
const BETWEEN_OPENINGS: Duration = Duration::from_millis(100);
/// How many calls may read at once.
const READERS: u32 = 4;

/// A store in one SQLite file.
///
/// An acknowledged append survives a loss of power: every commit is synced (`synchronous = FULL`). With `NORMAL` the
/// last ones could be lost, and the callers had been told that they were kept.
#[derive(Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// Opens the file at `path` and makes it, and its folder, if there is none; `:memory:` is gone with the store.
    /// The schema is not touched: call [`Maintenance::migrate`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the file cannot be opened.
    pub async fn open(path: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let clock = Arc::new(SystemClock);
        if path == ":memory:" {
            // Each connection to `:memory:` has a database of its own, so there is only one.
            let writer = pool(options.in_memory(true), 1).await?;
            return Ok(Self { readers: writer.clone(), writer, clock });
        }
        if let Some(folder) = Path::new(path).parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| StoreError::Unavailable(format!("the folder of {path:?}: {error}")))?;
        }
        let options = options.filename(path);
        let writer = pool(options.clone().create_if_missing(true), 1).await?;
        let readers = pool(options.read_only(true), READERS).await?;
        Ok(Self { writer, readers, clock })
    }

    /// A transaction that may write. The lock is taken at its start: one that reads first and writes later would
    /// fail when another came between.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)
    }
}

/// Connections that stay open for ever: with the last one to `:memory:` the data would go.
async fn pool(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    // Several processes that open a new file at once all switch it to WAL, and that does not wait for the others.
    for _ in 1..OPENINGS {
        match pool.clone().connect_with(options.clone()).await.map_err(failure) {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(jitter(BETWEEN_OPENINGS)).await,
            result => return result,
        }
    }
    pool.connect_with(options).await.map_err(failure)
}

impl Maintenance for SqliteStore {
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { sqlx::query("SELECT 1").execute(&self.readers).await.map(drop).map_err(failure) })
    }

    fn migrate(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(async move {
            let mut transaction = self.begin().await?;
            let applied = migrations::run(&mut *transaction, MIGRATIONS)
                .await
                .map_err(|error| migrations::cause(error).map_or_else(StoreError::Failed, failure))?;
            transaction.commit().await.map_err(failure)?;
            Ok(applied)
        })
    }
}
