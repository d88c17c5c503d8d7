//! Tools: what GraphQL shows of them, and what REST says.

use serde_json::{Value, json};

use super::{ask, call, failed, result, tools};
use crate::graphql::server::Server;
use crate::rest::{get, post};

#[tokio::test]
async fn the_list_is_that_of_graphql() {
    let server = Server::start().await;
    let query = "{ mcp { tools { name title description inputSchema } } }";
    let wanted = server.anonymous(query).await.data()["mcp"]["tools"].take();
    let listed = result(&server, None, "tools/list", json!({})).await;
    let tools = listed["tools"].as_array().unwrap();
    let shown = tools.iter().map(|tool| {
        let member = |name: &str| tool[name].clone();
        json!({ "name": member("name"), "title": member("title"), "description": member("description"),
            "inputSchema": member("inputSchema") })
    });
    assert_eq!(shown.collect::<Value>(), wanted);
    assert!(tools.len() >= 13, "{listed}");
    for tool in tools {
        assert_eq!((&tool["inputSchema"]["type"], &tool["outputSchema"]["type"]), (&json!("object"), &json!("object")));
        let name = tool["name"].as_str().unwrap();
        let writes = ["update_emotion", "add_memory", "delete_memory", "send_transaction"].contains(&name);
        assert_eq!(tool["annotations"]["readOnlyHint"], !writes, "{tool}");
    }
}

#[tokio::test]
async fn a_tool_says_what_rest_says() {
    let server = Server::start().await;
    let (ada, nobody) = (Some("ada"), None);
    let prices = call(&server, nobody, "crypto_prices", json!({ "coins": ["ethereum", "bitcoin"] })).await;
    assert_eq!(prices, get(&server, "/v1/prices?coins=ethereum,bitcoin", nobody).await.json());
    let history = call(&server, nobody, "price_history", json!({ "coin": "bitcoin", "first": 2 })).await;
    assert_eq!(history, get(&server, "/v1/prices/bitcoin/history?first=2", nobody).await.json());
    assert_eq!(call(&server, nobody, "chains", json!({})).await, get(&server, "/v1/chains", nobody).await.json());

    let moved = call(&server, ada, "update_emotion", json!({ "feedback": 60 })).await;
    assert_eq!(moved, get(&server, "/v1/emotion", ada).await.json());
    assert_eq!(moved, call(&server, ada, "emotion", json!({})).await);
    let memory = call(&server, ada, "add_memory", json!({ "content": "prefers ETH" })).await;
    let id = memory["id"].as_str().unwrap();
    let path = format!("/v1/memories/{id}");
    assert_eq!(memory, get(&server, &path, ada).await.json());
    post(&server, "/v1/memories", "ada", &json!({ "content": "sold BTC" })).await;
    let page = call(&server, ada, "memories", json!({ "first": 1 })).await;
    assert_eq!(page, get(&server, "/v1/memories?first=1", ada).await.json());
    assert_eq!((&page["items"][0]["content"], &page["hasNextPage"]), (&json!("sold BTC"), &json!(true)));
    assert_eq!(call(&server, ada, "delete_memory", json!({ "id": id })).await, json!({ "id": id }));
    assert_eq!(get(&server, &path, ada).await.status.as_u16(), 404);
}

#[tokio::test]
async fn a_tool_that_fails_says_so_with_its_code() {
    let server = Server::start().await;
    let unknown = failed(&server, None, "crypto_prices", json!({ "coins": ["bitcoin", "no-such-coin"] })).await;
    assert_eq!((&unknown["code"], &unknown["coins"]), (&json!("NOT_FOUND"), &json!(["no-such-coin"])), "{unknown}");
    for (tool, arguments) in [
        ("crypto_prices", json!({ "coins": [] })),
        ("crypto_prices", json!({ "coins": "bitcoin" })),
        ("crypto_prices", json!({ "coins": ["bitcoin"], "currency": "eur" })),
        ("crypto_prices", json!({})),
        ("update_emotion", json!({ "feedback": 101 })),
        ("add_memory", json!({ "content": "" })),
        ("memories", json!({ "first": 0 })),
        ("balance", json!({ "chain": "atlantis", "address": "0x1" })),
    ] {
        let failed = failed(&server, Some("ada"), tool, arguments.clone()).await;
        assert_eq!(failed["code"], "BAD_USER_INPUT", "{tool} {arguments}: {failed}");
    }
    server.coingecko.fail(Some(429));
    let down = failed(&server, None, "crypto_prices", json!({ "coins": ["coin-1"] })).await;
    assert_eq!((&down["code"], &down["service"]), (&json!("UPSTREAM_UNAVAILABLE"), &json!("coingecko")), "{down}");
    assert!(down["retryAfterSeconds"].is_u64(), "{down}");
}

#[tokio::test]
async fn what_there_is_not_is_an_error_of_the_protocol() {
    let server = Server::start().await;
    let call = ask(&server, None, "tools/call", json!({ "name": "no_such_tool", "arguments": {} })).await;
    assert_eq!(call["error"]["code"], -32602, "{call}");
    // A name like another server's, of which there is none.
    let call = ask(&server, None, "tools/call", json!({ "name": "other__tool", "arguments": {} })).await;
    assert_eq!(call["error"]["code"], -32602, "{call}");
    // What REST alone has.
    let call = ask(&server, None, "tools/call", json!({ "name": "price_results", "arguments": {} })).await;
    assert_eq!(call["error"]["code"], -32602, "{call}");
    assert!(!tools(&server).await.contains(&"price_results".to_owned()));
}

#[tokio::test]
async fn one_key_is_one_use_over_rest_and_tools() {
    let server = Server::start().await;
    let body = super::naming("update_emotion", &json!({ "feedback": 30 }));
    let first = super::post(&server, Some("ada"), body.clone(), &[("idempotency-key", "k1")]).await.json();
    let bearer = crate::rest::bearer("ada");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k1")];
    let over_rest =
        crate::rest::send(&server, axum::http::Method::POST, "/v1/emotion", &headers, r#"{"feedback":30}"#).await;
    assert_eq!(over_rest.json(), first["result"]["structuredContent"]);
    assert_eq!(get(&server, "/v1/emotion", Some("ada")).await.json()["version"], 1);
}
