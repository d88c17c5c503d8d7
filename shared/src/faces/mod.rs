//! How callers speak to the services: one HTTP router and one websocket protocol, with GraphQL behind both. Faces translate, they decide nothing:
//! what a caller may ask is in the schema's directives and in the services.

pub mod error;
pub mod graphql;
pub mod http;
pub mod limits;
#[cfg(feature = "mcp")]
mod mcp;
mod operations;
mod parameters;
mod views;
pub mod websocket;
