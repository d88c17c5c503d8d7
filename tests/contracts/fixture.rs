//! A store of a test's own: a SQLite file in a folder of its own, or a database of its own on the shared Postgres.

use std::sync::Arc;
use std::time::Duration;

use mcp_core::platform::secret::Secret;
use mcp_core::store::Store;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use support::folder::Folder;
use support::services::fresh_postgres_database;

/// Connections that a test's store may open: enough to race, few enough for many tests at once.
const CONNECTIONS: u32 = 16;

/// A migrated store, and the database under it.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) database: Arc<Database>,
    /// How long a test waits for what must come at last.
    pub(crate) patience: Duration,
}

pub(crate) enum Database {
    Sqlite(Folder),
    Postgres(String),
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        Self::migrated(Database::new_sqlite()).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::migrated(Database::new_postgres().await).await
    }

    async fn migrated(database: Database) -> Self {
        let store = database.open().await;
        store.migrate().await.unwrap();
        Self { store, database: Arc::new(database), patience: Duration::from_secs(60) }
    }

    /// The same database behind another store.
    pub(crate) fn behind(&self, store: Arc<dyn Store>) -> Self {
        Self { store, database: self.database.clone(), patience: self.patience }
    }
}

impl Database {
    pub(crate) fn new_sqlite() -> Self {
        Self::Sqlite(Folder::new("contract"))
    }

    pub(crate) async fn new_postgres() -> Self {
        Self::Postgres(fresh_postgres_database().await)
    }

    /// Another store on the same database.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(_) => Arc::new(SqliteStore::open(&self.address()).await.unwrap()),
            Self::Postgres(_) => Arc::new(PostgresStore::connect(&Secret::new(self.address()), CONNECTIONS).unwrap()),
        }
    }

    /// The SQLite file, or the Postgres URL.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Sqlite(folder) => folder.path().join("deep/mcp.db").to_str().unwrap().to_owned(),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Changes what is stored behind the store's back.
    pub(crate) async fn tamper(&self, sqlite: &str, postgres: &str) {
        match self {
            Self::Sqlite(_) => {
                let options = SqliteConnectOptions::new().filename(self.address());
                let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sqlite.to_owned())).execute(&mut connection).await.unwrap();
            }
            Self::Postgres(_) => {
                let sql = AssertSqlSafe(postgres.to_owned());
                sqlx::raw_sql(sql).execute(&mut self.connection().await).await.unwrap();
            }
        }
    }

    /// A connection to the Postgres database.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.address()).await.unwrap()
    }
}
