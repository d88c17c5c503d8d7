//! The embedded default: one SQLite file, or memory. One connection writes, one transaction at a time; others read
//! beside it.

mod append;
mod error;
mod leases;
mod outbox;
mod projections;
mod read;
mod read_models;
mod rows;

use std::sync::Arc;

use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use self::error::failure;
use super::migrations::{self, File};
use super::{Maintenance, StoreError};
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::sqlite::SqliteFile;

/// The schema.
pub(super) const MIGRATIONS: &[File] = migrations::files!("sqlite": 1 "0001_event_store", 2 "0002_read_models",
    3 "0003_outbox_queue", 4 "0004_projections", 5 "0005_transactions");

/// A store in one SQLite file. An acknowledged append survives a loss of power.
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
        let opened = SqliteFile::open(path).await.map_err(failure);
        let unusable = |error| StoreError::Unavailable(format!("{path:?}: {error}"));
        let SqliteFile { writer, readers } = opened.map_err(unusable)?;
        Ok(Self { writer, readers, clock: Arc::new(SystemClock) })
    }

    /// A transaction that may write. The lock is taken at its start: one that reads first and writes later would
    /// fail when another came between.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)
    }
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
