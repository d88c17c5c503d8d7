//! Integration tests: the store and the other capabilities against real services, GraphQL, REST and MCP over the real router, the
//! way of events, quotes of swaps, reaching clients, subscriptions, decoders on any bytes, and the compiled functions and
//! local process from outside.

mod chains;
mod contracts;
mod functions;
mod fuzzing;
mod graphql;
mod local;
mod mcp;
mod pipeline;
mod push;
mod rest;
mod sending;
mod subscriptions;
mod swaps;
mod watching;
