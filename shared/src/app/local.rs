//! The local process: everything, on what the variables name or on embedded defaults.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use super::chains::ChainParts;
use super::events::required;
use super::prices::Shared;
use super::push::Clients;
use super::router::Parts;
use super::watcher::watcher;
use super::{StartError, begin};
use crate::bus::wake::RelaySignal;
use crate::bus::{Bus, Topics};
use crate::faces::http::Live;
use crate::faces::websocket::Sockets;
use crate::platform::auth::{Role, issue_local_token};
use crate::platform::config::{AuthConfig, ConfigError, HttpConfig, KafkaConfig, SourceKind, StoreConfig, Vars};
use crate::platform::telemetry;
use crate::push::in_process::InProcessPoster;
use crate::services::consume::BatchConsumer;
use crate::services::fan_out::FanOut;
use crate::services::poll::Poller;
use crate::services::relay::Relay;
use crate::services::watch::Watcher;
use crate::store::after_commit::AfterCommit;

/// Where the local process keeps what survives a restart.
const LOCAL_FOLDER: &str = ".local";
/// How long the tokens of the local process hold.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the local process runs.
pub struct Local {
    /// The router.
    pub router: Router,
    /// The clients at its sockets, who are looked after.
    pub sockets: Arc<Sockets>,
    /// Reaches them.
    pub poster: Arc<InProcessPoster>,
    /// The poller, to be run every [`interval`](Self::interval).
    pub poller: Poller,
    /// The watcher of chains, where there are any.
    pub watcher: Option<Arc<Watcher>>,
    /// How often to poll.
    pub interval: Duration,
    /// What moves events from the store to the read models.
    pub pipeline: Pipeline,
    /// Where to listen.
    pub addr: SocketAddr,
    /// Whether `/graphql` is there, for anybody.
    pub graphql_enabled: bool,
    /// Who is asked for prices, for a person.
    pub prices: String,
    /// Which chains there are, for a person.
    pub chains: String,
    /// Which kind of database it is, for a person.
    pub database: String,
    /// What carries the events, for a person.
    pub events: String,
    /// A USER's and an ADMIN's token, where the secret is known here.
    pub tokens: Option<(String, String)>,
}

/// `local`: all of it. The schema is brought up to date first.
///
/// # Errors
/// A variable that is invalid, named; a database that does not answer.
pub async fn local(vars: &Vars) -> Result<Local, StartError> {
    begin(vars)?;
    let auth = AuthConfig::from_vars(vars)?.with_local_secret(Path::new(LOCAL_FOLDER))?;
    let http = HttpConfig::from_vars(vars)?;
    let parts = Parts::new(vars, auth).await?;
    parts.store.migrate().await?;
    let events = required(vars).await?;
    let committed = RelaySignal::default();
    let listeners = vec![Arc::new(committed.clone()) as _];
    let committing = Arc::new(AfterCommit::new(parts.store.clone(), listeners));
    let (face, clock) = (parts.face(vars, committing.clone())?, &parts.shared.clock);
    let (clients, poster) = Clients::here(clock);
    let sockets = face.sockets(clients, parts.store.clone(), clock);
    let teller = sockets.subscriptions.teller.clone();
    let mut router = parts.http(vars, &face)?;
    router.measured.push(teller.clone());
    router.live = Some(Live { sockets: sockets.clone(), poster: poster.clone() });
    let fan_out = BatchConsumer::new(Arc::new(FanOut { teller }), None, clock.clone());
    let (relay, projector) = (events.relay(parts.store.clone()), events.projector(parts.store.clone()));
    router.measured.extend([relay.meter.clone() as _, projector.meter.clone() as _, fan_out.meter.clone() as _]);
    router.measured.extend(telemetry::measured());
    let pipeline = Pipeline {
        relay,
        committed,
        projector: Arc::new(projector),
        fan_out: Arc::new(fan_out),
        bus: events.bus,
        topics: events.topics,
    };
    let now = parts.shared.clock.now();
    let token = |subject, role| issue_local_token(&parts.auth, subject, role, TOKEN_LIFE, now);
    let Shared { chains, clock, .. } = &parts.shared;
    let watcher = watcher(vars, chains, clock, committing.clone(), parts.store.clone())?;
    Ok(Local {
        chains: names(chains),
        watcher: chains.chains.all().next().map(|_| Arc::new(watcher)),
        router: router.router(),
        sockets,
        poster,
        poller: parts.shared.poller(committing, parts.store.clone()),
        pipeline,
        events: carrier(vars)?.to_owned(),
        interval: parts.shared.config.poll_every,
        addr: http.addr,
        graphql_enabled: !http.graphql.is_off(),
        prices: describe(&parts.shared.config.sources),
        database: StoreConfig::from_vars(vars)?.database.describe(),
        tokens: token("local-user", Role::User).zip(token("local-admin", Role::Admin)),
    })
}

/// What moves events in the local process: all the functions between the store and the read models.
pub struct Pipeline {
    /// Publishes.
    pub relay: Relay,
    /// Says when there is something to publish.
    pub committed: RelaySignal,
    /// Carries what was published.
    pub bus: Arc<dyn Bus>,
    /// Under which names.
    pub topics: Topics,
    /// Projects.
    pub projector: Arc<BatchConsumer>,
    /// Tells subscribers.
    pub fan_out: Arc<BatchConsumer>,
}

/// What carries the events, for a person.
fn carrier(vars: &Vars) -> Result<&'static str, ConfigError> {
    Ok(if KafkaConfig::from_vars(vars)?.is_some() { "Kafka" } else { "a log in this process" })
}

/// Which chains there are, for a person.
fn names(parts: &ChainParts) -> String {
    let names: Vec<_> = parts.chains.all().map(|adapter| adapter.chain().name.as_str()).collect();
    if names.is_empty() { "none (EVM_RPC_URLS and SOLANA_RPC_URLS name some)".to_owned() } else { names.join(", ") }
}

/// Who is asked for prices, for a person.
fn describe(sources: &[SourceKind]) -> String {
    let names = sources.iter().map(|source| match source {
        SourceKind::CoinGecko => "CoinGecko",
        SourceKind::Coinbase => "Coinbase",
        SourceKind::Chainlink => "Chainlink",
        SourceKind::Simulated => "simulated (made up, labelled so)",
    });
    names.collect::<Vec<_>>().join(", else ")
}
