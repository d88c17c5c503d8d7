//! Which contracts are asked, and where they are: what is not built in, or is to be different.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "UNISWAP_DEPLOYMENTS",
        meaning: "Uniswap's contracts by chain, as JSON; what is left out stays as it is built in",
        default: "unset: the built-in ones",
    },
    Variable {
        name: "CHAINLINK_FEEDS",
        meaning: "Chainlink's US dollar feeds by chain and coin, as JSON: feed, heartbeatSeconds",
        default: "unset: the built-in ones",
    },
];

/// The longest heartbeat that a feed may have: 30 days.
const LONGEST_HEARTBEAT: u64 = 30 * 86_400;

/// Where contracts are. Chains are named as they are called here, or by their CAIP-2 ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContractsConfig {
    /// Uniswap's, by chain.
    pub uniswap: BTreeMap<String, UniswapConfig>,
    /// Chainlink's feeds, by chain and coin.
    pub chainlink: BTreeMap<String, BTreeMap<String, ChainlinkFeedConfig>>,
}

/// Uniswap's contracts on a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UniswapConfig {
    /// The token that stands for the chain's own coin.
    pub wrapped: Option<ContractAddress>,
    /// `UniswapInterfaceMulticall`.
    pub multicall: Option<ContractAddress>,
    /// What a route of two hops may go through; in the place of what is built in.
    pub base_tokens: Option<Vec<ContractAddress>>,
    /// Tokens by their symbols; beside what is built in.
    #[serde(default)]
    pub tokens: BTreeMap<String, ContractAddress>,
    /// Version 2.
    #[serde(default)]
    pub v2: UniswapV2Config,
    /// Version 3.
    #[serde(default)]
    pub v3: UniswapV3Config,
}

/// Version 2 of Uniswap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UniswapV2Config {
    /// `UniswapV2Factory`.
    pub factory: Option<ContractAddress>,
    /// `UniswapV2Router02`.
    pub router: Option<ContractAddress>,
    /// The hash of the code that creates a pair.
    pub init_code_hash: Option<CodeHash>,
}

/// Version 3 of Uniswap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UniswapV3Config {
    /// `UniswapV3Factory`.
    pub factory: Option<ContractAddress>,
    /// `QuoterV2`.
    pub quoter: Option<ContractAddress>,
    /// `SwapRouter`.
    pub router: Option<ContractAddress>,
    /// `SwapRouter02`, where there is no `SwapRouter`.
    pub router02: Option<ContractAddress>,
    /// The hash of the code that creates a pool.
    pub init_code_hash: Option<CodeHash>,
}

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainlinkFeedConfig {
    /// The aggregator's proxy.
    pub feed: ContractAddress,
    /// After so many seconds there is a new answer, whatever the price does.
    pub heartbeat_seconds: u64,
}

/// A contract's address. A checksum that it may be written with is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ContractAddress(pub [u8; 20]);

/// A hash of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CodeHash(pub [u8; 32]);

impl ContractsConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let chainlink: BTreeMap<String, BTreeMap<String, ChainlinkFeedConfig>> = json(vars, "CHAINLINK_FEEDS")?;
        for feed in chainlink.values().flat_map(BTreeMap::values) {
            if !(1..=LONGEST_HEARTBEAT).contains(&feed.heartbeat_seconds) {
                let expected = format!("heartbeatSeconds from 1 to {LONGEST_HEARTBEAT}");
                return Err(ConfigError::invalid("CHAINLINK_FEEDS", feed.heartbeat_seconds, expected));
            }
        }
        Ok(Self { uniswap: json(vars, "UNISWAP_DEPLOYMENTS")?, chainlink })
    }
}

/// The value of a variable that is a JSON object; empty where it is unset.
fn json<T: DeserializeOwned + Default>(vars: &Vars, name: &'static str) -> Result<T, ConfigError> {
    let Some(text) = vars.get(name) else { return Ok(T::default()) };
    serde_json::from_str(text).map_err(|error| ConfigError::expected(name, format!("a JSON object by chain: {error}")))
}

impl TryFrom<String> for ContractAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        bytes(&text).map(Self).ok_or_else(|| format!("{text:?} is no address: 0x and 40 hexadecimal digits"))
    }
}

impl TryFrom<String> for CodeHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        bytes(&text).map(Self).ok_or_else(|| format!("{text:?} is no hash: 0x and 64 hexadecimal digits"))
    }
}

/// `0x` and two digits a byte.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?;
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<ContractsConfig, ConfigError> {
        ContractsConfig::from_vars(&[(name, value)].into_iter().collect())
    }

    #[test]
    fn nothing_is_needed() {
        assert_eq!(ContractsConfig::from_vars(&Vars::default()).unwrap(), ContractsConfig::default());
    }

    #[test]
    fn any_part_of_a_deployment_may_be_given() {
        let config = read(
            "UNISWAP_DEPLOYMENTS",
            r#"{"eip155:31337": {"wrapped": "0x4200000000000000000000000000000000000006",
                "tokens": {"USDC": "0x0000000000000000000000000000000000000001"},
                "v3": {"router": "0x00000000000000000000000000000000000000ff"}}}"#,
        );
        let chain = &config.unwrap().uniswap["eip155:31337"];
        assert_eq!(chain.wrapped.unwrap().0[..2], [0x42, 0]);
        assert_eq!(chain.v3.router.unwrap().0[19], 0xff);
        assert_eq!(chain.v2, UniswapV2Config::default());
    }

    #[test]
    fn feeds_have_an_address_and_a_heartbeat() {
        let feeds = r#"{"ethereum": {"bitcoin": {"feed": "0x0000000000000000000000000000000000000001", "heartbeatSeconds": 3600}}}"#;
        let config = read("CHAINLINK_FEEDS", feeds).unwrap();
        assert_eq!(config.chainlink["ethereum"]["bitcoin"].heartbeat_seconds, 3600);
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value) in [
            ("UNISWAP_DEPLOYMENTS", "[]"),
            ("UNISWAP_DEPLOYMENTS", r#"{"ethereum": {"v4": {}}}"#),
            ("UNISWAP_DEPLOYMENTS", r#"{"ethereum": {"wrapped": "0x1"}}"#),
            ("UNISWAP_DEPLOYMENTS", r#"{"ethereum": {"wrapped": "0x+200000000000000000000000000000000000006"}}"#),
            ("UNISWAP_DEPLOYMENTS", r#"{"ethereum": {"v2": {"initCodeHash": "0x00"}}}"#),
            ("CHAINLINK_FEEDS", r#"{"ethereum": {"bitcoin": "0x0000000000000000000000000000000000000001"}}"#),
            (
                "CHAINLINK_FEEDS",
                r#"{"base": {"bitcoin": {"feed": "0x0000000000000000000000000000000000000001", "heartbeatSeconds": 0}}}"#,
            ),
        ] {
            assert_eq!(read(name, value).unwrap_err().name, name, "{value}");
        }
    }
}
