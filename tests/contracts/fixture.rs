//! A store of a test's own: a SQLite file in a folder of its own, a database of its own on the shared Postgres, a table of its
//! own on the shared DynamoDB.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Config, Credentials};
use aws_sdk_dynamodb::types::AttributeValue;
use mcp_core::platform::clock::SystemClock;
use mcp_core::platform::secret::Secret;
use mcp_core::store::Store;
use mcp_core::store::dynamodb::DynamoDbStore;
use mcp_core::store::postgres::PostgresStore;
use mcp_core::store::sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use support::folder::Folder;
use support::services::{dynamodb_url, fresh_postgres_database};
use uuid::Uuid;

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
    /// A table, by its name.
    DynamoDb(String),
}

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The shared DynamoDB, for whoever has a client made.
pub(crate) fn dynamodb_config() -> Config {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(dynamodb_url())
        .retry_config(RetryConfig::standard().with_max_attempts(8).with_initial_backoff(Duration::from_millis(10)))
        .build()
}

impl Fixture {
    pub(crate) async fn sqlite() -> Self {
        Self::migrated(Database::new_sqlite()).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::migrated(Database::new_postgres().await).await
    }

    pub(crate) async fn dynamodb() -> Self {
        Self::migrated(Database::new_dynamodb()).await
    }

    async fn migrated(database: Database) -> Self {
        let store = database.open().await;
        store.migrate().await.unwrap();
        Self { store, database: Arc::new(database), patience: Duration::from_secs(60) }
    }

    /// How many are to be at it at once, where `many` would be right. The DynamoDB that tests have does one thing at a time.
    pub(crate) fn crowd(&self, many: usize) -> usize {
        if matches!(*self.database, Database::DynamoDb(_)) { many / 4 } else { many }
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

    pub(crate) fn new_dynamodb() -> Self {
        Self::DynamoDb(format!("test-{}", Uuid::now_v7().simple()))
    }

    /// Another store on the same database.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(_) => Arc::new(SqliteStore::open(&self.address()).await.unwrap()),
            Self::Postgres(_) => Arc::new(PostgresStore::connect(&Secret::new(self.address()), CONNECTIONS).unwrap()),
            Self::DynamoDb(table) => {
                let client = Client::from_conf(dynamodb_config());
                Arc::new(DynamoDbStore::with_client(table, Arc::new(SystemClock), client))
            }
        }
    }

    /// The SQLite file, the Postgres URL, or the table.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Sqlite(folder) => folder.path().join("deep/mcp.db").to_str().unwrap().to_owned(),
            Self::Postgres(url) | Self::DynamoDb(url) => url.clone(),
        }
    }

    /// Changes what is stored behind the store's back.
    pub(crate) async fn tamper(&self, sqlite: &str, postgres: &str, item: impl Fn(&mut Item)) {
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
            Self::DynamoDb(table) => {
                let client = Client::from_conf(dynamodb_config());
                let items = Box::pin(client.scan().table_name(table).send()).await.unwrap().items.unwrap();
                for before in items {
                    let mut after = before.clone();
                    item(&mut after);
                    if before != after {
                        Box::pin(client.put_item().table_name(table).set_item(Some(after)).send()).await.unwrap();
                    }
                }
            }
        }
    }

    /// A connection to the Postgres database.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.address()).await.unwrap()
    }
}
