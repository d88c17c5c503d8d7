//! Where and how HTTP is served.

use std::net::SocketAddr;

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "HTTP_ADDR", meaning: "listen address", default: "127.0.0.1:4000" },
    Variable { name: "GRAPHQL_ENABLED", meaning: "serve /graphql", default: "on" },
];

/// Where and how HTTP is served.
#[derive(Debug, Clone, Copy)]
pub struct HttpConfig {
    /// The listen address of the local process.
    pub addr: SocketAddr,
    /// Whether `/graphql` is served.
    pub graphql_enabled: bool,
    /// Whether this is a deployment: no introspection, no suggestions, no GraphiQL.
    pub production: bool,
}

impl HttpConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        Ok(Self {
            addr: vars
                .parse("HTTP_ADDR", "an address such as 127.0.0.1:4000")?
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4000))),
            graphql_enabled: vars.switch("GRAPHQL_ENABLED", true)?,
            production: vars.on_lambda(),
        })
    }
}
