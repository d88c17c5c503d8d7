//! Where and how HTTP is served.

use std::net::SocketAddr;

use reqwest::Url;

use super::{ConfigError, Origins, Variable, Vars};
use crate::platform::clock::Timestamp;
use crate::platform::flags::{self, Rollout};

pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "HTTP_ADDR", meaning: "listen address", default: "127.0.0.1:4000" },
    Variable {
        name: "GRAPHQL_ENABLED",
        meaning: "serve GraphQL: on, off, or to a percentage of callers such as 25%",
        default: "on",
    },
    Variable {
        name: "PUBLIC_URL",
        meaning: "where clients find this server, which tokens for MCP are issued for",
        default: "the host that they ask for",
    },
    Variable {
        name: "CORS_ORIGINS",
        meaning: "origins whose pages may ask from a browser, separated by spaces or commas; or *",
        default: "none",
    },
    Variable {
        name: "REST_DEPRECATION",
        meaning: "since when /v1 is deprecated, as 2027-01-31T00:00:00Z; its answers say so",
        default: "it is not",
    },
    Variable {
        name: "REST_SUNSET",
        meaning: "when /v1 will be gone, as 2027-03-31T00:00:00Z; its answers say so",
        default: "it stays",
    },
];

/// Where and how HTTP is served.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The listen address of the local process.
    pub addr: SocketAddr,
    /// To whom GraphQL is served.
    pub graphql: Rollout,
    /// Where clients find this server, where that is not the host that they ask for.
    pub public_url: Option<Url>,
    /// The origins whose pages may ask.
    pub origins: Origins,
    /// Since when REST is deprecated, where it is.
    pub rest_deprecation: Option<Timestamp>,
    /// When REST will be gone, where it will be. Not before it is deprecated.
    pub rest_sunset: Option<Timestamp>,
    /// Whether this is a deployment: no introspection, no suggestions, no GraphiQL.
    pub production: bool,
}

impl HttpConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let (rest_deprecation, rest_sunset) = (time(vars, "REST_DEPRECATION")?, time(vars, "REST_SUNSET")?);
        if let (Some(deprecation), Some(sunset)) = (rest_deprecation, rest_sunset)
            && sunset < deprecation
        {
            let expected = format!("a time that is not before REST_DEPRECATION ({deprecation})");
            return Err(ConfigError::invalid("REST_SUNSET", sunset, expected));
        }
        Ok(Self {
            addr: vars
                .parse("HTTP_ADDR", "an address such as 127.0.0.1:4000")?
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4000))),
            graphql: Self::graphql(vars)?,
            public_url: vars.parse("PUBLIC_URL", "a URL such as https://api.example.com")?,
            origins: Origins::from_vars(vars)?,
            rest_deprecation,
            rest_sunset,
            production: vars.on_lambda(),
        })
    }

    /// To whom GraphQL is served, alone.
    ///
    /// # Errors
    /// [`ConfigError`] where it does not say.
    pub fn graphql(vars: &Vars) -> Result<Rollout, ConfigError> {
        const NAME: &str = "GRAPHQL_ENABLED";
        let Some(text) = vars.get(NAME) else { return Ok(Rollout::on(NAME)) };
        Rollout::parse(NAME, text).ok_or_else(|| ConfigError::invalid(NAME, text, flags::EXPECTED))
    }
}

fn time(vars: &Vars, name: &'static str) -> Result<Option<Timestamp>, ConfigError> {
    vars.parse(name, "a time such as 2027-01-31T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<HttpConfig, ConfigError> {
        HttpConfig::from_vars(&vars.iter().copied().collect())
    }

    #[test]
    fn nothing_is_switched_off_or_deprecated_unless_it_is_said() {
        let http = read(&[]).unwrap();
        assert!(http.graphql.is_on() && http.origins.is_empty());
        assert_eq!((http.rest_deprecation, http.rest_sunset), (None, None));
    }

    #[test]
    fn what_is_invalid_is_named() {
        for (name, value) in [
            ("GRAPHQL_ENABLED", "maybe"),
            ("GRAPHQL_ENABLED", "101%"),
            ("CORS_ORIGINS", "example.com"),
            ("REST_DEPRECATION", "next year"),
            ("REST_SUNSET", "2027-01-31"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name, "{value}");
        }
    }

    #[test]
    fn what_is_gone_was_deprecated_before() {
        let read = |sunset| {
            let deprecation = ("REST_DEPRECATION", "2027-01-31T00:00:00Z");
            read(&[deprecation, ("REST_SUNSET", sunset)]).map(|http| http.rest_sunset)
        };
        assert!(read("2027-03-31T02:00:00+02:00").unwrap().is_some());
        assert_eq!(read("2027-01-30T00:00:00Z").unwrap_err().name, "REST_SUNSET");
    }
}
