//! What tests and benchmarks stand on: processes that they start, services that they use or own, and waiting.
//!
//! | module | gives |
//! | --- | --- |
//! | [`aws`] | the few AWS APIs that functions call |
//! | [`coingecko`] | a price source that a test owns |
//! | [`eventually`] | waiting for a state, without sleeping |
//! | [`services`] | the shared Postgres, Redis, Kafka and S3 API, each test apart from the others |
//! | [`postgres_server`], [`redis_server`], [`kafka_server`] | one that a test owns and may kill |
//! | [`redis_cluster`] | a Redis Cluster that a test owns, and may kill nodes of |
//! | [`certificates`] | a server's certificate and the authority that it is from |
//! | [`proxy`] | a bad network between two parties |
//! | [`lambda`] | a compiled function, invoked through Lambda's runtime API |
//! | [`local`] | the compiled local server |
//!
//! Nothing here knows the core crate: it sees only processes, ports and environment variables.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a helper that cannot do its work fails the test, and says why"
)]

pub mod aws;
pub mod certificates;
pub mod coingecko;
pub mod eventually;
pub mod folder;
pub mod kafka_server;
pub mod lambda;
pub mod local;
pub mod ports;
pub mod postgres_server;
pub mod process;
pub mod proxy;
pub mod redis_cluster;
pub mod redis_server;
pub mod services;
