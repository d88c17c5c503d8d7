//! Who may ask for what. Every guarded field of the schema is walked in the core crate; here, what a client sees.

use axum::http::StatusCode;
use chrono::Utc;
use serde_json::json;

use super::server::{SECRET, Server, sign, token};

const GUARDED: &str = "{ emotion { points } }";

#[tokio::test]
async fn a_guarded_field_needs_a_token_and_says_so_with_path_and_place() {
    let server = Server::start().await;
    let answer = server.anonymous(GUARDED).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
    let body = answer.json();
    assert_eq!(body["errors"][0]["path"], json!(["emotion"]));
    assert_eq!(body["errors"][0]["locations"], json!([{ "line": 1, "column": 3 }]));
    assert!(body.get("data").is_none(), "what never ran has no data");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn a_mutation_with_one_forbidden_part_does_nothing_at_all() {
    let server = Server::start().await;
    let query = "mutation { updateEmotion(feedback: 1) { points } addMemory(content: \"x\") { id } }";
    assert_eq!(server.anonymous(query).await.code(), "UNAUTHENTICATED");
    assert_eq!(server.user("ada", GUARDED).await.data()["emotion"]["points"], 0);
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_even_where_none_is_needed() {
    let server = Server::start().await;
    let now = Utc::now().timestamp();
    let valid = json!({ "sub": "ada", "role": "ADMIN", "exp": now + 3600 });
    let none = format!("{}.{}.", base64url(r#"{"alg":"none","typ":"JWT"}"#), base64url(&valid.to_string()));
    let hs512 = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS512),
        &valid,
        &jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()),
    )
    .unwrap();
    for (what, token) in [
        ("expired", sign(&json!({ "sub": "ada", "role": "USER", "exp": now - 3600 }), SECRET)),
        ("without an end", sign(&json!({ "sub": "ada", "role": "USER" }), SECRET)),
        ("not valid yet", sign(&json!({ "sub": "ada", "exp": now + 7200, "nbf": now + 3600 }), SECRET)),
        ("of another secret", sign(&valid, "another secret that nobody here knows")),
        ("unsigned", none),
        ("of another algorithm", hs512),
        ("without a subject", sign(&json!({ "exp": now + 3600 }), SECRET)),
        ("garbage", "abc.def.ghi".to_owned()),
        ("huge", "x".repeat(7_000)),
    ] {
        let answer = server.bearer(&token, "{ mcp { version } }").await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"), "{what}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
        assert!(!answer.text.contains(&token), "{what}: a token is not shown");
    }
}

#[tokio::test]
async fn a_subscription_is_no_way_around_a_guard() {
    let server = Server::start().await;
    let admin_only = "subscription { emotionChanges(userId: \"bob\") { points } }";
    assert_eq!(server.anonymous(admin_only).await.code(), "UNAUTHENTICATED");
    let answer = server.user("ada", admin_only).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "FORBIDDEN"));
    // An administrator may, but not over plain HTTP.
    let answer = server.bearer(&token("root", "ADMIN"), admin_only).await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_swap_quote_needs_a_token_and_without_chains_says_that_there_are_none() {
    let server = Server::start().await;
    let query = "{ defiSwapQuote(input: { chain: \"ethereum\", fromToken: \"WETH\", toToken: \"USDC\", amount: \"1000\" }) \
                 { amountOut } }";
    assert_eq!(server.anonymous(query).await.code(), "UNAUTHENTICATED");
    let answer = server.user("ada", query).await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
    let message = answer.json()["errors"][0]["message"].clone();
    assert_eq!(message, "unsupported chain \"ethereum\"; supported: there are none here");
}

fn base64url(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}
