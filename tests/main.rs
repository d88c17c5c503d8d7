//! Integration tests: the store and the other capabilities against real services, GraphQL over the real router, and the
//! compiled functions and local process from outside.

mod contracts;
mod functions;
mod graphql;
mod local;
