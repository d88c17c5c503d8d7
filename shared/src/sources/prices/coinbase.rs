//! Coinbase's public market data: one request for all coins, prices as exact text. It speaks of symbols, so it knows
//! only the coins of the table below.

use std::collections::HashMap;

use reqwest::Url;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{PriceSource, breaker_options, plausible};
use crate::breaker;
use crate::domain::coin::Coin;
use crate::domain::money;
use crate::domain::price::Quote;
use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::sources::SourceError;
use crate::sources::http::{Get, HttpClient};

const NAME: &str = "coinbase";

/// Coins by their ids, and what trades for dollars on Coinbase.
const PRODUCTS: &[(&str, &str)] = &[
    ("aave", "AAVE-USD"),
    ("algorand", "ALGO-USD"),
    ("aptos", "APT-USD"),
    ("arbitrum", "ARB-USD"),
    ("avalanche-2", "AVAX-USD"),
    ("binancecoin", "BNB-USD"),
    ("bitcoin", "BTC-USD"),
    ("bitcoin-cash", "BCH-USD"),
    ("cardano", "ADA-USD"),
    ("chainlink", "LINK-USD"),
    ("cosmos", "ATOM-USD"),
    ("dai", "DAI-USD"),
    ("dogecoin", "DOGE-USD"),
    ("ethereum", "ETH-USD"),
    ("ethereum-classic", "ETC-USD"),
    ("filecoin", "FIL-USD"),
    ("hedera-hashgraph", "HBAR-USD"),
    ("internet-computer", "ICP-USD"),
    ("litecoin", "LTC-USD"),
    ("near", "NEAR-USD"),
    ("optimism", "OP-USD"),
    ("pepe", "PEPE-USD"),
    ("polkadot", "DOT-USD"),
    ("ripple", "XRP-USD"),
    ("shiba-inu", "SHIB-USD"),
    ("solana", "SOL-USD"),
    ("stellar", "XLM-USD"),
    ("sui", "SUI-USD"),
    ("tether", "USDT-USD"),
    ("uniswap", "UNI-USD"),
];

/// Coinbase's list of public products.
pub struct Coinbase {
    http: HttpClient,
    base: Url,
}

impl Coinbase {
    /// Coinbase at `base` (up to, without, `/api/v3`).
    pub fn new(http: HttpClient, base: Url) -> Self {
        Self { http, base }
    }

    /// How patient to be with it: the defaults.
    pub fn breaker_options() -> breaker::Options {
        breaker_options(NAME)
    }

    async fn ask(&self, asked: &HashMap<&'static str, &Coin>) -> Result<Vec<Quote>, SourceError> {
        let query: Vec<_> = asked.keys().map(|product| ("product_ids", *product)).collect();
        let path = "/api/v3/brokerage/market/products";
        let body = self.http.get(Get { service: NAME, base: &self.base, path, query: &query, key: None }).await?;
        read(&body, asked, self.http.now())
    }
}

/// The quotes of an answer, of those coins that were asked for.
pub(super) fn read(
    body: &[u8],
    asked: &HashMap<&'static str, &Coin>,
    now: Timestamp,
) -> Result<Vec<Quote>, SourceError> {
    let answer: Products = serde_json::from_slice(body).map_err(|error| SourceError::Malformed(error.to_string()))?;
    let quote = |product: Product| {
        let coin = *asked.get(product.id.as_str())?;
        let Some(usd) = money::exact(&product.price).filter(plausible) else {
            tracing::warn!(source = NAME, %coin, usd = super::excerpt(&product.price), "a price that cannot be is left out");
            return None;
        };
        let change24h = money::exact(&product.price_percentage_change_24h);
        Some(Quote {
            coin: coin.clone(),
            usd,
            change24h: change24h.map(|change| change.round_dp(10).normalize()),
            market_cap: None::<Decimal>,
            updated_at: now,
            source: NAME.to_owned(),
        })
    };
    Ok(answer.products.into_iter().filter_map(quote).collect())
}

impl PriceSource for Coinbase {
    fn name(&self) -> &'static str {
        NAME
    }

    fn quotes<'a>(&'a self, coins: &'a [Coin]) -> BoxFuture<'a, Result<Vec<Quote>, SourceError>> {
        Box::pin(async move {
            let product = |coin: &'a Coin| {
                let found = PRODUCTS.iter().find(|(id, _)| *id == coin.as_str())?;
                Some((found.1, coin))
            };
            let asked: HashMap<_, _> = coins.iter().filter_map(product).collect();
            // Without a product id, all of them would be listed.
            if asked.is_empty() { Ok(vec![]) } else { self.ask(&asked).await }
        })
    }
}

#[derive(Deserialize)]
struct Products {
    products: Vec<Product>,
}

/// A pair that trades, or is listed with empty numbers.
#[derive(Deserialize)]
struct Product {
    #[serde(rename = "product_id")]
    id: String,
    price: String,
    #[serde(default)]
    price_percentage_change_24h: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::http::HttpOptions;
    use crate::sources::http::fake::{Answer, Fake, client};

    fn coins(ids: &[&str]) -> Vec<Coin> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    async fn quotes(body: &str, ids: &[&str]) -> (Fake, Result<Vec<Quote>, SourceError>) {
        let fake = Fake::answering(Answer::ok(body)).await;
        let source = Coinbase::new(client(HttpOptions::default()), fake.url.clone());
        let quotes = source.quotes(&coins(ids)).await;
        (fake, quotes)
    }

    #[tokio::test]
    async fn one_request_brings_exact_prices() {
        let body = r#"{"num_products": 3, "products": [
            {"product_id": "BTC-USD", "price": "67187.33", "price_percentage_change_24h": "-1.5", "status": "online"},
            {"product_id": "PEPE-USD", "price": "0.00000712"},
            {"product_id": "ETH-USD", "price": "", "price_percentage_change_24h": ""},
            {"product_id": "SOL-USD", "price": "150"}]}"#;
        let (fake, quotes) = quotes(body, &["bitcoin", "pepe", "ethereum", "no-such-coin"]).await;
        let mut quotes = quotes.unwrap();
        quotes.sort_by(|one, other| one.coin.cmp(&other.coin));
        let seen: Vec<_> = quotes.iter().map(|quote| (quote.coin.as_str(), quote.usd.to_string())).collect();
        assert_eq!(seen, [("bitcoin", "67187.33".to_owned()), ("pepe", "0.00000712".to_owned())]);
        assert_eq!(quotes[0].change24h.unwrap().to_string(), "-1.5");
        assert_eq!((quotes[1].change24h, quotes[1].market_cap), (None, None));
        assert_eq!(fake.requests().len(), 1);
        assert_eq!(fake.requests()[0].matches("product_ids=").count(), 3);
    }

    #[tokio::test]
    async fn coins_without_a_product_are_not_asked_for() {
        let (fake, quotes) = quotes("{}", &["no-such-coin"]).await;
        assert!(quotes.unwrap().is_empty());
        assert!(fake.requests().is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_malformed() {
        let (_, quotes) = quotes(r#"{"error": "no"}"#, &["bitcoin"]).await;
        assert!(matches!(quotes, Err(SourceError::Malformed(_))));
    }

    #[test]
    fn the_table_is_ordered_and_names_coins() {
        assert!(PRODUCTS.is_sorted());
        assert!(PRODUCTS.iter().all(|(id, product)| id.parse::<Coin>().is_ok() && product.ends_with("-USD")));
    }
}
