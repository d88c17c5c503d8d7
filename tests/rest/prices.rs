//! Prices and their history, and swap quotes.

use axum::http::StatusCode;
use chrono::SecondsFormat;
use mcp_core::domain::price::{PriceEvent, Quote};
use mcp_core::domain::{NewEvent, StreamId};
use mcp_core::store::Expected::Any;
use serde_json::{Value, json};

use super::{get, next};
use crate::contracts::Fixture;
use crate::contracts::build::{append_and_project, at, part, together};
use crate::graphql::server::Server;

const FIELDS: &str = "coin usd change24h marketCap updatedAt source stale";

#[tokio::test]
async fn prices_are_those_of_graphql_in_the_order_asked() {
    let server = Server::start().await;
    let answer = get(&server, "/v1/prices?coins=ethereum,Bitcoin&coins=ethereum", None).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, Some("application/json")));
    let query = format!("{{ cryptoPrices(coins: [\"ethereum\", \"bitcoin\", \"ethereum\"]) {{ {FIELDS} }} }}");
    assert_eq!(answer.json(), json!({ "items": server.anonymous(&query).await.data()["cryptoPrices"] }));
    assert_eq!(answer.json()["items"][1]["usd"], "65000.5");
    assert_eq!(server.coingecko.calls().len(), 1, "both faces share one cache");
}

#[tokio::test]
async fn one_unknown_coin_fails_all_and_each_outcome_can_be_asked_for() {
    let server = Server::start().await;
    let failed = get(&server, "/v1/prices?coins=bitcoin,no-such-coin", None).await;
    assert_eq!(
        (failed.status, failed.header("content-type")),
        (StatusCode::NOT_FOUND, Some("application/problem+json"))
    );
    let problem = failed.json();
    assert_eq!((&problem["code"], &problem["coins"]), (&json!("NOT_FOUND"), &json!(["no-such-coin"])), "{problem}");
    assert_eq!((&problem["status"], &problem["title"]), (&json!(404), &json!("Not Found")));
    let each = get(&server, "/v1/price-results?coins=bitcoin,no-such-coin,not%20a%20coin", None).await.json();
    let items = each["items"].as_array().unwrap();
    let coins: Vec<_> = items.iter().map(|item| &item["coin"]).collect();
    assert_eq!(coins, ["bitcoin", "no-such-coin", "not a coin"]);
    assert_eq!((&items[0]["price"]["usd"], &items[0]["error"]), (&json!("65000.5"), &Value::Null), "{each}");
    for (item, code) in [(&items[1], "NOT_FOUND"), (&items[2], "BAD_USER_INPUT")] {
        assert_eq!((&item["price"], &item["error"]["code"]), (&Value::Null, &json!(code)), "{each}");
    }
}

#[tokio::test]
async fn a_source_that_is_down_is_named_and_says_when_to_come_again() {
    let server = Server::start().await;
    server.coingecko.fail(Some(429));
    let answer = get(&server, "/v1/prices?coins=bitcoin", None).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "UPSTREAM_UNAVAILABLE"));
    assert_eq!(answer.json()["service"], "coingecko");
    let seconds = answer.json()["retryAfterSeconds"].as_u64().unwrap().to_string();
    assert_eq!(answer.header("retry-after"), Some(seconds.as_str()));
}

/// A server on a database in which bitcoin was 1, 2, .. 5 dollars, a second apart.
async fn with_history() -> (Server, Fixture) {
    let fixture = Fixture::sqlite().await;
    let quoted = |usd: i64| {
        let coin = "bitcoin".parse().unwrap();
        let quote =
            Quote { coin, usd: usd.into(), change24h: None, market_cap: None, updated_at: at(usd), source: "s".into() };
        NewEvent::from_domain(&PriceEvent::Updated(quote)).unwrap()
    };
    let events = (1..=5).map(quoted).collect();
    let append = together(vec![part(&StreamId::of("price", "bitcoin"), Any, events)]);
    append_and_project(fixture.store.as_ref(), &append).await;
    let url = format!("sqlite:{}", fixture.database.address());
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("DATABASE_URL", url.as_str())]).await;
    (server, fixture)
}

fn dollars(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|point| point["usd"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_history_is_read_page_by_page_and_between_two_times() {
    let (server, _fixture) = with_history().await;
    let (mut uri, mut pages) = (Some("/v1/prices/bitcoin/history?first=2".to_owned()), vec![]);
    while let Some(page) = uri {
        let answer = get(&server, &page, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {answer:?}");
        uri = next(&answer);
        assert_eq!(answer.json()["hasNextPage"], uri.is_some());
        pages.push(answer.json());
        assert!(pages.len() < 5, "it ends");
    }
    assert_eq!(pages.iter().map(dollars).collect::<Vec<_>>(), [vec!["5", "4"], vec!["3", "2"], vec!["1"]]);
    let query = "{ priceHistory(coin: \"bitcoin\", first: 2) { edges { node { usd at source } } pageInfo { hasNextPage endCursor } } }";
    let page = server.anonymous(query).await.data()["priceHistory"].take();
    let nodes: Vec<_> = page["edges"].as_array().unwrap().iter().map(|edge| &edge["node"]).collect();
    let info = &page["pageInfo"];
    let same = json!({ "items": nodes, "hasNextPage": info["hasNextPage"], "endCursor": info["endCursor"] });
    assert_eq!(pages[0], same);
    let time = |seconds| at(seconds).to_rfc3339_opts(SecondsFormat::Secs, true);
    let between = format!("/v1/prices/bitcoin/history?from={}&to={}", time(2), time(4));
    assert_eq!(dollars(&get(&server, &between, None).await.json()), ["3", "2"]);
    for query in [format!("from={}&to={}", time(4), time(2)), "from=yesterday".into(), "first=1001".into()] {
        let answer = get(&server, &format!("/v1/prices/bitcoin/history?{query}"), None).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{query}");
    }
}

#[tokio::test]
async fn a_swap_that_cannot_be_quoted_is_refused_as_in_graphql() {
    let server = Server::start().await;
    let uri = "/v1/swap-quotes?chain=ethereum&fromToken=WETH&toToken=USDC&amount=1000";
    let answer = get(&server, uri, Some("ada")).await;
    let query = "{ defiSwapQuote(input: { chain: \"ethereum\", fromToken: \"WETH\", toToken: \"USDC\", amount: \"1000\" }) \
                 { amountOut } }";
    let over_graphql = server.user("ada", query).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, over_graphql.code()));
    assert_eq!(answer.json()["detail"], over_graphql.json()["errors"][0]["message"]);
    let missing = get(&server, "/v1/swap-quotes?chain=ethereum", Some("ada")).await;
    assert_eq!(missing.code(), "BAD_USER_INPUT");
    assert!(missing.json()["detail"].as_str().unwrap().contains("fromToken"), "{missing:?}");
}
