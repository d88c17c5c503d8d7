//! Where clients are connected, in a deployment.

use reqwest::Url;

use super::{ConfigError, Variable, Vars, base_url, is_table};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "SUBSCRIPTIONS_TABLE",
        meaning: "on Lambda: the DynamoDB table of who is connected and listens to what",
        default: "unset; locally, memory",
    },
    Variable {
        name: "WEBSOCKET_API_ENDPOINT",
        meaning: "on Lambda: the WebSocket API with its stage, as https://ID.execute-api.REGION.amazonaws.com/STAGE",
        default: "unset; locally, sockets of this process",
    },
];

/// Where clients are connected, in a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushConfig {
    /// The DynamoDB table.
    pub table: String,
    /// The WebSocket API, with its stage.
    pub endpoint: Url,
}

impl PushConfig {
    /// Reads the variables; both are needed.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is missing or invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let table = vars.get("SUBSCRIPTIONS_TABLE").filter(|name| is_table(name));
        Ok(Self {
            table: table
                .ok_or_else(|| ConfigError::expected("SUBSCRIPTIONS_TABLE", "the name of a DynamoDB table"))?
                .to_owned(),
            endpoint: base_url(vars, "WEBSOCKET_API_ENDPOINT", "")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<PushConfig, ConfigError> {
        PushConfig::from_vars(&pairs.iter().copied().collect())
    }

    #[test]
    fn both_are_needed() {
        let table = ("SUBSCRIPTIONS_TABLE", "mcp-subscriptions");
        let endpoint = ("WEBSOCKET_API_ENDPOINT", "https://x.execute-api.eu-west-1.amazonaws.com/live");
        assert_eq!(read(&[table, endpoint]).unwrap().endpoint.path(), "/live");
        assert_eq!(read(&[table]).unwrap_err().name, "WEBSOCKET_API_ENDPOINT");
        assert_eq!(read(&[endpoint]).unwrap_err().name, "SUBSCRIPTIONS_TABLE");
        assert_eq!(read(&[("SUBSCRIPTIONS_TABLE", "a b"), endpoint]).unwrap_err().name, "SUBSCRIPTIONS_TABLE");
        assert_eq!(read(&[table, ("WEBSOCKET_API_ENDPOINT", "wss://x")]).unwrap_err().name, "WEBSOCKET_API_ENDPOINT");
    }
}
