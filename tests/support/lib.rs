//! What tests and benchmarks stand on: processes that they start, services that they use or own, and waiting.
//!
//! | module | gives |
//! | --- | --- |
//! | [`aws`] | the few AWS APIs that functions call |
//! | [`budget`] | what benchmarks are held against |
//! | [`coingecko`] | a price source that a test owns |
//! | [`collector`] | a collector of traces that a test owns |
//! | [`anvil`], [`solana`] | a chain that a test owns: an EVM node, and a Solana virtual machine behind a front of ours |
//! | [`uniswap`], [`feed`] | Uniswap as it was published, and a price feed, on an [`anvil`] |
//! | [`rpc_proxy`] | a provider of a chain that misbehaves |
//! | [`eventually`] | waiting for a state, without sleeping |
//! | [`services`] | the shared Postgres, Redis, Kafka, S3 API and DynamoDB, each test apart from the others |
//! | [`secrets`] | secrets and parameters of a test, in the shared Secrets Manager and Systems Manager |
//! | [`rds_proxy`] | what lets tokens into a Postgres |
//! | [`postgres_server`], [`redis_server`], [`kafka_server`] | one that a test owns and may kill |
//! | [`redis_cluster`] | a Redis Cluster that a test owns, and may kill nodes of |
//! | [`certificates`] | a server's certificate and the authority that it is from |
//! | [`proxy`] | a bad network between two parties |
//! | [`lambda`] | a compiled function, invoked through Lambda's runtime API |
//! | [`emulator`] | the same under AWS's own runtime interface emulator |
//! | [`websocket_api`] | an API Gateway WebSocket API before such functions |
//! | [`local`] | the compiled local server |
//!
//! Nothing here knows the core crate: it sees only processes, ports and environment variables.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a helper that cannot do its work fails the test, and says why"
)]

pub mod anvil;
pub mod aws;
pub mod budget;
pub mod certificates;
pub mod chains;
pub mod coingecko;
pub mod collector;
pub mod dynamodb_gateway;
pub mod emulator;
pub mod eventually;
pub mod feed;
pub mod folder;
pub mod json_rpc;
pub mod kafka_server;
pub mod lambda;
pub mod local;
pub mod ports;
pub mod postgres_server;
pub mod process;
pub mod proxy;
pub mod rds_proxy;
pub mod redis_cluster;
pub mod redis_server;
pub mod rpc_proxy;
pub mod secrets;
pub mod services;
pub mod solana;
pub mod uniswap;
pub mod websocket_api;
