//! What lies under everything: time, ids, configuration, secrets, discovery, authentication, telemetry. Knows nothing above it.

pub mod auth;
#[cfg(feature = "aws-client")]
pub(crate) mod aws;
pub mod clock;
pub mod config;
pub mod crash;
#[cfg(any(feature = "redis", feature = "kafka"))]
pub mod discovery;
#[cfg(feature = "dynamodb")]
pub(crate) mod dynamodb;
#[cfg(feature = "local")]
pub mod files;
pub mod flags;
pub mod ids;
pub mod metrics;
pub(crate) mod outage;
#[cfg(feature = "redis")]
pub mod redis;
pub mod secret;
pub mod secrets;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
pub mod telemetry;
pub mod trace;

use std::future::Future;
use std::pin::Pin;

/// The future that object-safe capability traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
