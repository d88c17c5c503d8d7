use std::sync::Arc;

use super::*;
use crate::sources::http::HttpOptions;
use crate::sources::http::fake::{Answer, Fake, client};

fn coins(ids: &[&str]) -> Vec<Coin> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

async fn quotes(answer: Answer, ids: &[&str]) -> Result<Vec<Quote>, SourceError> {
    let fake = Fake::answering(answer).await;
    let mut quotes = CoinGecko::new(client(HttpOptions::default()), fake.url.clone(), None).quotes(&coins(ids)).await?;
    quotes.sort_by(|one, other| one.coin.cmp(&other.coin));
    Ok(quotes)
}

#[tokio::test]
async fn decimals_are_read_as_they_are_written() {
    let body = r#"{
        "bitcoin": {"usd": 67187.33589365664, "usd_market_cap": 1.3178029883262516e12,
                    "usd_24h_change": 3.637278946773539, "last_updated_at": 1711356300},
        "shiba-inu": {"usd": 1.2e-7, "usd_market_cap": 0, "usd_24h_change": null, "last_updated_at": 1711356300}
    }"#;
    let quotes = quotes(Answer::ok(body), &["bitcoin", "shiba-inu"]).await.unwrap();
    assert_eq!(quotes[0].usd.to_string(), "67187.33589365664");
    assert_eq!(quotes[0].market_cap.unwrap().to_string(), "1317802988326.2516");
    assert_eq!(quotes[0].change24h.unwrap().to_string(), "3.6372789468");
    assert_eq!(quotes[0].updated_at.timestamp(), 1_711_356_300);
    assert_eq!(quotes[1].usd.to_string(), "0.00000012");
    assert_eq!((quotes[1].change24h, quotes[1].market_cap), (None, None));
}

#[tokio::test]
async fn a_coin_without_a_possible_price_is_left_out() {
    let body = r#"{"a": {}, "b": {"usd": null}, "c": {"usd": 0}, "d": {"usd": -1}, "e": {"usd": 1e30},
        "f": {"usd": "much"}, "g": {"usd": 5}, "unasked": {"usd": 5}, "not a coin": {"usd": 5}}"#;
    let quotes = quotes(Answer::ok(body), &["a", "b", "c", "d", "e", "f", "g", "h"]).await.unwrap();
    let known: Vec<_> = quotes.iter().map(|quote| quote.coin.as_str()).collect();
    assert_eq!(known, ["g"]);
}

#[tokio::test]
async fn a_time_to_come_is_now() {
    let body = r#"{"a": {"usd": 1, "last_updated_at": 9999999999}, "b": {"usd": 1, "last_updated_at": "soon"}}"#;
    for quote in quotes(Answer::ok(body), &["a", "b"]).await.unwrap() {
        assert!(quote.updated_at <= chrono::Utc::now());
    }
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_again() {
    let answer = Answer::status("429 Too Many Requests", "retry-after: 17\r\n");
    let error = quotes(answer, &["bitcoin"]).await.unwrap_err();
    assert!(matches!(error, SourceError::RateLimited { retry_after: Some(wait) } if wait.as_secs() == 17), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_malformed() {
    for body in ["<html>", "[]", "{\"bitcoin\": 5}", ""] {
        let error = quotes(Answer::ok(body), &["bitcoin"]).await.unwrap_err();
        assert!(matches!(error, SourceError::Malformed(_)), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn the_key_goes_into_the_header_of_its_plan() {
    let fake = Fake::answering(Answer::ok("{}")).await;
    let demo = CoinGecko::new(client(HttpOptions::default()), fake.url.clone(), Some(Secret::new("hunter2")));
    assert!(demo.quotes(&coins(&["bitcoin"])).await.unwrap().is_empty());
    let request = fake.requests().remove(0);
    assert!(request.starts_with("GET /api/simple/price?ids=bitcoin&vs_currencies=usd&"), "{request}");
    assert!(request.contains("x-cg-demo-api-key: hunter2"), "{request}");
    let pro: Url = "https://pro-api.coingecko.com/api/v3".parse().unwrap();
    let pro = CoinGecko::new(client(HttpOptions::default()), pro, Some(Secret::new("hunter2")));
    assert_eq!(pro.key.as_ref().map(|(header, _)| *header), Some("x-cg-pro-api-key"));
}

#[tokio::test]
async fn many_coins_are_asked_in_several_requests() {
    let fake = Arc::new(Fake::answering(Answer::ok("{}")).await);
    let source = CoinGecko::new(client(HttpOptions::default()), fake.url.clone(), None);
    let many: Vec<_> = (0..251).map(|number| format!("c{number}").parse().unwrap()).collect();
    source.quotes(&many).await.unwrap();
    assert_eq!(fake.requests().len(), 2);
    let long: Vec<Coin> = (0..250).map(|number| format!("{number:064}").parse().unwrap()).collect();
    assert_eq!(lists(&long).iter().map(|list| list.split(',').count()).sum::<usize>(), 250);
    assert!(lists(&long).iter().all(|list| list.len() <= MAX_LIST));
}
