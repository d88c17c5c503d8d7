//! Answers that are kept, what operations cost, and the list of the only ones that may run.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use mcp_core::app;
use mcp_core::platform::config::Vars;
use serde_json::{Value, json};
use support::folder::Folder;

use super::server::{GRAPHQL, SECRET, Server, token};

/// A server whose market is whole: what lacks something is not kept.
async fn start(more: &[(&str, &str)]) -> Server {
    Server::start_with(&[&[("PRICE_COINS", "coin-1,coin-2")], more].concat()).await
}

const UNLIMITED: (&str, &str) = ("RATE_LIMITS", "off");
const CONTEXT: &str = "{ mcp { version timestamp tools { name } personas { name instructions } } }";

#[tokio::test]
async fn a_public_answer_is_given_again_with_its_age() {
    let server = start(&[UNLIMITED]).await;
    let first = server.anonymous(CONTEXT).await;
    assert_eq!((first.header("age"), first.header("cache-control")), (None, Some("public, max-age=300")));
    let again = server.anonymous(CONTEXT).await;
    assert_eq!(again.text, first.text, "the timestamp too");
    assert!(again.header("age").is_some_and(|age| age.parse::<u64>().is_ok()), "{again:?}");
    assert_eq!(again.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    // A caller with a token is told the same, and to keep it to themselves.
    let user = server.user("ada", CONTEXT).await;
    assert_eq!((&user.text, user.header("cache-control")), (&first.text, Some("private, max-age=300")));
    assert!(user.header("age").is_some());
    let other = server.anonymous("{ mcp { timestamp } }").await;
    assert_eq!(other.header("age"), None, "another question");
}

#[tokio::test]
async fn what_tells_of_the_caller_is_never_given_to_anybody_else() {
    let server = start(&[UNLIMITED]).await;
    server.user("ada", "mutation { updateEmotion(feedback: 30) { points } }").await.data();
    for query in ["{ mcp { version emotion { points } } }", "{ mcp { personas { prompt } } }", "{ emotion { points } }"]
    {
        let of_ada = server.user("ada", query).await;
        let of_bob = server.user("bob", query).await;
        assert_ne!(of_ada.data(), of_bob.data(), "{query}");
        for answer in [of_ada, of_bob, server.user("ada", query).await] {
            assert_eq!((answer.header("age"), answer.header("cache-control")), (None, Some("no-store")), "{query}");
        }
    }
    assert_eq!(server.anonymous("{ mcp { emotion { points } } }").await.data()["mcp"]["emotion"], Value::Null);
}

#[tokio::test]
async fn no_answer_with_an_error_or_a_stale_price_is_kept() {
    let server = start(&[UNLIMITED]).await;
    server.coingecko.fail(Some(500));
    for query in ["{ mcp(tool: \"none\") { version } }", "{ mcp { market { usd } } }", PRICES] {
        for _ in 0..2 {
            assert_eq!(server.anonymous(query).await.header("age"), None, "{query}");
        }
    }
}

const PRICES: &str = r#"{ cryptoPrices(coins: ["bitcoin"]) { usd } }"#;

#[tokio::test]
async fn what_was_kept_counts_against_the_limits_all_the_same() {
    let server = start(&[]).await;
    for _ in 0..100 {
        assert_eq!(server.anonymous(CONTEXT).await.status, StatusCode::OK);
    }
    assert_eq!(server.anonymous(CONTEXT).await.code(), "RATE_LIMITED");
}

#[tokio::test]
async fn answers_are_kept_for_batches_and_gets_too_and_need_not_be() {
    let server = start(&[UNLIMITED]).await;
    let first = server.anonymous(CONTEXT).await;
    let batch = json!([{ "query": CONTEXT }, { "query": "{ __typename }" }, { "query": "{" }]).to_string();
    let answers = server.post(batch, &[]).await.json();
    assert_eq!((&answers[0], &answers[1]), (&first.json(), &json!({ "data": { "__typename": "Query" } })));
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let get = Request::get("/graphql?query=%7B%20mcp%20%7B%20timestamp%20%7D%20%7D").header("accept", GRAPHQL);
    let get = server.send(get.body(Body::empty()).unwrap()).await;
    assert_eq!(server.anonymous("{ mcp { timestamp } }").await.text, get.text);

    let without = start(&[UNLIMITED, ("GRAPHQL_RESPONSE_CACHE", "off")]).await;
    for _ in 0..2 {
        assert_eq!(without.anonymous(CONTEXT).await.header("age"), None);
    }
}

#[tokio::test]
async fn every_answer_says_what_it_cost_and_what_it_may() {
    let server = start(&[UNLIMITED, ("GRAPHQL_MAX_COST", "6")]).await;
    let answer = server.anonymous("{ cryptoPrices(coins: [\"bitcoin\", \"ethereum\"]) { usd coin } }").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!((answer.header("graphql-cost"), answer.header("graphql-cost-limit")), (Some("5"), Some("6")));
    let dear = server.anonymous("{ cryptoPrices(coins: [\"bitcoin\", \"ethereum\"]) { usd coin stale } }").await;
    assert_eq!((dear.code().as_str(), dear.header("graphql-cost")), ("QUERY_TOO_COMPLEX", None));
    let batch = json!([{ "query": "{ __typename }" }, { "query": "{ mcp { version } }" }]).to_string();
    assert_eq!(server.post(batch, &[]).await.header("graphql-cost"), Some("3"), "of a batch, all together");
}

#[tokio::test]
async fn who_asks_for_which_field_is_told_to_prometheus() {
    let server = start(&[UNLIMITED]).await;
    for _ in 0..2 {
        server.anonymous("{ mcp { version } }").await.data();
    }
    server.anonymous("{ emotion { points } }").await;
    let root = format!("Bearer {}", token("root", "ADMIN"));
    let metrics = Request::get("/metrics").header("authorization", root).body(Body::empty()).unwrap();
    let metrics = server.send(metrics).await.text;
    for line in [
        "mcp_graphql_field_total{field=\"MCPContext.version\"} 2",
        "mcp_graphql_operation_total{type=\"query\",outcome=\"ok\"} 1",
        "mcp_graphql_operation_total{type=\"query\",outcome=\"cached\"} 1",
        "mcp_graphql_operation_total{type=\"unknown\",outcome=\"refused\"} 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
    }
}

const LISTED: &str = "query Version { mcp { version } }";

/// A server that runs `LISTED` alone, as `abc`.
async fn with_list(folder: &Folder) -> Server {
    let manifest = json!({
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{ "id": "abc", "name": "Version", "type": "query", "body": LISTED }],
    });
    let path = folder.path().join("manifest.json");
    std::fs::write(&path, manifest.to_string()).unwrap();
    start(&[UNLIMITED, ("GRAPHQL_SAFELIST", path.to_str().unwrap())]).await
}

#[tokio::test]
async fn where_there_is_a_list_nothing_else_runs() {
    let folder = Folder::new("safelist");
    let server = with_list(&folder).await;
    let post = async |body: Value| server.post(body.to_string(), &[("accept", GRAPHQL)]).await;
    let persisted = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    for body in [
        json!({ "query": LISTED }),
        json!({ "documentId": "abc" }),
        json!({ "extensions": persisted("abc"), "operationName": "Version" }),
    ] {
        assert!(post(body).await.data()["mcp"]["version"].is_string());
    }
    let other = "{ __typename }";
    // SHA-256 of that: nobody can register it.
    let hash = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
    for body in [
        json!({ "query": other }),
        json!({ "query": other, "extensions": persisted(hash) }),
        json!({ "extensions": persisted(hash) }),
        json!({ "documentId": "def" }),
        json!({ "query": "{ _service { sdl } }" }),
    ] {
        let refused = post(body).await;
        let code = refused.code();
        assert_eq!((refused.status, code.as_str()), (StatusCode::FORBIDDEN, "PERSISTED_QUERY_NOT_IN_LIST"));
    }
    let get = Request::get("/graphql?documentId=abc").header("accept", GRAPHQL).body(Body::empty()).unwrap();
    assert!(server.send(get).await.data()["mcp"]["version"].is_string());
}

/// What carries subscriptions obeys the same list: events here, as it goes the way of the sockets.
#[tokio::test]
async fn a_subscription_obeys_the_list_too() {
    let folder = Folder::new("safelist");
    let server = with_list(&folder).await;
    let events = [("accept", "text/event-stream")];
    for body in [
        json!({ "query": "subscription { priceUpdates(coins: [\"bitcoin\"]) { usd } }" }),
        json!({ "query": "{ __typename }" }),
        json!({ "documentId": "def" }),
    ] {
        let refused = server.post(body.to_string(), &events).await;
        assert!(refused.text.contains("PERSISTED_QUERY_NOT_IN_LIST"), "{refused:?}");
    }
    for body in [json!({ "documentId": "abc" }), json!({ "query": LISTED })] {
        let told = server.post(body.to_string(), &events).await;
        assert!(told.text.contains("\"version\""), "{told:?}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_stops_the_start_and_is_named() {
    let folder = Folder::new("safelist");
    let path = folder.path().join("manifest.json");
    std::fs::write(&path, "{}").unwrap();
    for path in [path.to_str().unwrap(), "no/such/file.json"] {
        let vars = [("DATABASE_URL", "sqlite::memory:"), ("JWT_SECRET", SECRET), ("GRAPHQL_SAFELIST", path)];
        let problem = app::local(&Vars::from_iter(vars)).await.err().expect("it does not start").to_string();
        assert!(problem.contains("GRAPHQL_SAFELIST") && problem.contains(path), "{problem}");
    }
}
