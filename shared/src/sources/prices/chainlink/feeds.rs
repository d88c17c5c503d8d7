//! Which coin has a feed where.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use ethers::types::Address;

use crate::domain::chain::ChainId;
use crate::domain::coin::Coin;
use crate::platform::config::ChainlinkFeedConfig;
use crate::sources::chains::Chain;

const ETHEREUM: u64 = 1;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// US dollar feeds on Ethereum: the aggregators' proxies, and after how many seconds there is a new answer at the latest
/// (<https://docs.chain.link/data-feeds/price-feeds/addresses?network=ethereum>).
const BUILT_IN: &[(&str, &str, i64)] = &[
    ("aave", "0x547a514d5e3769680Ce22B2361c10Ea13619e8a9", HOUR),
    ("binancecoin", "0x14e613AC84a31f709eadbdF89C6CC390fDc9540A", DAY),
    ("bitcoin", "0xF4030086522a5bEEa4988F8cA5B36dbC97BeE88c", HOUR),
    ("chainlink", "0x2c1d072e956AFFC0D435Cb7AC38EF18d24d9127c", HOUR),
    ("dai", "0xAed0c38402a5d19df6E4c03F4E2DceD6e29c1ee9", HOUR),
    ("ethereum", "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", HOUR),
    ("solana", "0x4ffC43a60e009B551865A93d232E33Fce9f01507", DAY),
    ("tether", "0x3E7d1eAB13ad0104d2750B8863b489D65364e32D", DAY),
    ("uniswap", "0x553303d460EE0afB37EdFf9bE42922D8FF63220e", HOUR),
    ("usd-coin", "0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6", DAY),
];

/// A feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) address: Address,
    pub(super) heartbeat: TimeDelta,
}

/// Feeds by coin, each with its chain: what is configured before what is built in.
#[derive(Debug, Clone, Default)]
pub struct Feeds(BTreeMap<Coin, Vec<(ChainId, Feed)>>);

/// Why `CHAINLINK_FEEDS` cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// A name that no chain has here.
    #[error("no chain is called {0:?} here: use its CAIP-2 id")]
    UnknownChain(String),
    /// What is priced is no coin.
    #[error("{0:?} is no coin's id")]
    InvalidCoin(String),
}

impl Feeds {
    /// What `configured` says, by chain and coin, and then what is built in. Names are those of `chains`.
    ///
    /// # Errors
    /// [`FeedError`] for the first name that nobody has.
    pub fn new(
        configured: &BTreeMap<String, BTreeMap<String, ChainlinkFeedConfig>>,
        chains: &[Chain],
    ) -> Result<Self, FeedError> {
        let mut feeds = Self::default();
        for (name, coins) in configured {
            let chain = chain_id(name, chains).ok_or_else(|| FeedError::UnknownChain(name.clone()))?;
            for (coin, feed) in coins {
                let coin = coin.parse().map_err(|_| FeedError::InvalidCoin(coin.clone()))?;
                let heartbeat = i64::try_from(feed.heartbeat_seconds).ok().and_then(TimeDelta::try_seconds);
                let heartbeat = heartbeat.unwrap_or(TimeDelta::days(30));
                feeds.add(coin, chain.clone(), Feed { address: Address::from(feed.feed.0), heartbeat });
            }
        }
        for (coin, address, heartbeat) in BUILT_IN {
            // A test has read them.
            if let (Ok(coin), Ok(address)) = (coin.parse(), address.parse()) {
                feeds.add(coin, ChainId::evm(ETHEREUM), Feed { address, heartbeat: TimeDelta::seconds(*heartbeat) });
            }
        }
        Ok(feeds)
    }

    /// The feed of `coin` on the first chain that is `usable`.
    pub(super) fn of(&self, coin: &Coin, usable: impl Fn(&ChainId) -> bool) -> Option<(&ChainId, Feed)> {
        self.0.get(coin)?.iter().find(|(chain, _)| usable(chain)).map(|(chain, feed)| (chain, *feed))
    }

    fn add(&mut self, coin: Coin, chain: ChainId, feed: Feed) {
        let known = self.0.entry(coin).or_default();
        if known.iter().all(|(other, _)| *other != chain) {
            known.push((chain, feed));
        }
    }
}

fn chain_id(name: &str, chains: &[Chain]) -> Option<ChainId> {
    let named = chains.iter().find(|chain| chain.name == name).map(|chain| chain.id.clone());
    named.or_else(|| name.parse().ok()).or_else(|| (name == "ethereum").then(|| ChainId::evm(ETHEREUM)))
}

#[cfg(test)]
mod tests {
    use ethers::utils::parse_checksummed;

    use super::*;

    fn configured(json: &str) -> Result<Feeds, FeedError> {
        Feeds::new(&serde_json::from_str(json).unwrap(), &[])
    }

    #[test]
    fn the_table_is_ordered_names_coins_and_bears_checksums() {
        assert!(BUILT_IN.is_sorted());
        for (coin, address, _) in BUILT_IN {
            assert!(coin.parse::<Coin>().is_ok() && parse_checksummed(address, None).is_ok(), "{coin}");
        }
        assert_eq!(configured("{}").unwrap().0.len(), BUILT_IN.len());
    }

    #[test]
    fn a_configured_feed_comes_first() {
        let feed = |number: u8| format!(r#"{{"feed": "0x{number:040x}", "heartbeatSeconds": 60}}"#);
        let json = format!(r#"{{"ethereum": {{"bitcoin": {}}}, "eip155:8453": {{"dai": {}}}}}"#, feed(1), feed(2));
        let feeds = configured(&json).unwrap();
        let of = |coin: &str, usable: &[u64]| {
            let coin = coin.parse().unwrap();
            let found = feeds.of(&coin, |chain| usable.contains(&chain.evm_number().unwrap()));
            found.map(|(chain, feed)| (chain.evm_number().unwrap(), feed.heartbeat.num_seconds()))
        };
        assert_eq!(of("bitcoin", &[1]), Some((1, 60)));
        assert_eq!(of("dai", &[1, 8453]), Some((8453, 60)));
        assert_eq!(of("dai", &[1]), Some((1, 3600)));
        assert_eq!((of("dai", &[]), of("no-such-coin", &[1])), (None, None));
        assert!(matches!(configured(r#"{"mars": {}}"#), Err(FeedError::UnknownChain(_))));
        let odd = format!(r#"{{"ethereum": {{"a b": {}}}}}"#, feed(1));
        assert!(matches!(configured(&odd), Err(FeedError::InvalidCoin(_))));
    }
}
