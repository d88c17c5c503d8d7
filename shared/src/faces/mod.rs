//! How callers speak to the services: one HTTP router with GraphQL behind it. Faces translate, they decide nothing:
//! what a caller may ask is in the schema's directives and in the services.

pub mod error;
pub mod graphql;
pub mod http;
