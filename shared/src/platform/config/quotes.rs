//! Who is asked what a swap would pay.

use reqwest::Url;

use super::{ConfigError, Variable, Vars, base_url};
use crate::platform::secret::Secret;

const ZEROX: &str = "https://api.0x.org";
const ONEINCH: &str = "https://api.1inch.com/swap/v6.1";
const LIFI: &str = "https://li.quest";
const JUPITER: &str = "https://api.jup.ag";

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "QUOTE_SOURCES",
        meaning: "who is asked for quotes: uniswap-v2, uniswap-v3, 0x, 1inch, lifi, jupiter",
        default: "uniswap-v2,uniswap-v3,lifi,jupiter; 0x and 1inch where their key is set",
    },
    Variable { name: "ZEROX_URL", meaning: "base URL, up to and without /swap", default: ZEROX },
    Variable { name: "ZEROX_API_KEY", meaning: "0x's key", default: "unset: not asked" },
    Variable { name: "ONEINCH_URL", meaning: "base URL, up to and without the chain's number", default: ONEINCH },
    Variable { name: "ONEINCH_API_KEY", meaning: "1inch's key", default: "unset: not asked" },
    Variable { name: "LIFI_URL", meaning: "base URL, up to and without /v1", default: LIFI },
    Variable { name: "LIFI_API_KEY", meaning: "LI.FI's key", default: "unset: anonymous" },
    Variable { name: "JUPITER_URL", meaning: "base URL, up to and without /swap/v1", default: JUPITER },
    Variable { name: "JUPITER_API_KEY", meaning: "Jupiter's key", default: "unset: anonymous" },
];

/// A source of quotes, by the name that it has in `QUOTE_SOURCES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteSourceKind {
    /// Uniswap V2 pairs, read from the chain.
    UniswapV2,
    /// Uniswap V3 pools, read from the chain.
    UniswapV3,
    /// The 0x Swap API. Needs a key.
    ZeroX,
    /// 1inch's Classic Swap API. Needs a key.
    OneInch,
    /// LI.FI.
    LiFi,
    /// Jupiter, on Solana.
    Jupiter,
}

/// Who is asked what a swap would pay.
#[derive(Debug, Clone)]
pub struct QuoteConfig {
    /// At least one, none twice, none without a key that it needs.
    pub sources: Vec<QuoteSourceKind>,
    /// Up to, without, `/swap`.
    pub zerox_url: Url,
    /// 0x's key: there where it is a source.
    pub zerox_key: Option<Secret>,
    /// Up to, without, the chain's number.
    pub oneinch_url: Url,
    /// 1inch's key: there where it is a source.
    pub oneinch_key: Option<Secret>,
    /// Up to, without, `/v1`.
    pub lifi_url: Url,
    /// LI.FI's key.
    pub lifi_key: Option<Secret>,
    /// Up to, without, `/swap/v1`.
    pub jupiter_url: Url,
    /// Jupiter's key.
    pub jupiter_key: Option<Secret>,
}

impl QuoteConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid, or the key's that is missing.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        Ok(Self {
            sources: sources(vars)?,
            zerox_url: base_url(vars, "ZEROX_URL", ZEROX)?,
            zerox_key: vars.secret("ZEROX_API_KEY"),
            oneinch_url: base_url(vars, "ONEINCH_URL", ONEINCH)?,
            oneinch_key: vars.secret("ONEINCH_API_KEY"),
            lifi_url: base_url(vars, "LIFI_URL", LIFI)?,
            lifi_key: vars.secret("LIFI_API_KEY"),
            jupiter_url: base_url(vars, "JUPITER_URL", JUPITER)?,
            jupiter_key: vars.secret("JUPITER_API_KEY"),
        })
    }
}

impl QuoteSourceKind {
    const ALL: [Self; 6] = [Self::UniswapV2, Self::UniswapV3, Self::ZeroX, Self::OneInch, Self::LiFi, Self::Jupiter];

    /// Its name in `QUOTE_SOURCES`.
    pub fn name(self) -> &'static str {
        match self {
            Self::UniswapV2 => "uniswap-v2",
            Self::UniswapV3 => "uniswap-v3",
            Self::ZeroX => "0x",
            Self::OneInch => "1inch",
            Self::LiFi => "lifi",
            Self::Jupiter => "jupiter",
        }
    }

    /// The variable with the key without which it answers nobody.
    fn key(self) -> Option<&'static str> {
        match self {
            Self::ZeroX => Some("ZEROX_API_KEY"),
            Self::OneInch => Some("ONEINCH_API_KEY"),
            Self::UniswapV2 | Self::UniswapV3 | Self::LiFi | Self::Jupiter => None,
        }
    }

    fn may_ask(self, vars: &Vars) -> bool {
        self.key().is_none_or(|key| vars.get(key).is_some())
    }
}

fn sources(vars: &Vars) -> Result<Vec<QuoteSourceKind>, ConfigError> {
    const NAME: &str = "QUOTE_SOURCES";
    const EXPECTED: &str = "a list of uniswap-v2, uniswap-v3, 0x, 1inch, lifi and jupiter, each at most once";
    let Some(text) = vars.get(NAME) else {
        return Ok(QuoteSourceKind::ALL.into_iter().filter(|source| source.may_ask(vars)).collect());
    };
    let mut sources = vec![];
    for name in text.split(',').map(str::trim) {
        let source = QuoteSourceKind::ALL.into_iter().find(|source| source.name() == name);
        let source = source.ok_or_else(|| ConfigError::invalid(NAME, name, EXPECTED))?;
        if sources.contains(&source) {
            return Err(ConfigError::invalid(NAME, text, EXPECTED));
        }
        if let Some(key) = source.key().filter(|_| !source.may_ask(vars)) {
            return Err(ConfigError::expected(key, format!("a key, as {NAME} names {name}")));
        }
        sources.push(source);
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [(&str, &str); 2] = [("ZEROX_API_KEY", "hunter2"), ("ONEINCH_API_KEY", "hunter3")];

    fn read(pairs: &[(&str, &str)]) -> Result<QuoteConfig, ConfigError> {
        QuoteConfig::from_vars(&pairs.iter().copied().collect())
    }

    fn names(config: &QuoteConfig) -> String {
        config.sources.iter().map(|source| source.name()).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn the_defaults_are_what_help_says() {
        let config = read(&[]).unwrap();
        assert_eq!(names(&config), "uniswap-v2,uniswap-v3,lifi,jupiter");
        assert_eq!(config.zerox_url.as_str(), "https://api.0x.org/");
        assert_eq!(config.oneinch_url.as_str(), ONEINCH);
        assert_eq!(config.lifi_url.as_str(), "https://li.quest/");
        assert_eq!(config.jupiter_url.as_str(), "https://api.jup.ag/");
        assert!(config.lifi_key.is_none() && config.jupiter_key.is_none());
    }

    #[test]
    fn a_key_opens_the_source_that_needs_it() {
        assert_eq!(names(&read(&KEYS).unwrap()), "uniswap-v2,uniswap-v3,0x,1inch,lifi,jupiter");
        assert_eq!(names(&read(&KEYS[..1]).unwrap()), "uniswap-v2,uniswap-v3,0x,lifi,jupiter");
        let config = read(&[("QUOTE_SOURCES", "lifi, 0x"), KEYS[0]]).unwrap();
        assert_eq!(config.sources, [QuoteSourceKind::LiFi, QuoteSourceKind::ZeroX]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_source_without_its_key_is_told_which() {
        for (source, key) in [("0x", "ZEROX_API_KEY"), ("1inch", "ONEINCH_API_KEY")] {
            let error = read(&[("QUOTE_SOURCES", source)]).unwrap_err();
            assert_eq!(error.name, key);
            assert_eq!(error.problem, format!("expected a key, as QUOTE_SOURCES names {source}"));
        }
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value) in [
            ("QUOTE_SOURCES", "kraken"),
            ("QUOTE_SOURCES", "lifi,lifi"),
            ("QUOTE_SOURCES", "lifi,"),
            ("ZEROX_URL", "ftp://hunter2@x"),
            ("ONEINCH_URL", "api.1inch.com"),
            ("LIFI_URL", "https://"),
            ("JUPITER_URL", "jup"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.name, name);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
