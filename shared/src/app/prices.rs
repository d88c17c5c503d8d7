//! What several processes share: the clock, the cache and the sources of prices; and the poller.

use std::sync::Arc;

use super::StartError;
use super::chains::ChainParts;
use super::redis::Redis;
use crate::breaker::Breakers;
use crate::cache::{Cache, MemoryTier};
use crate::domain::coin::Coin;
use crate::platform::clock::{Clock, SystemClock};
use crate::platform::config::{PriceConfig, SourceKind, Vars, cold_bucket};
use crate::platform::metrics::Measured;
use crate::services::poll::{Poller, polled_coins};
use crate::services::prices::PriceCache;
#[cfg(feature = "graphql")]
use crate::services::prices::Prices;
use crate::sources::http::{HttpClient, HttpOptions};
use crate::sources::prices::{CoinGecko, Coinbase, OrderedSources, PriceSource, Simulated};
use crate::store::{EventStore, Store};

/// What the cache in this process may hold, in bytes.
const MEMORY_BYTES: u64 = 8 * 1024 * 1024;

/// `price-poller`.
///
/// # Errors
/// A variable that is invalid, named.
#[cfg(feature = "aws")]
pub async fn price_poller(vars: &Vars) -> Result<Poller, StartError> {
    super::begin(vars)?;
    let shared = Shared::new(vars, Redis::from_vars(vars)?.as_ref())?;
    let store = super::store(vars).await?;
    super::report(vars, shared.measured());
    Ok(shared.poller(super::waking(vars, store.clone(), &shared.breakers)?, store))
}

/// What the services of one process share.
pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) breakers: Arc<Breakers>,
    pub(super) cache: Arc<Cache>,
    pub(super) config: PriceConfig,
    pub(super) coins: Vec<Coin>,
    #[cfg(feature = "graphql")]
    pub(super) chains: ChainParts,
    sources: Arc<OrderedSources>,
}

impl Shared {
    pub(super) fn new(vars: &Vars, redis: Option<&Redis>) -> Result<Self, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = PriceConfig::from_vars(vars)?;
        let breakers = Arc::new(breakers(redis, &clock));
        let cache = Arc::new(cache(vars, redis, &clock, &breakers)?);
        let chains = ChainParts::new(vars, &clock, &breakers)?;
        let sources = Arc::new(sources(vars, &config, &chains, &clock, &breakers)?);
        Ok(Self {
            coins: polled_coins(&config)?,
            #[cfg(feature = "graphql")]
            chains,
            sources,
            clock,
            breakers,
            cache,
            config,
        })
    }

    /// What measures something.
    pub(super) fn measured(&self) -> Vec<Arc<dyn Measured>> {
        vec![self.cache.clone(), self.breakers.clone()]
    }

    #[cfg(feature = "graphql")]
    pub(super) fn prices(&self, store: Arc<dyn Store>) -> Arc<Prices> {
        Arc::new(Prices::new(self.price_cache(), self.sources.clone(), store))
    }

    /// The poller, its events going to `events`.
    pub(super) fn poller(&self, events: Arc<dyn EventStore>, store: Arc<dyn Store>) -> Poller {
        Poller {
            sources: self.sources.clone(),
            events,
            store,
            cache: self.price_cache(),
            coins: self.coins.clone(),
            every: self.config.poll_every,
            clock: self.clock.clone(),
        }
    }

    fn price_cache(&self) -> PriceCache {
        PriceCache::new(self.cache.clone(), self.config.poll_every)
    }
}

/// The breakers: shared through Redis.
pub(super) fn breakers(redis: Option<&Redis>, clock: &Arc<dyn Clock>) -> Breakers {
    let breakers = Breakers::new(clock.clone());
    if let Some(redis) = redis {
        breakers.share_through(redis.circuits(&breakers));
    }
    breakers
}

/// The cache: in this process, behind it Redis, and behind that S3.
fn cache(vars: &Vars, redis: Option<&Redis>, clock: &Arc<dyn Clock>, breakers: &Breakers) -> Result<Cache, StartError> {
    let cache = Cache::new(MemoryTier::new(MEMORY_BYTES, clock.clone()), clock.clone());
    let cache = match redis {
        Some(redis) => redis.behind(cache, breakers),
        None => cache,
    };
    match cold_bucket(vars)? {
        None => Ok(cache),
        #[cfg(feature = "s3")]
        Some(bucket) => {
            use crate::cache::{S3Tier, TierOptions};

            Ok(cache.before(Arc::new(S3Tier::new(bucket, "cache/", clock.clone())), TierOptions::s3(), breakers))
        }
        #[cfg(not(feature = "s3"))]
        Some(_) => Err(super::not_built("CACHE_S3_BUCKET", "S3").into()),
    }
}

type Source = (Arc<dyn PriceSource>, crate::breaker::Options);

/// The sources, in the order in which they are asked.
fn sources(
    vars: &Vars,
    config: &PriceConfig,
    chains: &ChainParts,
    clock: &Arc<dyn Clock>,
    breakers: &Breakers,
) -> Result<OrderedSources, StartError> {
    let http = HttpClient::new(HttpOptions::default(), clock.clone())
        .map_err(|error| StartError::Failed(format!("the HTTP client: {error}")))?;
    let source = |kind: &SourceKind| -> Result<Source, StartError> {
        Ok(match kind {
            SourceKind::CoinGecko => {
                let (url, key) = (config.coingecko_url.clone(), config.coingecko_key.clone());
                (Arc::new(CoinGecko::new(http.clone(), url, key)), CoinGecko::breaker_options())
            }
            SourceKind::Coinbase => {
                (Arc::new(Coinbase::new(http.clone(), config.coinbase_url.clone())), Coinbase::breaker_options())
            }
            SourceKind::Chainlink => chainlink(vars, chains, clock)?,
            SourceKind::Simulated => (Arc::new(Simulated::new(clock.clone())), Simulated::breaker_options()),
        })
    };
    let sources = config.sources.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    Ok(OrderedSources::new(sources, clock, breakers))
}

#[cfg(feature = "evm")]
fn chainlink(vars: &Vars, parts: &ChainParts, clock: &Arc<dyn Clock>) -> Result<Source, StartError> {
    use crate::platform::config::{ConfigError, ContractsConfig};
    use crate::sources::prices::{Chainlink, Feeds};

    let wrong = |name, problem: String| ConfigError { name, problem };
    if parts.contracts.is_empty() {
        return Err(wrong("PRICE_SOURCES", "chainlink needs a chain in EVM_RPC_URLS".to_owned()).into());
    }
    let chains: Vec<_> = parts.chains.all().map(|adapter| adapter.chain().clone()).collect();
    let config = ContractsConfig::from_vars(vars)?;
    let feeds = Feeds::new(&config.chainlink, &chains).map_err(|error| wrong("CHAINLINK_FEEDS", error.to_string()))?;
    let chainlink = Chainlink::new(parts.contracts.clone(), feeds, clock.clone());
    Ok((Arc::new(chainlink), Chainlink::breaker_options()))
}

#[cfg(not(feature = "evm"))]
fn chainlink(_: &Vars, _: &ChainParts, _: &Arc<dyn Clock>) -> Result<Source, StartError> {
    Err(super::not_built("PRICE_SOURCES", "chainlink, which is on EVM chains,").into())
}
