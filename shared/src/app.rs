//! From configuration to what a function runs: one constructor a function, each building only what it uses. The one
//! place that knows which backends there are.

use std::fmt;
use std::sync::Arc;

use crate::platform::config::{ConfigError, Database, StoreConfig, Vars};
#[cfg(feature = "aws")]
use crate::platform::metrics::{Measured, emf};
use crate::platform::secrets::SecretsError;
use crate::platform::telemetry::{self, TelemetryConfig};
use crate::store::{Store, StoreError};

#[cfg(any(feature = "graphql", feature = "aws"))]
mod chains;
mod events;
#[cfg(feature = "local")]
mod local;
#[cfg(any(feature = "graphql", feature = "aws"))]
mod prices;
#[cfg(all(feature = "graphql", any(feature = "local", all(feature = "aws", feature = "dynamodb", feature = "push"))))]
mod push;
#[cfg(feature = "graphql")]
mod quotes;
#[cfg(any(feature = "graphql", feature = "aws"))]
mod redis;
#[cfg(feature = "aws")]
mod renewed;
#[cfg(feature = "graphql")]
mod router;
#[cfg(any(feature = "graphql", feature = "aws"))]
mod watcher;

#[cfg(any(feature = "graphql", feature = "aws"))]
pub use chains::chains;
pub use events::admin;
#[cfg(any(feature = "aws", feature = "local"))]
pub use events::dlq_replay;
#[cfg(feature = "aws")]
pub use events::{event_projector, outbox_relay};
#[cfg(feature = "local")]
pub use local::{Local, Pipeline, local};
#[cfg(feature = "aws")]
pub use prices::price_poller;
#[cfg(all(feature = "aws", feature = "dynamodb", feature = "push", feature = "graphql"))]
pub use push::{subscription_fanout, subscriptions};
#[cfg(feature = "aws")]
pub use renewed::{Construct, Renewed};
#[cfg(feature = "apigw")]
pub use router::graphql;
#[cfg(feature = "aws")]
pub use watcher::chain_watcher;

/// What a `main` ends with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Why a process does not start. Prints as one line, by `Debug` too: that is how a `main` shows it.
#[derive(thiserror::Error)]
pub enum StartError {
    /// A variable does not say what it must.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A variable refers to a secret that cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What every process does first: logs, and one TLS implementation for all libraries.
fn begin(vars: &Vars) -> Result<(), StartError> {
    let config = TelemetryConfig::from_vars(vars)?;
    if cfg!(not(feature = "otel")) && config.has_traces() {
        return Err(not_built("OTEL_EXPORTER_OTLP_ENDPOINT", "sending traces").into());
    }
    // Both fail only where a test has begun before in the same process.
    let _ = telemetry::start(config);
    #[cfg(feature = "crash-points")]
    crate::platform::crash::arm(vars);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(())
}

async fn store(vars: &Vars) -> Result<Arc<dyn Store>, StartError> {
    match StoreConfig::from_vars(vars)?.database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite(path) => Ok(Arc::new(crate::store::sqlite::SqliteStore::open(&path).await?)),
        #[cfg(feature = "postgres")]
        Database::Postgres(url) => {
            // A sandbox handles one request, or one batch of a few partitions, at a time.
            let connections = if vars.on_lambda() { 4 } else { 16 };
            postgres(vars, &url, connections)
        }
        #[cfg(feature = "dynamodb")]
        Database::DynamoDb(table) => {
            let clock = Arc::new(crate::platform::clock::SystemClock);
            Ok(Arc::new(crate::store::dynamodb::DynamoDbStore::new(&table, clock)))
        }
        #[cfg(not(feature = "dynamodb"))]
        Database::DynamoDb(_) => Err(not_built("DATABASE_URL", "DynamoDB").into()),
        #[cfg(not(feature = "sqlite"))]
        Database::Sqlite(_) => Err(not_built("DATABASE_URL", "SQLite").into()),
        #[cfg(not(feature = "postgres"))]
        Database::Postgres(_) => Err(not_built("DATABASE_URL", "Postgres").into()),
    }
}

#[cfg(feature = "postgres")]
fn postgres(
    vars: &Vars,
    url: &crate::platform::secret::Secret,
    connections: u32,
) -> Result<Arc<dyn Store>, StartError> {
    use crate::platform::config::DatabaseAuth;
    use crate::store::postgres::PostgresStore;

    match DatabaseAuth::from_vars(vars)? {
        DatabaseAuth::Password => Ok(Arc::new(PostgresStore::connect(url, connections)?)),
        #[cfg(feature = "rds-iam")]
        DatabaseAuth::Iam { region } => Ok(Arc::new(PostgresStore::connect_with_iam(url, connections, &region)?)),
        #[cfg(not(feature = "rds-iam"))]
        DatabaseAuth::Iam { .. } => Err(not_built("DATABASE_AUTH", "IAM for databases").into()),
    }
}

/// An event store that wakes the relay after each commit, where `OUTBOX_RELAY_FUNCTION` names one.
#[cfg(feature = "aws")]
#[cfg_attr(feature = "invoke", expect(clippy::unnecessary_wraps, reason = "without that feature it may fail"))]
#[cfg_attr(not(feature = "invoke"), expect(unused_variables, reason = "nothing is invoked"))]
fn waking(
    vars: &Vars,
    store: Arc<dyn Store>,
    breakers: &crate::breaker::Breakers,
) -> Result<Arc<dyn crate::store::EventStore>, ConfigError> {
    use crate::platform::config::relay_function;

    match relay_function(vars) {
        None => Ok(store),
        #[cfg(feature = "invoke")]
        Some(name) => {
            let relay = Arc::new(crate::bus::wake::RelayFunction::new(name, breakers));
            Ok(Arc::new(crate::store::after_commit::AfterCommit::new(store, vec![relay])))
        }
        #[cfg(not(feature = "invoke"))]
        Some(_) => Err(not_built("OUTBOX_RELAY_FUNCTION", "invoking other functions")),
    }
}

/// On Lambda, what these measure goes out with the answer of each invocation; elsewhere `/metrics` shows it.
#[cfg(feature = "aws")]
fn report(vars: &Vars, measured: impl IntoIterator<Item = Arc<dyn Measured>>) {
    if vars.on_lambda() {
        emf::follow(measured.into_iter().chain(telemetry::measured()));
    }
}

/// A setting asks for a part that this build does not have.
fn not_built(name: &'static str, part: &str) -> ConfigError {
    ConfigError { name, problem: format!("{part} is not part of this build; locally, `FULL=1 make run` builds it in") }
}
