//! The price of a coin, as a source quoted it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::aggregate::{Aggregate, DomainEvent};
use super::coin::Coin;
use crate::platform::clock::Timestamp;

/// A coin's price at a time. Also the payload of `PriceUpdated`, schema version 1. Decimals are strings in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// The coin.
    pub coin: Coin,
    /// US dollars for one coin.
    pub usd: Decimal,
    /// Change over the last 24 hours, in percent.
    pub change24h: Option<Decimal>,
    /// US dollars.
    pub market_cap: Option<Decimal>,
    /// When the source last saw the price change.
    pub updated_at: Timestamp,
    /// The name of the source that quoted it.
    pub source: String,
}

impl Quote {
    /// Whether anything but the time differs.
    fn differs_from(&self, other: &Self) -> bool {
        (self.usd, self.change24h, self.market_cap, &self.source)
            != (other.usd, other.change24h, other.market_cap, &other.source)
    }
}

/// A coin's price stream, folded: the newest quote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceAggregate {
    latest: Option<Quote>,
}

impl PriceAggregate {
    /// The state in which `latest` is the newest quote.
    pub fn at(latest: Option<Quote>) -> Self {
        Self { latest }
    }
}

/// What happens in a price stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceEvent {
    /// The price changed.
    Updated(Quote),
}

/// Nothing refuses a quote: a source that quotes nonsense is refused where it is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Never {}

impl Aggregate for PriceAggregate {
    const TYPE: &'static str = "price";
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = Quote;
    type Event = PriceEvent;
    type Error = Never;

    /// An event only where something changed, and never for a quote older than the newest.
    fn decide(&self, quote: &Quote) -> Result<Vec<PriceEvent>, Never> {
        let news = self
            .latest
            .as_ref()
            .is_none_or(|latest| quote.updated_at >= latest.updated_at && quote.differs_from(latest));
        Ok(if news { vec![PriceEvent::Updated(quote.clone())] } else { vec![] })
    }

    fn apply(&mut self, PriceEvent::Updated(quote): &PriceEvent, _occurred_at: Timestamp) {
        self.latest = Some(quote.clone());
    }
}

impl DomainEvent for PriceEvent {
    fn event_type(&self) -> &'static str {
        "PriceUpdated"
    }

    fn schema_version_of(event_type: &str) -> Option<i32> {
        (event_type == "PriceUpdated").then_some(1)
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        let Self::Updated(quote) = self;
        serde_json::to_value(quote)
    }

    fn from_current(_event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
        Quote::deserialize(data).map(Self::Updated)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use serde_json::json;

    use super::*;
    use crate::domain::aggregate::DecodeError;
    use crate::domain::testing::given;

    fn quote(usd: &str, seconds: i64) -> Quote {
        Quote {
            coin: "bitcoin".parse().unwrap(),
            usd: usd.parse().unwrap(),
            change24h: None,
            market_cap: None,
            updated_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds),
            source: "coingecko".to_owned(),
        }
    }

    fn updated(usd: &str, seconds: i64) -> PriceEvent {
        PriceEvent::Updated(quote(usd, seconds))
    }

    #[test]
    fn a_changed_price_is_an_event() {
        given::<PriceAggregate>(&[]).when(&quote("1", 0)).then(&[updated("1", 0)]);
        given::<PriceAggregate>(&[updated("1", 0)]).when(&quote("2", 1)).then(&[updated("2", 1)]);
    }

    #[test]
    fn the_same_price_later_is_no_event() {
        given::<PriceAggregate>(&[updated("1", 0)]).when(&quote("1.0", 9)).then(&[]);
    }

    #[test]
    fn an_older_quote_never_replaces_a_newer_one() {
        given::<PriceAggregate>(&[updated("1", 5)]).when(&quote("2", 4)).then(&[]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let data = json!({"coin": "bitcoin", "usd": "1", "updatedAt": "2026-01-01T00:00:00Z", "source": "x"});
        assert!(PriceEvent::decode("PriceUpdated", 1, &data).is_ok());
        assert!(matches!(PriceEvent::decode("PriceGone", 1, &data), Err(DecodeError::UnknownType { .. })));
        assert!(matches!(PriceEvent::decode("PriceUpdated", 2, &data), Err(DecodeError::NewerSchema { .. })));
        assert!(matches!(PriceEvent::decode("PriceUpdated", 0, &data), Err(DecodeError::NoUpcaster { .. })));
        assert!(matches!(PriceEvent::decode("PriceUpdated", 1, &json!({})), Err(DecodeError::Malformed { .. })));
    }
}
