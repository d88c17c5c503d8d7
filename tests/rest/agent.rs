//! The caller's agent: emotion, memories, context.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ask, bearer, get, next, post, post_with, send};
use crate::graphql::server::Server;

const UPDATE: &str = "mutation { updateEmotion(feedback: 30) \
    { userId emotion points version updatedAt modifiers { confidence verbosity delayMs } } }";

#[tokio::test]
async fn an_emotion_is_moved_and_read_as_in_graphql() {
    let server = Server::start().await;
    let moved = post(&server, "/v1/emotion", "ada", &json!({ "feedback": 60 })).await;
    assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
    assert_eq!(moved.json()["emotion"], "HAPPY");
    assert_eq!(get(&server, "/v1/emotion", Some("ada")).await.json(), moved.json());
    let query = "{ emotion { userId emotion points version updatedAt modifiers { confidence verbosity delayMs } } }";
    assert_eq!(server.user("ada", query).await.data()["emotion"], moved.json());
    assert_eq!(get(&server, "/v1/emotion", Some("bob")).await.json()["version"], 0);
}

#[tokio::test]
async fn one_key_is_one_use_over_both_faces() {
    let server = Server::start().await;
    let key = [("idempotency-key", "k1")];
    let body = json!({ "feedback": 30 });
    let first = post_with(&server, "/v1/emotion", "ada", &body, &key).await.json();
    post(&server, "/v1/emotion", "ada", &json!({ "feedback": -5 })).await;
    let again = post_with(&server, "/v1/emotion", "ada", &body, &key).await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, first.clone()));
    let bearer = bearer("ada");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    let over_graphql = server.post(json!({ "query": UPDATE }).to_string(), &headers).await.data();
    assert_eq!(over_graphql["updateEmotion"], first);
    assert_eq!(get(&server, "/v1/emotion", Some("ada")).await.json()["version"], 2);
    let other = post_with(&server, "/v1/emotion", "ada", &json!({ "feedback": 31 }), &key).await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"));
    // Another caller's key is another key.
    assert_eq!(post_with(&server, "/v1/emotion", "bob", &body, &key).await.json()["version"], 1);
    let none = post_with(&server, "/v1/emotion", "ada", &body, &[("idempotency-key", "")]).await;
    assert_eq!(none.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_memory_is_made_found_and_forgotten() {
    let server = Server::start().await;
    let made = post(&server, "/v1/memories", "ada", &json!({ "content": "prefers ETH" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let memory = made.json();
    let path = format!("/v1/memories/{}", memory["id"].as_str().unwrap());
    assert_eq!(made.header("location"), Some(path.as_str()));
    let found = get(&server, &path, Some("ada")).await;
    assert_eq!((found.status, found.json()), (StatusCode::OK, memory.clone()), "what was told at once is what is kept");
    let query = "{ memories { edges { node { id content createdAt } } } }";
    assert_eq!(server.user("ada", query).await.data()["memories"]["edges"], json!([{ "node": memory }]));

    let of_others = get(&server, &path, Some("bob")).await;
    assert_eq!((of_others.status, of_others.code().as_str()), (StatusCode::NOT_FOUND, "NOT_FOUND"));
    assert_eq!(ask(&server, Method::DELETE, &path, Some("bob")).await.status, StatusCode::NOT_FOUND);
    let bearer = bearer("ada");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "k1")];
    for _ in 0..2 {
        let gone = send(&server, Method::DELETE, &path, &headers, "").await;
        assert_eq!((gone.status, gone.text.as_str()), (StatusCode::NO_CONTENT, ""));
    }
    assert_eq!(ask(&server, Method::DELETE, &path, Some("ada")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&server, &path, Some("ada")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&server, "/v1/memories/nonsense", Some("ada")).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn the_link_leads_through_all_pages_and_ends() {
    let server = Server::start().await;
    for n in 0..5 {
        let content = format!("{} {n}", if n == 2 { "sold BTC" } else { "likes ETH" });
        post(&server, "/v1/memories", "ada", &json!({ "content": content })).await;
    }
    let (mut uri, mut pages) = (Some("/v1/memories?first=2&search=likes%20eth".to_owned()), 0);
    let mut contents: Vec<String> = vec![];
    while let Some(page) = uri {
        let answer = get(&server, &page, Some("ada")).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {answer:?}");
        let body = answer.json();
        let items = body["items"].as_array().unwrap();
        contents.extend(items.iter().map(|memory| memory["content"].as_str().unwrap().to_owned()));
        uri = next(&answer);
        assert_eq!(body["hasNextPage"], uri.is_some(), "{body}");
        pages += 1;
        assert!(pages < 5, "it ends");
    }
    assert_eq!(contents, ["likes ETH 4", "likes ETH 3", "likes ETH 1", "likes ETH 0"]);
    assert_eq!(pages, 2);
    for query in ["first=0", "first=101", "first=-1", "first=many", "after=garbage", "first=1&first=2"] {
        let answer = get(&server, &format!("/v1/memories?{query}"), Some("ada")).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "BAD_USER_INPUT"), "{query}");
    }
}

#[tokio::test]
async fn a_context_is_that_of_graphql() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("PRICE_COINS", "coin-1,coin-2")]).await;
    let query = "{ mcp { version timestamp tools { name title description inputSchema } \
        personas { name title instructions prompt } \
        market { coin usd change24h marketCap updatedAt source stale } \
        emotion { userId emotion points version updatedAt modifiers { confidence verbosity delayMs } } \
        memories { id content createdAt } } }";
    post(&server, "/v1/emotion", "ada", &json!({ "feedback": -60 })).await;
    post(&server, "/v1/memories", "ada", &json!({ "content": "prefers ETH" })).await;
    let without_time = |mut context: Value| {
        assert!(context.as_object_mut().unwrap().remove("timestamp").unwrap().is_string());
        context
    };
    let of_ada = get(&server, "/v1/context", Some("ada")).await;
    let over_graphql = server.user("ada", query).await.data()["mcp"].take();
    assert_eq!(without_time(of_ada.json()), without_time(over_graphql));
    assert_eq!(of_ada.header("cache-control"), Some("private, no-cache"));
    let of_nobody = get(&server, "/v1/context", None).await;
    assert_eq!((&of_nobody.json()["emotion"], &of_nobody.json()["memories"]), (&Value::Null, &Value::Null));
    assert_eq!(of_nobody.json()["market"].as_array().map(Vec::len), Some(2));
    assert_eq!(of_nobody.header("cache-control"), Some("public, max-age=300"));
    let one = get(&server, "/v1/context?tool=crypto_prices", None).await.json();
    assert_eq!(one["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(get(&server, "/v1/context?tool=none", None).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn what_is_the_callers_needs_a_token() {
    let server = Server::start().await;
    let id = "018f3f2e-0000-7000-8000-000000000000";
    for (method, uri) in [
        (Method::GET, "/v1/swap-quotes?chain=ethereum&fromToken=ETH&toToken=USDC&amount=1".to_owned()),
        (Method::GET, "/v1/emotion".to_owned()),
        (Method::POST, "/v1/emotion".to_owned()),
        (Method::GET, "/v1/memories".to_owned()),
        (Method::POST, "/v1/memories".to_owned()),
        (Method::GET, format!("/v1/memories/{id}")),
        (Method::DELETE, format!("/v1/memories/{id}")),
        (Method::POST, "/v1/chains/ethereum/transactions".to_owned()),
    ] {
        let answer = ask(&server, method.clone(), &uri, None).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {uri}: {answer:?}");
        assert_eq!(answer.code(), "UNAUTHENTICATED", "{method} {uri}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {uri}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{method} {uri}");
    }
    // One that is not valid is refused where none is needed, too.
    let answer = send(&server, Method::GET, "/v1/chains", &[("authorization", "Bearer not.a.token")], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
}
