//! Made-up prices, for a process without a network: plausible, moving, and the same for everybody at the same second.
//!
//! Each price is its base times a sum of waves: between random points that a hash draws for each period of time, the
//! wave is a straight line. Integers and decimals alone.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures_util::future::{FutureExt, ready};
use rust_decimal::Decimal;

use super::{PriceSource, breaker_options};
use crate::breaker;
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, Timestamp};
use crate::sources::SourceError;

const NAME: &str = "simulated";

/// Id, dollars (mantissa and scale), coins in circulation, and whether it is worth a dollar.
const COINS: &[(&str, (i64, u32), i64, bool)] = &[
    ("avalanche-2", (2_850, 2), 420_000_000, false),
    ("binancecoin", (61_200, 2), 145_000_000, false),
    ("bitcoin", (6_725_000, 2), 19_800_000, false),
    ("cardano", (452, 3), 35_800_000_000, false),
    ("chainlink", (1_430, 2), 640_000_000, false),
    ("dogecoin", (1_282, 4), 147_000_000_000, false),
    ("ethereum", (345_000, 2), 120_400_000, false),
    ("litecoin", (8_150, 2), 75_000_000, false),
    ("polkadot", (612, 2), 1_500_000_000, false),
    ("ripple", (587, 3), 56_800_000_000, false),
    ("shiba-inu", (1_742, 8), 589_000_000_000_000, false),
    ("solana", (15_400, 2), 470_000_000, false),
    ("tether", (1_000, 3), 118_000_000_000, true),
    ("tron", (1_556, 4), 86_500_000_000, false),
    ("uniswap", (785, 2), 600_000_000, false),
    ("usd-coin", (1_000, 3), 35_000_000_000, true),
];

/// Periods in seconds, and by how many millionths each moves a price at most.
const WAVES: [(i64, i64); 4] = [(15, 400), (600, 4_000), (14_400, 20_000), (259_200, 60_000)];

/// Made-up prices.
pub struct Simulated {
    clock: Arc<dyn Clock>,
}

impl Simulated {
    /// Prices that follow from the time on `clock`. Says so in the log, once.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        tracing::warn!("prices may be simulated: where no other source answers, they are made up");
        Self { clock }
    }

    /// How patient to be with it: the defaults.
    pub fn breaker_options() -> breaker::Options {
        breaker::Options { shared: false, ..breaker_options(NAME) }
    }
}

impl PriceSource for Simulated {
    fn name(&self) -> &'static str {
        NAME
    }

    fn quotes<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, SourceError>> {
        let now = self.clock.now();
        ready(Ok(coins.iter().filter_map(|coin| quote(coin, now)).collect())).boxed()
    }
}

fn quote(coin: &Coin, now: Timestamp) -> Option<Quote> {
    let &(id, (mantissa, scale), supply, pegged) = COINS.iter().find(|(id, ..)| *id == coin.as_str())?;
    let base = Decimal::new(mantissa, scale);
    let price = |at: Timestamp| {
        let millionths = WAVES.iter().map(|&(period, height)| wave(id, at.timestamp(), period, height)).sum::<i64>();
        let millionths = if pegged { millionths / 100 } else { millionths };
        let usd = base * Decimal::new(1_000_000 + millionths, 6);
        usd.round_sf(8).unwrap_or(usd).normalize()
    };
    let (usd, before) = (price(now), price(now - TimeDelta::days(1)));
    Some(Quote {
        coin: coin.clone(),
        usd,
        change24h: Some(((usd - before) * Decimal::ONE_HUNDRED / before).round_dp(4).normalize()),
        market_cap: Some((usd * Decimal::from(supply)).round_dp(0)),
        updated_at: DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now),
        source: NAME.to_owned(),
    })
}

/// The height of a wave at a second: on the line between the points at the ends of its period.
fn wave(id: &str, second: i64, period: i64, height: i64) -> i64 {
    let (index, within) = (second.div_euclid(period), second.rem_euclid(period));
    let point = |index: i64| {
        let spread = 2 * height + 1;
        i64::try_from(hash(id, period, index) % spread.unsigned_abs()).unwrap_or_default() - height
    };
    point(index) + (point(index + 1) - point(index)) * within / period
}

/// FNV-1a over the name, then the finaliser of `SplitMix64` (Steele, Lea and Flood, 2014).
fn hash(id: &str, period: i64, index: i64) -> u64 {
    let bytes = id.bytes().chain(period.to_le_bytes()).chain(index.to_le_bytes());
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut mixed = bytes.fold(0xcbf2_9ce4_8422_2325, fnv);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(coin: &str, seconds: i64) -> Option<Quote> {
        quote(&coin.parse().unwrap(), DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap())
    }

    #[test]
    fn every_price_moves_and_stays_near_its_base() {
        for (id, (mantissa, scale), _, pegged) in COINS {
            let base = Decimal::new(*mantissa, *scale);
            let prices: Vec<_> = (0..1000).map(|step| at(id, step * 997).unwrap().usd).collect();
            let reach = base * Decimal::new(if *pegged { 1 } else { 9 }, 2);
            assert!(prices.iter().all(|usd| (*usd - base).abs() <= reach), "{id}");
            assert!(prices.windows(2).any(|pair| pair[0] != pair[1]), "{id}");
        }
    }

    #[test]
    fn the_same_second_gives_the_same_quote() {
        assert_eq!(at("bitcoin", 7), at("bitcoin", 7));
        assert_ne!(at("bitcoin", 7).unwrap().usd, at("bitcoin", 70).unwrap().usd);
    }

    #[test]
    fn a_coin_that_is_not_in_the_table_is_unknown() {
        assert_eq!(at("no-such-coin", 0), None);
    }
}
