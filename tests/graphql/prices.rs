//! Prices: order, all or nothing, one upstream call, and what is served when the source is down.

use futures_util::future::join_all;
use serde_json::json;

use super::server::Server;

#[tokio::test]
async fn prices_come_in_the_order_asked_and_twice_if_asked_twice() {
    let server = Server::start().await;
    let answer =
        server.anonymous(r#"{ cryptoPrices(coins: ["ethereum", "Bitcoin", "ethereum"]) { coin usd source stale } }"#);
    let eth = json!({ "coin": "ethereum", "usd": "3500.25", "source": "coingecko", "stale": false });
    let btc = json!({ "coin": "bitcoin", "usd": "65000.5", "source": "coingecko", "stale": false });
    assert_eq!(answer.await.data()["cryptoPrices"], json!([eth, btc, eth]));
}

#[tokio::test]
async fn a_price_keeps_every_digit_of_the_source() {
    let server = Server::start().await;
    server.coingecko.quote("coin-1", "0.00000001234567890123");
    server.coingecko.quote("coin-2", "1.2e-7");
    let answer = server.anonymous(r#"{ cryptoPrices(coins: ["coin-1", "coin-2"]) { usd } }"#).await;
    let data = answer.data();
    assert_eq!(data["cryptoPrices"], json!([{ "usd": "0.00000001234567890123" }, { "usd": "0.00000012" }]));
}

#[tokio::test]
async fn one_unknown_coin_fails_all_and_is_named() {
    let server = Server::start().await;
    let answer = server.anonymous(r#"{ cryptoPrices(coins: ["bitcoin", "no-such-coin"]) { usd } }"#).await;
    assert_eq!(answer.code(), "NOT_FOUND");
    let error = &answer.json()["errors"][0];
    assert_eq!(error["extensions"]["coins"], json!(["no-such-coin"]));
    assert_eq!(error["path"], json!(["cryptoPrices"]));
    assert!(error["locations"][0]["line"].is_number());
}

#[tokio::test]
async fn price_results_tell_each_coin_apart() {
    let server = Server::start().await;
    let query = r#"{ priceResults(coins: ["bitcoin", "no-such-coin", "not a coin"]) {
        ... on Price { coin usd } ... on PriceError { coin code } } }"#;
    let expected = json!([
        { "coin": "bitcoin", "usd": "65000.5" },
        { "coin": "no-such-coin", "code": "NOT_FOUND" },
        { "coin": "not a coin", "code": "BAD_USER_INPUT" },
    ]);
    assert_eq!(server.anonymous(query).await.data()["priceResults"], expected);
    let none = r#"{ priceResults(coins: ["a b"]) { ... on PriceError { code } } }"#;
    assert_eq!(server.anonymous(none).await.data()["priceResults"], json!([{ "code": "BAD_USER_INPUT" }]));
}

#[tokio::test]
async fn a_hundred_aliases_make_one_upstream_call() {
    let server = Server::start().await;
    let aliases: String = (0..100).map(|n| format!("a{n}: cryptoPrices(coins: [\"coin-{n}\"]) {{ usd }} ")).collect();
    let data = server.anonymous(&format!("{{ {aliases} }}")).await.data();
    assert_eq!(data.as_object().map(serde_json::Map::len), Some(100));
    assert_eq!(server.coingecko.calls().len(), 1, "{:?}", server.coingecko.calls());
}

#[tokio::test]
async fn fields_may_ask_for_more_coins_together_than_one_may() {
    let server = Server::start().await;
    let coins = |from: usize| (from..from + 200).map(|n| format!("\"coin-{}\"", n % 100)).collect::<Vec<_>>().join(",");
    let strange: Vec<_> = (0..200).map(|n| format!("\"strange-{n}\"")).collect();
    let query = format!(
        "{{ a: cryptoPrices(coins: [{}]) {{ usd }} b: priceResults(coins: [{}]) {{ __typename }} }}",
        coins(0),
        strange.join(",")
    );
    let data = server.anonymous(&query).await.data();
    assert_eq!((data["a"].as_array().unwrap().len(), data["b"].as_array().unwrap().len()), (200, 200));
}

#[tokio::test]
async fn a_market_that_is_stale_or_missing_is_not_kept_by_a_cache() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("PRICE_COINS", "coin-1,coin-2")]).await;
    server.coingecko.fail(Some(500));
    let answer = server.anonymous("{ mcp { market { usd } } }").await;
    assert_eq!(answer.data()["mcp"]["market"], json!([]));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_hundred_concurrent_requests_make_one_upstream_call() {
    let server = Server::start().await;
    let ask = |n| {
        let server = &server;
        async move { server.anonymous(&format!("{{ cryptoPrices(coins: [\"coin-{n}\"]) {{ usd }} }}")).await.data() }
    };
    join_all((0..100).map(ask)).await;
    assert_eq!(server.coingecko.calls().len(), 1, "{:?}", server.coingecko.calls());
}

#[tokio::test]
async fn a_cached_price_is_served_while_the_source_is_down() {
    let server = Server::start().await;
    let query = r#"{ cryptoPrices(coins: ["bitcoin"]) { usd } }"#;
    let before = server.anonymous(query).await.data();
    server.coingecko.fail(Some(500));
    assert_eq!(server.anonymous(query).await.data(), before);
}

#[tokio::test]
async fn without_any_value_the_source_is_named_unavailable() {
    let server = Server::start().await;
    server.coingecko.fail(Some(429));
    let answer = server.anonymous(r#"{ cryptoPrices(coins: ["bitcoin"]) { usd } }"#).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "UPSTREAM_UNAVAILABLE"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.json()["errors"][0]["extensions"]["service"], "coingecko");
    assert!(answer.json()["errors"][0]["extensions"]["retryAfterSeconds"].is_u64(), "{answer:?}");
}

#[tokio::test]
async fn a_context_shows_tools_personas_and_what_is_the_callers() {
    let server = Server::start().await;
    let query = "{ mcp { version tools { name inputSchema } personas { name } emotion { points } memories { id } } }";
    let anonymous = server.anonymous(query).await.data();
    assert!(anonymous["mcp"]["tools"].as_array().is_some_and(|tools| tools.len() > 5));
    assert_eq!(anonymous["mcp"]["emotion"], json!(null));
    let user = server.user("ada", query).await.data();
    assert_eq!(user["mcp"]["emotion"], json!({ "points": 0 }));
    server.user("ada", "mutation { updateEmotion(feedback: -50) { emotion } }").await.data();
    let prompts = server.user("ada", "{ mcp { personas { prompt } } }").await;
    assert!(prompts.text.contains("60 % as sure"), "scared as ada is: {prompts:?}");
    let one = server.anonymous("{ mcp(tool: \"crypto_prices\") { tools { name } } }").await.data();
    assert_eq!(one["mcp"]["tools"], json!([{ "name": "crypto_prices" }]));
    assert_eq!(server.anonymous("{ mcp(tool: \"none\") { version } }").await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn only_the_public_part_of_a_context_may_be_kept_by_a_cache() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("PRICE_COINS", "coin-1,coin-2")]).await;
    let public = server.anonymous("{ mcp { version } }").await;
    assert_eq!(public.header("cache-control"), Some("public, max-age=300"));
    let user = server.user("ada", "{ mcp { version } }").await;
    assert_eq!(user.header("cache-control"), Some("private, max-age=300"));
    let private = server.user("ada", "{ mcp { version emotion { points } } }").await;
    assert_eq!(private.header("cache-control"), Some("no-store"));
    let failed = server.anonymous("{ mcp(tool: \"none\") { version } }").await;
    assert_eq!(failed.header("cache-control"), Some("no-store"));
}
