//! Who is asked what a swap would pay.

use std::sync::Arc;

use super::StartError;
use super::chains::ChainParts;
use crate::breaker::{Breakers, Options};
use crate::platform::clock::Clock;
use crate::platform::config::{QuoteConfig, QuoteSourceKind, Vars};
use crate::services::quotes::Quotes;
use crate::sources::http::{HttpClient, HttpOptions};
use crate::sources::quotes::{Jupiter, LiFi, OneInch, QuoteSource, Tokens, ZeroX};

/// Swap quotes on these chains, by whom the variables name.
pub(super) fn quotes(
    vars: &Vars,
    parts: &ChainParts,
    clock: &Arc<dyn Clock>,
    breakers: &Breakers,
) -> Result<Quotes, StartError> {
    let config = QuoteConfig::from_vars(vars)?;
    let contracts = contracts(vars, parts, clock)?;
    let mut sources = vec![];
    // Without a chain nobody is ever asked, and no client is needed.
    if parts.chains.all().next().is_some() {
        let options = HttpOptions { max_bytes: 512 * 1024, ..HttpOptions::default() };
        let http = HttpClient::new(options, clock.clone())
            .map_err(|error| StartError::Failed(format!("the HTTP client: {error}")))?;
        sources.extend(config.sources.iter().filter_map(|kind| source(*kind, &config, &http, &contracts)));
    }
    Ok(Quotes::new(parts.chains.clone(), contracts.tokens, sources, clock.clone(), breakers))
}

type Source = (Arc<dyn QuoteSource>, Options);

/// What is known of tokens, and who quotes from a chain's own contracts.
struct Contracts {
    tokens: Arc<dyn Tokens>,
    uniswap: Option<[Arc<dyn QuoteSource>; 2]>,
}

fn source(kind: QuoteSourceKind, config: &QuoteConfig, http: &HttpClient, contracts: &Contracts) -> Option<Source> {
    let http = http.clone();
    let uniswap = |place: usize| {
        let source = contracts.uniswap.as_ref()?[place].clone();
        // One chain that is down is no reason to leave the others alone: its nodes have breakers of their own.
        Some((source, Options { enabled: false, group: Some("quotes".into()), ..Options::new(kind.name()) }))
    };
    match kind {
        QuoteSourceKind::UniswapV2 => uniswap(0),
        QuoteSourceKind::UniswapV3 => uniswap(1),
        QuoteSourceKind::ZeroX => {
            let key = config.zerox_key.clone()?;
            Some((Arc::new(ZeroX::new(http, config.zerox_url.clone(), key)), ZeroX::breaker_options()))
        }
        QuoteSourceKind::OneInch => {
            let key = config.oneinch_key.clone()?;
            Some((Arc::new(OneInch::new(http, config.oneinch_url.clone(), key)), OneInch::breaker_options()))
        }
        QuoteSourceKind::LiFi => {
            let source = LiFi::new(http, config.lifi_url.clone(), config.lifi_key.clone());
            Some((Arc::new(source), LiFi::breaker_options()))
        }
        QuoteSourceKind::Jupiter => {
            let source = Jupiter::new(http, config.jupiter_url.clone(), config.jupiter_key.clone());
            Some((Arc::new(source), Jupiter::breaker_options()))
        }
    }
}

#[cfg(feature = "evm")]
fn contracts(vars: &Vars, parts: &ChainParts, clock: &Arc<dyn Clock>) -> Result<Contracts, StartError> {
    use crate::platform::config::{ConfigError, ContractsConfig};
    use crate::sources::quotes::uniswap::{Deployments, KnownTokens, UniswapV2, UniswapV3};

    let chains: Vec<_> = parts.chains.all().map(|adapter| adapter.chain().clone()).collect();
    let config = ContractsConfig::from_vars(vars)?;
    let wrong = |problem: String| ConfigError { name: "UNISWAP_DEPLOYMENTS", problem };
    let deployments = Deployments::new(&config.uniswap, &chains).map_err(|error| wrong(error.to_string()))?;
    let (clients, deployments) = (&parts.contracts, Arc::new(deployments));
    let v2 = UniswapV2::new(clients.clone(), deployments.clone(), clock.clone());
    let v3 = UniswapV3::new(clients.clone(), deployments.clone(), clock.clone());
    Ok(Contracts {
        tokens: Arc::new(KnownTokens::new(clients.clone(), deployments)),
        uniswap: Some([Arc::new(v2), Arc::new(v3)]),
    })
}

#[cfg(not(feature = "evm"))]
#[expect(clippy::unnecessary_wraps, reason = "with contracts, their variables may be invalid")]
fn contracts(_: &Vars, _: &ChainParts, _: &Arc<dyn Clock>) -> Result<Contracts, StartError> {
    Ok(Contracts { tokens: Arc::new(crate::sources::quotes::NoTokens), uniswap: None })
}
