//! The way of events: who publishes, consumes, replays, and looks after it all.

use std::sync::Arc;

use super::{StartError, begin, store};
use crate::bus::{Bus, Topics};
use crate::platform::clock::SystemClock;
use crate::platform::config::{ConfigError, KafkaConfig, Vars, topic_prefix};
use crate::services::admin::Admin;
#[cfg(any(feature = "aws", feature = "local"))]
use crate::services::{consume::BatchConsumer, project::Projector, relay::Relay, replay::Replayer};
use crate::store::Store;

/// The bus of a process.
#[derive(Clone)]
pub(super) struct Events {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) topics: Topics,
}

/// `outbox-relay`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(feature = "aws")]
pub async fn outbox_relay(vars: &Vars) -> Result<Relay, StartError> {
    begin(vars)?;
    let relay = required(vars).await?.relay(store(vars).await?);
    super::report(vars, [relay.meter.clone() as _]);
    Ok(relay)
}

/// `event-projector`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(feature = "aws")]
pub async fn event_projector(vars: &Vars) -> Result<BatchConsumer, StartError> {
    begin(vars)?;
    let projector = required(vars).await?.projector(store(vars).await?);
    super::report(vars, [projector.meter.clone() as _]);
    Ok(projector)
}

/// `dlq-replay`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(any(feature = "aws", feature = "local"))]
pub async fn dlq_replay(vars: &Vars) -> Result<Replayer, StartError> {
    begin(vars)?;
    Ok(required(vars).await?.replayer(store(vars).await?))
}

/// `admin`.
///
/// # Errors
/// A variable that is invalid, named.
pub async fn admin(vars: &Vars) -> Result<Admin, StartError> {
    begin(vars)?;
    let (store, topics) = (store(vars).await?, Topics::with_prefix(topic_prefix(vars)?));
    let bus = Events::from_vars(vars).await?.map(|events| events.bus);
    Ok(Admin { store, bus, topics, clock: Arc::new(SystemClock) })
}

/// The bus, which this process cannot do without.
#[cfg(any(feature = "aws", feature = "local"))]
pub(super) async fn required(vars: &Vars) -> Result<Events, StartError> {
    let missing = || ConfigError::expected("KAFKA_BROKERS", "HOST:PORT,HOST:PORT; or MSK_CLUSTER_ARN");
    Ok(Events::from_vars(vars).await?.ok_or_else(missing)?)
}

impl Events {
    /// The bus that the variables name. Where they name none, a log in this process; a Lambda function has none.
    pub(super) async fn from_vars(vars: &Vars) -> Result<Option<Self>, StartError> {
        let topics = Topics::with_prefix(topic_prefix(vars)?);
        match KafkaConfig::from_vars(vars)? {
            Some(config) => Ok(Some(Self { bus: kafka(config)?, topics })),
            None if vars.on_lambda() => Ok(None),
            None => in_process(vars, topics).await,
        }
    }

    #[cfg(any(feature = "aws", feature = "local"))]
    pub(super) fn relay(&self, store: Arc<dyn Store>) -> Relay {
        let (bus, topics) = (self.bus.clone(), self.topics.clone());
        Relay { store, bus, topics, clock: Arc::new(SystemClock), meter: Arc::default() }
    }

    #[cfg(any(feature = "aws", feature = "local"))]
    pub(super) fn projector(&self, store: Arc<dyn Store>) -> BatchConsumer {
        let handler = Arc::new(Projector { store });
        BatchConsumer::new(handler, Some(self.bus.clone()), Arc::new(SystemClock))
    }

    #[cfg(any(feature = "aws", feature = "local"))]
    fn replayer(&self, store: Arc<dyn Store>) -> Replayer {
        Replayer { bus: self.bus.clone(), leases: store, clock: Arc::new(SystemClock) }
    }
}

#[cfg(feature = "kafka")]
fn kafka(config: KafkaConfig) -> Result<Arc<dyn Bus>, StartError> {
    let refused = |error: crate::bus::BusError| StartError::Failed(error.to_string());
    Ok(Arc::new(crate::bus::kafka::KafkaBus::new(config, Arc::new(SystemClock)).map_err(refused)?))
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: KafkaConfig) -> Result<Arc<dyn Bus>, StartError> {
    Err(super::not_built("KAFKA_BROKERS", "Kafka").into())
}

/// A log in a file beside the database's, or in `.local/` where the database is elsewhere.
#[cfg(feature = "sqlite")]
async fn in_process(vars: &Vars, topics: Topics) -> Result<Option<Events>, StartError> {
    use crate::bus::in_process::InProcessBus;
    use crate::platform::config::{Database, StoreConfig};

    let path = match StoreConfig::from_vars(vars)?.database {
        Database::Sqlite(path) if path == ":memory:" => path,
        Database::Sqlite(path) => format!("{}-bus.db", path.strip_suffix(".db").unwrap_or(&path)),
        Database::Postgres(_) | Database::DynamoDb(_) => ".local/mcp-bus.db".to_owned(),
    };
    let bus = InProcessBus::open(&path).await.map_err(|error| StartError::Failed(format!("the event log: {error}")))?;
    Ok(Some(Events { bus: Arc::new(bus), topics }))
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
async fn in_process(_: &Vars, _: Topics) -> Result<Option<Events>, StartError> {
    Ok(None)
}
