//! The router with everything behind it: for API Gateway, and for the local process.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;

#[cfg(feature = "local")]
use super::events::{Pipeline, required};
use super::prices::Shared;
use super::redis::Redis;
use super::{StartError, begin, store};
#[cfg(feature = "local")]
use crate::bus::after_commit::AfterCommit;
use crate::bus::feed::Feed;
use crate::faces::graphql::{Graph, Services};
use crate::faces::http::Http;
use crate::limits::{FallbackLimiter, MemoryLimiter, RateLimiter};
use crate::platform::auth::{Role, Verifier, issue_local_token};
use crate::platform::config::{AuthConfig, HttpConfig, LimitsConfig, SourceKind, StoreConfig, Vars};
use crate::services::context::Contexts;
use crate::services::emotion::Emotions;
use crate::services::memory::Memories;
use crate::services::poll::Poller;
use crate::store::{EventStore, Store};

/// Where the local process keeps what survives a restart.
const LOCAL_FOLDER: &str = ".local";
/// How long the tokens of the local process hold.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The callers that the limiter in this process remembers.
const CALLERS: usize = 10_000;

/// `graphql`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(feature = "apigw")]
pub async fn graphql(vars: &Vars) -> Result<Router, StartError> {
    begin(vars)?;
    let parts = Parts::new(vars, AuthConfig::from_vars(vars)?).await?;
    parts.router(vars, super::waking(vars, parts.store.clone())?, Feed::default())
}

/// What the local process runs.
#[cfg(feature = "local")]
pub struct Local {
    /// The router.
    pub router: Router,
    /// The poller, to be run every [`interval`](Self::interval).
    pub poller: Poller,
    /// How often to poll.
    pub interval: Duration,
    /// What moves events from the store to the read models.
    pub pipeline: Pipeline,
    /// Where to listen.
    pub addr: SocketAddr,
    /// Whether `/graphql` is there.
    pub graphql_enabled: bool,
    /// Who is asked for prices, for a person.
    pub prices: String,
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
#[cfg(feature = "local")]
pub async fn local(vars: &Vars) -> Result<Local, StartError> {
    begin(vars)?;
    let auth = AuthConfig::from_vars(vars)?.with_local_secret(Path::new(LOCAL_FOLDER))?;
    let http = HttpConfig::from_vars(vars)?;
    let parts = Parts::new(vars, auth).await?;
    parts.store.migrate().await?;
    let events = required(vars).await?;
    let pipeline = events.pipeline(&parts.store);
    let feed = Feed::default();
    let listeners = vec![Arc::new(feed.clone()) as _, Arc::new(pipeline.committed.clone()) as _];
    let committing = Arc::new(AfterCommit::new(parts.store.clone(), listeners));
    let now = parts.shared.clock.now();
    let token = |subject, role| issue_local_token(&parts.auth, subject, role, TOKEN_LIFE, now);
    Ok(Local {
        router: parts.router(vars, committing.clone(), feed)?,
        poller: parts.shared.poller(committing, parts.store.clone()),
        pipeline,
        events: events.description,
        interval: parts.shared.config.poll_every,
        addr: http.addr,
        graphql_enabled: http.graphql_enabled,
        prices: describe(&parts.shared.config.sources),
        database: StoreConfig::from_vars(vars)?.database.describe(),
        tokens: token("local-user", Role::User).zip(token("local-admin", Role::Admin)),
    })
}

/// What both have in common.
struct Parts {
    auth: AuthConfig,
    store: Arc<dyn Store>,
    limiter: Arc<dyn RateLimiter>,
    shared: Shared,
}

impl Parts {
    async fn new(vars: &Vars, auth: AuthConfig) -> Result<Self, StartError> {
        let redis = Redis::from_vars(vars)?;
        let shared = Shared::new(vars, redis.as_ref())?;
        Ok(Self { auth, store: store(vars).await?, limiter: limiter(redis.as_ref()), shared })
    }

    /// The router, its commands going to `events`.
    fn router(&self, vars: &Vars, events: Arc<dyn EventStore>, feed: Feed) -> Result<Router, StartError> {
        let http = HttpConfig::from_vars(vars)?;
        let limits = LimitsConfig::from_vars(vars)?;
        let clock = self.shared.clock.clone();
        let prices = self.shared.prices(self.store.clone());
        let services = Services {
            emotions: Emotions::new(events.clone(), clock.clone()),
            memories: Memories::new(events, self.store.clone(), clock.clone()),
            context: Contexts::new(prices.clone(), self.shared.coins.clone(), clock.clone()),
            prices,
            feed,
        };
        let http = Http {
            graph: Graph::new(services, http.production).map_err(StartError::Failed)?,
            verifier: Arc::new(Verifier::new(&self.auth, clock.clone())?),
            limiter: limits.enabled.then(|| self.limiter.clone()),
            limits,
            cache: self.shared.cache.clone(),
            store: self.store.clone(),
            clock,
            graphql_enabled: http.graphql_enabled,
            local: !http.production,
        };
        Ok(http.router())
    }
}

/// The limiter: Redis's, with the one in this process for when that is down; or that one alone.
fn limiter(redis: Option<&Redis>) -> Arc<dyn RateLimiter> {
    let memory = MemoryLimiter::with_capacity(CALLERS);
    match redis {
        Some(redis) => Arc::new(FallbackLimiter::new(redis.limiter(), memory)),
        None => Arc::new(memory),
    }
}

/// Who is asked for prices, for a person.
fn describe(sources: &[SourceKind]) -> String {
    let names = sources.iter().map(|source| match source {
        SourceKind::CoinGecko => "CoinGecko",
        SourceKind::Coinbase => "Coinbase",
        SourceKind::Simulated => "simulated (made up, labelled so)",
    });
    names.collect::<Vec<_>>().join(", else ")
}
