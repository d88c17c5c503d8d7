//! What operators do to a deployment: bring the schema up to date, make the topics, rebuild the read models.

use std::sync::Arc;

use super::Error;
use super::rebuild::{RebuildProgress, Rebuilder};
use crate::bus::{Bus, Topics};
use crate::platform::clock::{Clock, Timestamp};
use crate::store::Store;

/// What operators do.
pub struct Admin {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The bus, if one is configured.
    pub bus: Option<Arc<dyn Bus>>,
    /// Its topics.
    pub topics: Topics,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Admin {
    /// Brings the schema up to date: the migrations that were applied.
    ///
    /// # Errors
    /// The store's.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        let applied = self.store.migrate().await?;
        tracing::info!(applied = applied.len(), "the schema is up to date");
        Ok(applied)
    }

    /// Makes the topics that are missing: their names.
    ///
    /// # Errors
    /// [`Error::Invalid`] where no bus is configured; the bus's.
    pub async fn create_topics(&self) -> Result<Vec<String>, Error> {
        let Some(bus) = &self.bus else {
            return Err(Error::Invalid("no Kafka is configured: set KAFKA_BROKERS or MSK_CLUSTER_ARN".to_owned()));
        };
        let created = bus.create_topics(&self.topics.specs()).await?;
        tracing::info!(created = created.len(), "the topics are there");
        Ok(created)
    }

    /// Rebuilds the read models, as far as the time allows: see [`Rebuilder::run`].
    ///
    /// # Errors
    /// See there.
    pub async fn rebuild(&self, deadline: Timestamp, tell: impl Fn(RebuildProgress)) -> Result<RebuildProgress, Error> {
        Rebuilder { store: self.store.clone(), clock: self.clock.clone() }.run(deadline, tell).await
    }
}
