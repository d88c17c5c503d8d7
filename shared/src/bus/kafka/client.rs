//! What every client of the cluster has in common: its address, its way in, how patient it is.

use std::error::Error;
use std::sync::Arc;

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use tokio::time::Instant;

use super::super::BusError;
use crate::platform::config::{Brokers, KafkaAuth, KafkaConfig};
use crate::platform::discovery::Discovery;

/// Makes clients.
pub(super) struct Client {
    config: KafkaConfig,
    brokers: Addresses,
    context: Context,
}

enum Addresses {
    Listed(String),
    #[cfg_attr(not(feature = "msk"), expect(dead_code, reason = "nobody is asked"))]
    Discovered(Arc<Discovery<String>>),
}

/// Where the addresses of a client are from, by which they are doubted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin(Option<Instant>);

impl Client {
    pub(super) fn new(config: KafkaConfig) -> Result<Self, BusError> {
        if config.auth == KafkaAuth::Iam && cfg!(not(feature = "msk")) {
            return Err(not_built());
        }
        let brokers = match &config.brokers {
            Brokers::List(list) => Addresses::Listed(list.clone()),
            #[cfg(feature = "msk")]
            Brokers::Msk { arn } => Addresses::Discovered(super::msk::discovery(arn, config.auth)),
            #[cfg(not(feature = "msk"))]
            Brokers::Msk { .. } => return Err(not_built()),
        };
        let context = Context::new(&config);
        Ok(Self { config, brokers, context })
    }

    pub(super) fn context(&self) -> Context {
        self.context.clone()
    }

    /// That no broker could be reached: where they are is asked again, where it was asked.
    pub(super) fn doubt(&self, origin: Origin) {
        if let (Addresses::Discovered(discovery), Some(lookup)) = (&self.brokers, origin.0) {
            discovery.doubt(lookup);
        }
    }

    /// The settings of any client. The brokers are looked up at the first call, where they are to be.
    pub(super) async fn config(&self) -> Result<(ClientConfig, Origin), BusError> {
        let (brokers, origin) = match &self.brokers {
            Addresses::Listed(list) => (list.clone(), None),
            Addresses::Discovered(discovery) => {
                let unknown = |error| BusError::Unavailable(format!("the brokers cannot be asked for: {error}"));
                let (lookup, found) = discovery.addresses().await.map_err(unknown)?;
                (String::clone(&found), Some(lookup))
            }
        };
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "mcp-server")
            .set("socket.keepalive.enable", "true")
            // A socket that died while the process was frozen is noticed by the request that gets no answer.
            .set("socket.timeout.ms", "5000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("connections.max.idle.ms", "180000")
            // Nothing is sent that nobody asked for.
            .set("enable.metrics.push", "false")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Warning);
        if self.config.auth != KafkaAuth::None {
            config.set("ssl.ca.location", self.config.ca_file.as_deref().unwrap_or("probe"));
        }
        match self.config.auth {
            KafkaAuth::None => config.set("security.protocol", "PLAINTEXT"),
            KafkaAuth::Tls => config.set("security.protocol", "SSL"),
            KafkaAuth::Iam => config.set("security.protocol", "SASL_SSL").set("sasl.mechanisms", "OAUTHBEARER"),
        };
        Ok((config, Origin(origin)))
    }
}

fn not_built() -> BusError {
    BusError::Refused("this build knows nothing of MSK and its IAM tokens".to_owned())
}

/// What librdkafka calls back for.
#[derive(Clone)]
pub(super) struct Context {
    #[cfg(feature = "msk")]
    tokens: Option<super::msk::Tokens>,
}

impl Context {
    #[cfg(feature = "msk")]
    fn new(config: &KafkaConfig) -> Self {
        Self { tokens: (config.auth == KafkaAuth::Iam).then(|| super::msk::Tokens::new(config.region.clone())) }
    }

    #[cfg(not(feature = "msk"))]
    fn new(_: &KafkaConfig) -> Self {
        Self {}
    }

    /// Lets a client that nobody polls get in, where that takes a token. Waits for it.
    #[cfg(feature = "msk")]
    pub(super) fn let_in(&self, client: &rdkafka::client::Client<Self>) -> Result<(), BusError> {
        self.tokens.as_ref().map_or(Ok(()), |tokens| super::msk::hand_token_to(client, tokens))
    }

    /// Lets a client that nobody polls get in: there is nothing to do without MSK.
    #[cfg(not(feature = "msk"))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the other one may fail")]
    pub(super) fn let_in(&self, _: &rdkafka::client::Client<Self>) -> Result<(), BusError> {
        Ok(())
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    /// Brokers come and go; whether that matters, the call that fails says.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, message, "Kafka's client");
            }
            _ => tracing::debug!(facility, message, "Kafka's client"),
        }
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka's client");
    }

    #[cfg(feature = "msk")]
    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.tokens.as_ref().ok_or("no tokens are configured")?.next()
    }

    #[cfg(not(feature = "msk"))]
    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        Err("no tokens are configured".into())
    }
}

impl ConsumerContext for Context {}
