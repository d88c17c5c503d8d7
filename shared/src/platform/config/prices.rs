//! Who is asked for prices, and which coins are polled how often.

use std::time::Duration;

use reqwest::Url;

use super::{ConfigError, Variable, Vars, base_url};
use crate::platform::secret::Secret;

const COINGECKO: &str = "https://api.coingecko.com/api/v3";
const COINBASE: &str = "https://api.coinbase.com";
const COINS: &str = "bitcoin,ethereum,tether,binancecoin,solana,ripple,usd-coin,cardano,dogecoin,chainlink";
const MAX_COINS: usize = 250;

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "PRICE_SOURCES",
        meaning: "who is asked for prices, in this order: coingecko, coinbase, chainlink, simulated",
        default: "coingecko,simulated; on Lambda coingecko,coinbase",
    },
    Variable { name: "COINGECKO_URL", meaning: "base URL, up to and without /simple/price", default: COINGECKO },
    Variable { name: "COINGECKO_API_KEY", meaning: "demo or pro key, by the URL's host", default: "unset: anonymous" },
    Variable { name: "COINBASE_URL", meaning: "base URL, up to and without /api/v3", default: COINBASE },
    Variable { name: "PRICE_COINS", meaning: "the coins that are polled, by their CoinGecko ids", default: COINS },
    Variable { name: "PRICE_POLL_SECONDS", meaning: "how often, 5 to 60", default: "30" },
];

/// A price source, by the name that it has in `PRICE_SOURCES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// CoinGecko, or whoever speaks its protocol.
    CoinGecko,
    /// Coinbase's public market data.
    Coinbase,
    /// Chainlink's feeds, read from their chains.
    Chainlink,
    /// Made up, for a process without a network. Never on Lambda.
    Simulated,
}

/// Who is asked for prices, and which coins are polled how often.
#[derive(Debug, Clone)]
pub struct PriceConfig {
    /// In the order in which they are asked; at least one, none twice.
    pub sources: Vec<SourceKind>,
    /// Up to, without, `/simple/price`.
    pub coingecko_url: Url,
    /// CoinGecko's key.
    pub coingecko_key: Option<Secret>,
    /// Up to, without, `/api/v3`.
    pub coinbase_url: Url,
    /// As written in `PRICE_COINS`, not yet checked to be coin ids: those are the domain's.
    pub coins: Vec<String>,
    /// How often they are polled.
    pub poll_every: Duration,
}

impl PriceConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let poll_seconds: u64 = vars.parse("PRICE_POLL_SECONDS", "whole seconds from 5 to 60")?.unwrap_or(30);
        if !(5..=60).contains(&poll_seconds) {
            return Err(ConfigError::invalid("PRICE_POLL_SECONDS", poll_seconds, "whole seconds from 5 to 60"));
        }
        Ok(Self {
            sources: sources(vars)?,
            coingecko_url: base_url(vars, "COINGECKO_URL", COINGECKO)?,
            coingecko_key: vars.secret("COINGECKO_API_KEY"),
            coinbase_url: base_url(vars, "COINBASE_URL", COINBASE)?,
            coins: coins(vars)?,
            poll_every: Duration::from_secs(poll_seconds),
        })
    }
}

fn sources(vars: &Vars) -> Result<Vec<SourceKind>, ConfigError> {
    const NAME: &str = "PRICE_SOURCES";
    const EXPECTED: &str = "a list of coingecko, coinbase, chainlink and simulated, each at most once";
    let Some(text) = vars.get(NAME) else {
        let second = if vars.on_lambda() { SourceKind::Coinbase } else { SourceKind::Simulated };
        return Ok(vec![SourceKind::CoinGecko, second]);
    };
    let mut sources = vec![];
    for name in text.split(',') {
        let source = match name.trim() {
            "coingecko" => SourceKind::CoinGecko,
            "coinbase" => SourceKind::Coinbase,
            "chainlink" => SourceKind::Chainlink,
            "simulated" => SourceKind::Simulated,
            other => return Err(ConfigError::invalid(NAME, other, EXPECTED)),
        };
        if sources.contains(&source) {
            return Err(ConfigError::invalid(NAME, text, EXPECTED));
        }
        sources.push(source);
    }
    if vars.on_lambda() && sources.contains(&SourceKind::Simulated) {
        return Err(ConfigError::invalid(
            NAME,
            text,
            "coingecko, coinbase or chainlink: simulated prices are for local use only",
        ));
    }
    Ok(sources)
}

fn coins(vars: &Vars) -> Result<Vec<String>, ConfigError> {
    let text = vars.get("PRICE_COINS").unwrap_or(COINS);
    let mut coins: Vec<_> =
        text.split(',').map(|coin| coin.trim().to_owned()).filter(|coin| !coin.is_empty()).collect();
    coins.sort_unstable();
    coins.dedup();
    if coins.is_empty() || coins.len() > MAX_COINS {
        return Err(ConfigError::invalid("PRICE_COINS", text, format!("a list of 1 to {MAX_COINS} coins")));
    }
    Ok(coins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAMBDA: (&str, &str) = ("AWS_LAMBDA_FUNCTION_NAME", "graphql");

    fn read(pairs: &[(&str, &str)]) -> Result<PriceConfig, ConfigError> {
        PriceConfig::from_vars(&pairs.iter().copied().collect())
    }

    #[test]
    fn the_defaults_are_what_help_says() {
        let config = read(&[]).unwrap();
        assert_eq!(config.sources, [SourceKind::CoinGecko, SourceKind::Simulated]);
        assert_eq!(config.coins.len(), 10);
        assert_eq!(config.poll_every, Duration::from_secs(30));
        assert_eq!(read(&[LAMBDA]).unwrap().sources, [SourceKind::CoinGecko, SourceKind::Coinbase]);
        let sources = read(&[LAMBDA, ("PRICE_SOURCES", "chainlink,coinbase")]).unwrap().sources;
        assert_eq!(sources, [SourceKind::Chainlink, SourceKind::Coinbase]);
    }

    #[test]
    fn simulated_prices_are_refused_on_lambda() {
        assert!(read(&[("PRICE_SOURCES", "simulated")]).is_ok());
        let error = read(&[LAMBDA, ("PRICE_SOURCES", "coinbase, simulated")]).unwrap_err();
        assert!(error.to_string().contains("local use only"), "{error}");
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value) in [
            ("PRICE_SOURCES", "kraken"),
            ("PRICE_SOURCES", "coinbase,coinbase"),
            ("PRICE_SOURCES", "coinbase,"),
            ("PRICE_COINS", ","),
            ("PRICE_POLL_SECONDS", "4"),
            ("PRICE_POLL_SECONDS", "1m"),
            ("COINGECKO_URL", "ftp://hunter2@x"),
            ("COINBASE_URL", "api.coinbase.com"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
