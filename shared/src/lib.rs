//! The core of mcp-server: everything that the functions and the local process share.
//!
//! The map, from the outside in; imports point down only:
//!
//! - [`triggers`] turn Lambda events (HTTP, Kafka, schedules, invocations) into calls of services.
//! - [`faces`] speak to callers: the HTTP router, GraphQL, and the one table from errors to codes.
//! - [`services`] are the use cases: prices, emotion, memories, polling; relaying, projecting, replaying.
//! - [`store`], [`bus`], [`push`], [`cache`], [`breaker`], [`limits`] and [`sources`] are the capabilities: object-safe
//!   traits with one file a backend.
//! - [`domain`] is pure: decisions and state, no I/O, no clock.
//! - [`platform`] lies under all: clock, ids, configuration, authentication, telemetry.
//!
//! [`app`] builds what a function needs from its configuration, and is the one place where backends are chosen.
//!
//! Errors are `thiserror` enums, one a capability; [`services::Error`] gathers them, and [`faces::error`] gives
//! each its code and HTTP status.

pub mod app;
pub mod breaker;
pub mod bus;
pub mod cache;
pub mod domain;
#[cfg(feature = "graphql")]
pub mod faces;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod limits;
pub mod platform;
pub mod push;
pub mod services;
pub mod sources;
pub mod store;
pub mod triggers;
