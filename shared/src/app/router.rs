//! The router with everything behind it: for API Gateway, and for the local process.

use std::sync::Arc;

#[cfg(feature = "apigw")]
use axum::Router;
use reqwest::Url;

use super::prices::Shared;
use super::quotes::quotes;
use super::redis::Redis;
use super::watcher::filters;
use super::{StartError, store};
use crate::breaker::Breakers;
use crate::faces::graphql::{Graph, Safelist, Services};
#[cfg(any(feature = "apigw", feature = "local"))]
use crate::faces::http::{Answers, Http, Mcp, Requests, Retirement};
use crate::faces::limits::Limits;
use crate::limits::{FallbackLimiter, MemoryLimiter, MeteredLimiter, RateLimiter};
use crate::platform::auth::Verifier;
use crate::platform::clock::Clock;
use crate::platform::config::{AuthConfig, GraphqlConfig, HttpConfig, LimitsConfig, ToolServerConfig, Vars};
use crate::platform::flags::Rollout;
use crate::platform::metrics::Measured;
use crate::services::chains::ChainReader;
use crate::services::context::Contexts;
use crate::services::emotion::Emotions;
use crate::services::memory::Memories;
use crate::services::remote_tools::RemoteTools;
use crate::services::transactions::Transactions;
use crate::sources::issuer::IssuerKeys;
#[cfg(feature = "mcp")]
use crate::sources::tool_servers::McpToolServer;
use crate::sources::tool_servers::ToolServer;
use crate::store::{EventStore, Store};

/// The callers that the limiter in this process remembers.
const CALLERS: usize = 10_000;

/// `graphql`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(feature = "apigw")]
pub async fn graphql(vars: &Vars) -> Result<Router, StartError> {
    super::begin(vars)?;
    let parts = Parts::new(vars, AuthConfig::from_vars(vars)?).await?;
    let face = parts.face(vars, super::waking(vars, parts.store.clone(), &parts.shared.breakers)?)?;
    let http = parts.http(vars, &face)?;
    super::report(vars, http.measured.iter().cloned());
    Ok(http.router())
}

/// What both have in common.
pub(super) struct Parts {
    pub(super) auth: AuthConfig,
    pub(super) store: Arc<dyn Store>,
    limiter: Arc<MeteredLimiter>,
    pub(super) shared: Shared,
}

impl Parts {
    pub(super) async fn new(vars: &Vars, auth: AuthConfig) -> Result<Self, StartError> {
        let redis = Redis::from_vars(vars)?;
        let shared = Shared::new(vars, redis.as_ref())?;
        let limiter = Arc::new(MeteredLimiter::new(limiter(redis.as_ref(), &shared.breakers)));
        Ok(Self { auth, store: store(vars).await?, limiter, shared })
    }

    /// What measures something, whatever callers speak.
    pub(super) fn measured(&self) -> Vec<Arc<dyn Measured>> {
        self.shared.measured().into_iter().chain([self.limiter.clone() as _]).collect()
    }

    /// What callers speak to, their commands going to `events`.
    pub(super) fn face(&self, vars: &Vars, events: Arc<dyn EventStore>) -> Result<Face, StartError> {
        let limits = LimitsConfig::from_vars(vars)?;
        let clock = self.shared.clock.clone();
        let prices = self.shared.prices(self.store.clone());
        let chains = &self.shared.chains.chains;
        let services = Services {
            emotions: Emotions::new(events.clone(), clock.clone()),
            memories: Memories::new(events.clone(), self.store.clone(), clock.clone()),
            transactions: Transactions::new(chains.clone(), events, clock.clone()),
            chains: ChainReader::new(chains.clone(), filters(vars, &self.shared.chains)?),
            quotes: quotes(vars, &self.shared.chains, &clock, &self.shared.breakers)?,
            remote_tools: remote_tools(vars, &clock, &self.shared.breakers)?,
            context: Contexts::new(prices.clone(), self.shared.coins.clone(), clock.clone()),
            prices,
        };
        let graphql = GraphqlConfig::from_vars(vars)?;
        let safelist = graphql.safelist.as_deref().map(Safelist::read).transpose().map_err(StartError::Failed)?;
        let graph = Graph::new(services, vars.on_lambda()).map_err(StartError::Failed)?;
        Ok(Face {
            graph: graph.bounded(graphql.max_cost.get()).listed(safelist),
            flag: HttpConfig::graphql(vars)?,
            verifier: Arc::new(self.verifier()?),
            limits: Limits { limiter: limits.enabled.then(|| self.limiter.clone() as _), config: limits, clock },
        })
    }

    /// The router, with everything behind it but the sockets of this process.
    #[cfg(any(feature = "apigw", feature = "local"))]
    pub(super) fn http(&self, vars: &Vars, face: &Face) -> Result<Http, StartError> {
        let (http, requests) = (HttpConfig::from_vars(vars)?, Arc::new(Requests::default()));
        Ok(Http {
            graph: face.graph.clone(),
            answers: GraphqlConfig::from_vars(vars)?.response_cache.then(|| Answers::new(self.shared.cache.clone())),
            verifier: face.verifier.clone(),
            limits: face.limits.clone(),
            cache: self.shared.cache.clone(),
            breakers: self.shared.breakers.clone(),
            measured: self.measured().into_iter().chain([requests.clone() as _, face.graph.usage() as _]).collect(),
            requests,
            store: self.store.clone(),
            clock: self.shared.clock.clone(),
            graphql_flag: face.flag,
            rest: Retirement::new(http.rest_deprecation, http.rest_sunset),
            origins: http.origins,
            mcp: Mcp::new(&face.graph, http.public_url.map(Into::into), self.auth.issuer.clone()),
            local: !http.production,
            #[cfg(feature = "local")]
            live: None,
        })
    }
}

/// What callers speak to, over whatever carries it.
pub(super) struct Face {
    pub(super) graph: Graph,
    /// To whom it is served.
    pub(super) flag: Rollout,
    pub(super) verifier: Arc<Verifier>,
    pub(super) limits: Limits,
}

impl Parts {
    fn verifier(&self) -> Result<Verifier, StartError> {
        let Shared { clock, breakers, .. } = &self.shared;
        let keys = |url: &Url| match IssuerKeys::new(url.clone(), clock.clone(), breakers) {
            Ok(keys) => Ok(Arc::new(keys) as _),
            Err(error) => Err(StartError::Failed(format!("the HTTP client: {error}"))),
        };
        Verifier::new(&self.auth, clock.clone(), keys)
    }
}

/// The tools of other servers.
fn remote_tools(vars: &Vars, clock: &Arc<dyn Clock>, breakers: &Breakers) -> Result<RemoteTools, StartError> {
    let servers = ToolServerConfig::all(vars)?.into_iter().map(tool_server).collect::<Result<Vec<_>, _>>()?;
    Ok(RemoteTools::new(servers, clock.clone(), breakers))
}

#[cfg(feature = "mcp")]
fn tool_server(config: ToolServerConfig) -> Result<Arc<dyn ToolServer>, StartError> {
    match McpToolServer::new(config) {
        Ok(server) => Ok(Arc::new(server)),
        Err(error) => Err(StartError::Failed(format!("another MCP server: {error}"))),
    }
}

#[cfg(not(feature = "mcp"))]
fn tool_server(_: ToolServerConfig) -> Result<Arc<dyn ToolServer>, StartError> {
    Err(super::not_built("MCP_UPSTREAMS", "the Model Context Protocol").into())
}

/// The limiter: Redis's, with the one in this process for when that is down; or that one alone.
fn limiter(redis: Option<&Redis>, breakers: &Breakers) -> Arc<dyn RateLimiter> {
    let memory = MemoryLimiter::with_capacity(CALLERS);
    match redis {
        Some(redis) => Arc::new(FallbackLimiter::new(redis.limiter(), memory, breakers)),
        None => Arc::new(memory),
    }
}
