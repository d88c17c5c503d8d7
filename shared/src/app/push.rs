//! Clients that are connected: at API Gateway, or at sockets of this process.

use std::sync::Arc;
use std::time::Duration;

use super::router::Face;
use crate::faces::websocket::Sockets;
use crate::platform::clock::Clock;
use crate::push::{Poster, Registry};
use crate::services::fan_out::Teller;
use crate::services::subscriptions::Subscriptions;
use crate::store::EventStore;

#[cfg(all(feature = "aws", feature = "dynamodb", feature = "push"))]
pub use deployed::{subscription_fanout, subscriptions};

/// Who is connected, and how they are reached.
pub(super) struct Clients {
    pub(super) registry: Arc<dyn Registry>,
    pub(super) poster: Arc<dyn Poster>,
    /// How long a connection may live.
    pub(super) life: Duration,
}

impl Face {
    /// The protocol for clients that are connected.
    pub(super) fn sockets(
        &self,
        clients: Clients,
        events: Arc<dyn EventStore>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Sockets> {
        let Clients { registry, poster, life } = clients;
        let teller = Teller::new(registry, poster, Arc::new(self.graph.clone()), clock.clone());
        let subscriptions = Subscriptions { teller: Arc::new(teller), events, clock: clock.clone(), life };
        Arc::new(Sockets {
            graph: self.graph.clone(),
            flag: self.flag,
            verifier: self.verifier.clone(),
            limits: self.limits.clone(),
            subscriptions,
        })
    }
}

#[cfg(feature = "local")]
impl Clients {
    /// Clients at sockets of this process, and who sends to them.
    pub(super) fn here(clock: &Arc<dyn Clock>) -> (Self, Arc<crate::push::in_process::InProcessPoster>) {
        let poster = Arc::new(crate::push::in_process::InProcessPoster::default());
        let registry = Arc::new(crate::push::memory::MemoryRegistry::new(clock.clone()));
        (Self { registry, poster: poster.clone(), life: Duration::from_secs(24 * 3600) }, poster)
    }
}

#[cfg(all(feature = "aws", feature = "dynamodb", feature = "push"))]
mod deployed {
    use super::{Arc, Clients, Clock, Duration, Sockets, Teller};
    use crate::app::StartError;
    use crate::app::router::Parts;
    use crate::faces::graphql::Graph;
    use crate::platform::clock::SystemClock;
    use crate::platform::config::{AuthConfig, PushConfig, Vars};
    use crate::push::api_gateway::ApiGatewayPoster;
    use crate::push::dynamodb::DynamoDbRegistry;
    use crate::services::consume::BatchConsumer;
    use crate::services::fan_out::FanOut;

    /// API Gateway ends a connection after two hours.
    const LIFE: Duration = Duration::from_secs(2 * 3600 + 300);

    impl Clients {
        fn deployed(vars: &Vars, clock: &Arc<dyn Clock>) -> Result<Self, StartError> {
            let PushConfig { table, endpoint } = PushConfig::from_vars(vars)?;
            Ok(Self {
                registry: Arc::new(DynamoDbRegistry::new(&table, clock.clone())),
                poster: Arc::new(ApiGatewayPoster::new(endpoint.as_str())),
                life: LIFE,
            })
        }
    }

    /// `subscriptions`.
    ///
    /// # Errors
    /// A variable that is invalid, named.
    pub async fn subscriptions(vars: &Vars) -> Result<Arc<Sockets>, StartError> {
        crate::app::begin(vars)?;
        let parts = Parts::new(vars, AuthConfig::from_vars(vars)?).await?;
        let clock = parts.shared.clock.clone();
        let clients = Clients::deployed(vars, &clock)?;
        let events = crate::app::waking(vars, parts.store.clone(), &parts.shared.breakers)?;
        let sockets = parts.face(vars, events)?.sockets(clients, parts.store.clone(), &clock);
        crate::app::report(vars, parts.measured().into_iter().chain([sockets.subscriptions.teller.clone() as _]));
        Ok(sockets)
    }

    /// `subscription-fanout`.
    ///
    /// # Errors
    /// A variable that is invalid, named.
    pub async fn subscription_fanout(vars: &Vars) -> Result<BatchConsumer, StartError> {
        crate::app::begin(vars)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let Clients { registry, poster, .. } = Clients::deployed(vars, &clock)?;
        let graph = Graph::for_events().map_err(StartError::Failed)?;
        let teller = Arc::new(Teller::new(registry, poster, Arc::new(graph), clock.clone()));
        // It has no way to Kafka, and makes no dead letters: what it cannot read, the projector cannot either.
        let consumer = BatchConsumer::new(Arc::new(FanOut { teller: teller.clone() }), None, clock);
        crate::app::report(vars, [teller as _, consumer.meter.clone() as _]);
        Ok(consumer)
    }
}
