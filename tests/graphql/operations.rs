//! What an operator sees: `/healthz`, its verbose form, `/metrics`; and what callers see of an upstream that is down.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::server::{Answer, Server, token};

async fn get(server: &Server, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(token) = authorization {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

/// Its answers are failures from now on; enough are asked for that its circuit opens.
async fn open_the_circuit(server: &Server) -> Answer {
    server.coingecko.fail(Some(503));
    for _ in 0..6 {
        server.anonymous("{ cryptoPrices(coins: [\"bitcoin\"]) { usd } }").await;
    }
    server.anonymous("{ cryptoPrices(coins: [\"bitcoin\"]) { usd } }").await
}

#[tokio::test]
async fn a_source_whose_circuit_is_open_is_unavailable_with_a_time_to_come_again() {
    let server = Server::start().await;
    let answer = open_the_circuit(&server).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let extensions = &answer.json()["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["service"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!("coingecko")));
    let seconds = extensions["retryAfterSeconds"].as_u64().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(answer.headers["retry-after"], seconds.to_string());
}

#[tokio::test]
async fn the_state_of_circuits_is_for_an_admin_alone() {
    let server = Server::start().await;
    open_the_circuit(&server).await;
    let (user, admin) = (token("ada", "USER"), token("root", "ADMIN"));
    for (authorization, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some(user.as_str()), StatusCode::FORBIDDEN),
        (Some("nonsense"), StatusCode::UNAUTHORIZED),
    ] {
        let answer = get(&server, "/healthz?verbose", authorization).await;
        assert_eq!(answer.status, status);
        assert!(!answer.text.contains("coingecko"), "{}", answer.text);
    }
    let plain = get(&server, "/healthz", Some(&admin)).await.json();
    assert!(plain["circuits"].is_null() && plain["status"] == "ok", "{plain}");
    let verbose = get(&server, "/healthz?verbose", Some(&admin)).await;
    assert_eq!(verbose.status, StatusCode::OK);
    let health = verbose.json();
    let circuits: Vec<&Value> = health["circuits"].as_array().unwrap().iter().collect();
    let coingecko = circuits.iter().find(|circuit| circuit["service"] == "coingecko").unwrap();
    assert_eq!(coingecko["state"], "open", "{health}");
    assert!(coingecko["failures"].as_u64() >= Some(5) && coingecko["rejections"].as_u64() >= Some(1), "{health}");
}

#[tokio::test]
async fn metrics_tell_of_the_cache_and_the_circuits() {
    let server = Server::start().await;
    for n in 0..3 {
        // Each another question: an answer that is kept asks for no price.
        server.anonymous(&format!("{{ a{n}: cryptoPrices(coins: [\"bitcoin\"]) {{ usd }} }}")).await;
    }
    assert_eq!(get(&server, "/metrics", None).await.status, StatusCode::UNAUTHORIZED, "but for this machine itself");
    let text = get(&server, "/metrics", Some(&token("root", "ADMIN"))).await.text;
    for line in [
        "mcp_cache_hit_total{tier=\"memory\"} 2",
        "mcp_cache_refresh_total 1",
        "mcp_circuit_breaker_open{service=\"coingecko\",group=\"prices\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
}
