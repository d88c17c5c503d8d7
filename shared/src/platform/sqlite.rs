//! A SQLite file, or memory: one connection writes, one transaction at a time; others read beside it.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::ids::jitter;

/// How long a call waits for a connection, or for another process that writes to the same file.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a file is tried to be opened, and the longest pause between two tries.
const OPENINGS: u32 = 8;
const BETWEEN_OPENINGS: Duration = Duration::from_millis(100);
/// How many calls may read at once.
const READERS: u32 = 4;

/// The connections to one file.
///
/// What was committed survives a loss of power: every commit is synced (`synchronous = FULL`). With `NORMAL` the last
/// ones could be lost, and the callers had been told that they were kept.
#[derive(Debug, Clone)]
pub(crate) struct SqliteFile {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl SqliteFile {
    /// Opens the file at `path` and makes it, and its folder, if there is none; `:memory:` is gone with the last clone.
    pub(crate) async fn open(path: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        if path == ":memory:" {
            // Each connection to `:memory:` has a database of its own, so there is only one.
            let writer = pool(options.in_memory(true), 1).await?;
            return Ok(Self { readers: writer.clone(), writer });
        }
        if let Some(folder) = Path::new(path).parent() {
            std::fs::create_dir_all(folder)?;
        }
        let options = options.filename(path);
        let writer = pool(options.clone().create_if_missing(true), 1).await?;
        let readers = pool(options.read_only(true), READERS).await?;
        Ok(Self { writer, readers })
    }
}

/// Connections that stay open for ever: with the last one to `:memory:` the data would go.
async fn pool(options: SqliteConnectOptions, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    // Several processes that open a new file at once all switch it to WAL, and that does not wait for the others.
    for _ in 1..OPENINGS {
        match pool.clone().connect_with(options.clone()).await {
            Err(sqlx::Error::Database(_)) => tokio::time::sleep(jitter(BETWEEN_OPENINGS)).await,
            result => return result,
        }
    }
    pool.connect_with(options).await
}
