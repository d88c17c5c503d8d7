//! Configuration: one typed struct a concern, each read from the same map of variables. Only a `main` reads the
//! environment. An invalid variable stops the start with its name and what was expected; a secret's value is never
//! shown.

mod auth;
mod cache;
mod chains;
mod contracts;
mod database_auth;
mod filters;
mod graphql;
mod http;
mod kafka;
mod limits;
mod origins;
mod prices;
mod push;
mod quotes;
mod redis;
mod store;
mod tool_servers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;

use super::secret::Secret;
use super::{secrets, telemetry};

pub use auth::{AuthConfig, AuthMode};
pub use cache::cold_bucket;
pub use chains::{ChainNodes, ChainsConfig};
pub use contracts::{
    ChainlinkFeedConfig, CodeHash, ContractAddress, ContractsConfig, UniswapConfig, UniswapV2Config, UniswapV3Config,
};
pub use database_auth::DatabaseAuth;
pub use filters::{Topics, WatchedFilter};
pub use graphql::GraphqlConfig;
pub use http::HttpConfig;
pub use kafka::{Brokers, KafkaAuth, KafkaConfig, relay_function, topic_prefix};
pub use limits::LimitsConfig;
pub use origins::Origins;
pub use prices::{PriceConfig, SourceKind};
pub use push::PushConfig;
pub use quotes::{QuoteConfig, QuoteSourceKind};
pub use redis::{RedisConfig, RedisEndpoint, RedisServers, ReplicationGroup};
pub use store::{Database, StoreConfig};
pub use tool_servers::ToolServerConfig;

/// Whether a URL leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The variables of a process.
#[derive(Clone, Default)]
pub struct Vars {
    values: BTreeMap<String, String>,
    /// Which were asked for, of this or of any copy.
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Vars {
    /// The environment of this process. To be called by a `main`.
    pub fn from_env() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable; one that is empty counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut asked = self.record();
        if !asked.contains(name) {
            asked.insert(name.to_owned());
        }
        drop(asked);
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The variables that were asked for, set or not, of this or of any copy of it.
    pub fn asked(&self) -> BTreeSet<String> {
        self.record().clone()
    }

    /// All that are set. They do not count as asked for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.trim()))
    }

    /// A copy with some that are others.
    #[cfg(feature = "aws")]
    pub(crate) fn with<'a>(&self, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut copy = self.clone();
        copy.values.extend(others.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        copy
    }

    fn record(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a variable that must not be seen.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::new)
    }

    /// The parsed value of a variable, if it is set.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable and `expected`.
    pub fn parse<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<Option<T>, ConfigError> {
        self.get(name).map(|value| value.parse().map_err(|_| ConfigError::invalid(name, value, expected))).transpose()
    }

    /// Whether a switch is on: `on`, `true`, `1`, or `off`, `false`, `0`.
    ///
    /// # Errors
    /// [`ConfigError`] for any other word.
    pub fn switch(&self, name: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("on" | "true" | "1") => Ok(true),
            Some("off" | "false" | "0") => Ok(false),
            Some(other) => Err(ConfigError::invalid(name, other, "on or off")),
        }
    }

    /// Whether this process is a Lambda function, where local conveniences are refused.
    pub fn on_lambda(&self) -> bool {
        self.get("AWS_LAMBDA_FUNCTION_NAME").is_some()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Vars {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, asked: Arc::default() }
    }
}

/// A variable that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl ConfigError {
    /// `value` is not what was expected.
    pub fn invalid(name: &'static str, value: impl Display, expected: impl Display) -> Self {
        Self { name, problem: format!("expected {expected}, not {value:?}", value = value.to_string()) }
    }

    /// The value, which may be a secret and is not shown, is not what was expected.
    pub fn expected(name: &'static str, expected: impl Display) -> Self {
        Self { name, problem: format!("expected {expected}") }
    }
}

/// Where a service is.
fn base_url(vars: &Vars, name: &'static str, default: &'static str) -> Result<Url, ConfigError> {
    let text = vars.get(name).unwrap_or(default);
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        // Not shown: a URL may carry a key.
        .ok_or_else(|| ConfigError::expected(name, "an http:// or https:// URL"))
}

/// Whether a table of DynamoDB may be called that.
fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A line of `--help`.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it sets.
    pub meaning: &'static str,
    /// What holds where it is unset.
    pub default: &'static str,
}

/// Every variable, for `--help`, in the order of the concerns.
pub fn variables() -> impl Iterator<Item = Variable> {
    [
        http::VARIABLES,
        graphql::VARIABLES,
        store::VARIABLES,
        database_auth::VARIABLES,
        redis::VARIABLES,
        cache::VARIABLES,
        kafka::VARIABLES,
        push::VARIABLES,
        prices::VARIABLES,
        chains::VARIABLES,
        quotes::VARIABLES,
        tool_servers::VARIABLES,
        filters::VARIABLES,
        contracts::VARIABLES,
        auth::VARIABLES,
        limits::VARIABLES,
        secrets::VARIABLES,
        telemetry::VARIABLES,
        telemetry::OTLP_VARIABLES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_known_to_all_copies() {
        let vars = Vars::from_iter([("A", "1"), ("B", "2")]);
        let copy = vars.clone();
        assert!(copy.get("A").is_some() && vars.secret("C").is_none());
        assert_eq!(vars.iter().count(), 2);
        assert_eq!(vars.asked(), ["A", "C"].map(str::to_owned).into());
    }
}
