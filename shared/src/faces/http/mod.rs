//! The one HTTP router. API Gateway's functions and the local process serve this very router.

mod address;
mod answers;
mod body;
mod cors;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod graphql;
mod health;
mod index;
#[cfg(feature = "mcp")]
mod mcp;
mod metrics;
mod negotiate;
mod openapi;
mod persisted;
mod problem;
mod query;
mod request;
mod requests;
mod rest;
mod retirement;
mod security;
#[cfg(feature = "local")]
mod sse;
#[cfg(feature = "local")]
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};

use crate::breaker::Breakers;
use crate::cache::Cache;
use crate::faces::graphql::Graph;
use crate::faces::limits::Limits;
#[cfg(feature = "local")]
use crate::faces::websocket::Sockets;
use crate::platform::auth::Verifier;
use crate::platform::clock::Clock;
use crate::platform::config::Origins;
use crate::platform::flags::Rollout;
use crate::platform::metrics::Measured;
#[cfg(feature = "local")]
use crate::push::in_process::InProcessPoster;
use crate::store::Maintenance;

use self::request::Around;

pub use address::ClientAddress;
pub use answers::Answers;
#[cfg(feature = "mcp")]
pub use mcp::Mcp;
pub use request::Vouched;
pub use requests::Requests;
pub use retirement::Retirement;

/// How long a request may take: less than the 30 s after which API Gateway answers for us.
const DEADLINE: Duration = Duration::from_secs(25);
/// The largest body of a request, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// What the router's handlers work with.
pub struct Http {
    /// The GraphQL schema.
    pub graph: Graph,
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    /// Counts requests.
    pub limits: Limits,
    /// Keeps persisted documents.
    pub cache: Arc<Cache>,
    /// Keeps answers; `None` where none is kept.
    pub answers: Option<Answers>,
    /// Asked by `/healthz`.
    pub store: Arc<dyn Maintenance>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// All circuit breakers, shown to ADMIN by `/healthz?verbose`.
    pub breakers: Arc<Breakers>,
    /// Counts requests. One of those measured.
    pub requests: Arc<Requests>,
    /// Shown by `/metrics`; on Lambda, written at the end of each invocation.
    pub measured: Vec<Arc<dyn Measured>>,
    /// To whom GraphQL is served.
    pub graphql_flag: Rollout,
    /// When REST retires.
    pub rest: Retirement,
    /// Whose pages may ask from a browser.
    pub origins: Origins,
    /// The Model Context Protocol.
    #[cfg(feature = "mcp")]
    pub mcp: Mcp,
    /// Whether this is the local process: GraphiQL and `/metrics` are served.
    pub local: bool,
    /// Clients at sockets of this process; `None` where something else holds them.
    #[cfg(feature = "local")]
    pub live: Option<Live>,
}

/// Clients at sockets of this process.
#[cfg(feature = "local")]
#[derive(Clone)]
pub struct Live {
    /// Speaks the protocol.
    pub sockets: Arc<Sockets>,
    /// Reaches them.
    pub poster: Arc<InProcessPoster>,
}

impl Http {
    /// The routes.
    pub fn router(self) -> Router {
        let mut router = Router::new()
            .route("/", get(index::show))
            .route("/healthz", get(health::show))
            .route("/graphql", any(graphql::handle))
            .route("/schema.graphql", get(graphql::schema))
            .route("/v1", get(openapi::page))
            .route(openapi::PATH, get(openapi::document))
            .merge(rest::routes());
        #[cfg(feature = "local")]
        {
            router = router.route("/graphql/ws", any(websocket::handle));
        }
        #[cfg(feature = "mcp")]
        {
            router = router
                .route("/mcp", any(mcp::handle))
                .route(mcp::METADATA, get(mcp::metadata))
                .route(mcp::METADATA_OF_MCP, get(mcp::metadata));
        }
        if self.local {
            router = router.route("/metrics", get(metrics::show));
        }
        let around = Around { local: self.local, requests: self.requests.clone() };
        let cors = (!self.origins.is_empty()).then(|| cors::layer(self.origins.clone()));
        let router = router
            .fallback(problem::no_such_path)
            .method_not_allowed_fallback(problem::no_such_method)
            .with_state(Arc::new(self));
        let router = match cors {
            Some(cors) => router.layer(cors),
            None => router,
        };
        router.layer(from_fn_with_state(around, request::around))
    }
}
