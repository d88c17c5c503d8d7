//! The calls of a source that a hundred coins take, of which none is cached: in a hundred aliases of one request, and in a hundred
//! requests at once.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::future::join_all;
use mcp_core::app;
use mcp_core::platform::config::Vars;
use serde_json::{Value, json};
use support::budget::{Figure, Report};
use support::coingecko::CoinGecko;
use tower::ServiceExt;

const COINS: usize = 100;

pub(crate) async fn measure(report: &mut Report) {
    let field = |n: usize| format!("a{n}: cryptoPrices(coins: [\"coin-{n}\"]) {{ usd }}");
    let aliases = format!("{{ {} }}", (0..COINS).map(field).collect::<Vec<_>>().join(" "));
    let requests: Vec<_> = (0..COINS).map(|n| format!("{{ {} }}", field(n))).collect();
    report.figure("cached_prices/aliases", &Figure::alone(calls_for(&[aliases]).await));
    report.figure("cached_prices/concurrent", &Figure::alone(calls_for(&requests).await));
}

/// What a process that has just started asks of its source for these queries, which come at once.
async fn calls_for(queries: &[String]) -> f64 {
    let coingecko = CoinGecko::start().await;
    let url = coingecko.url();
    let vars = Vars::from_iter([
        ("DATABASE_URL", "sqlite::memory:"),
        ("PRICE_SOURCES", "coingecko"),
        ("COINGECKO_URL", url.as_str()),
        ("RATE_LIMITS", "off"),
        ("RUST_LOG", "warn"),
    ]);
    let router = app::local(&vars).await.expect("it starts").router;
    let answers = join_all(queries.iter().map(|query| ask(router.clone(), query))).await;
    let priced: usize = answers.iter().map(|answer| answer["data"].as_object().map_or(0, serde_json::Map::len)).sum();
    assert!(priced == COINS && answers.iter().all(|answer| answer.get("errors").is_none()), "{answers:?}");
    f64::from(u32::try_from(coingecko.calls().len()).expect("few"))
}

async fn ask(router: Router, query: &str) -> Value {
    let request = Request::post("/graphql").header("content-type", "application/json");
    let request = request.body(Body::from(json!({ "query": query }).to_string())).expect("a request");
    let response = router.oneshot(request).await.expect("a router does not fail");
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a whole body");
    serde_json::from_slice(&body).expect("JSON")
}
