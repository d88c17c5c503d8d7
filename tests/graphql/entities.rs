//! Entities, as a gateway asks for them: by their keys, several at once.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::server::{Answer, GRAPHQL, Server, token};

const ENTITIES: &str = "query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on Price { coin usd } \
    ... on EmotionState { userId points } ... on Memory { id content } } }";

/// Asks for entities, with a token or without.
async fn entities(server: &Server, token: Option<&str>, representations: &[Value]) -> Answer {
    let body = json!({ "query": ENTITIES, "variables": { "r": representations } }).to_string();
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("accept", GRAPHQL)];
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    server.post(body, &headers).await
}

fn price(coin: &str) -> Value {
    json!({ "__typename": "Price", "coin": coin })
}

fn emotion(user: &str) -> Value {
    json!({ "__typename": "EmotionState", "userId": user })
}

fn memory(id: &str) -> Value {
    json!({ "__typename": "Memory", "id": id })
}

async fn remember(server: &Server, user: &str, content: &str) -> String {
    let query = format!("mutation {{ addMemory(content: {}) {{ id }} }}", json!(content));
    server.user(user, &query).await.data()["addMemory"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn entities_of_every_kind_are_found_by_their_keys_in_their_order() {
    let server = Server::start().await;
    server.user("ada", "mutation { updateEmotion(feedback: 30) { points } }").await.data();
    let id = remember(&server, "ada", "prefers ETH").await;
    let representations = [memory(&id), price("ethereum"), emotion("ada"), price("bitcoin"), price("ethereum")];
    let found = entities(&server, Some(&token("ada", "USER")), &representations).await.data()["_entities"].take();
    assert_eq!(found[0], json!({ "__typename": "Memory", "id": id, "content": "prefers ETH" }));
    assert_eq!(found[2], json!({ "__typename": "EmotionState", "userId": "ada", "points": 30 }));
    let coins: Vec<_> = [1, 3, 4].map(|n| found[n]["coin"].as_str().unwrap().to_owned()).into();
    assert_eq!(coins, ["ethereum", "bitcoin", "ethereum"]);
    assert!(found[1]["usd"].is_string() && found[1] == found[4], "{found}");
    assert_eq!(server.coingecko.calls().len(), 1, "all prices are one question");
}

#[tokio::test]
async fn what_is_not_there_is_null_and_leaves_the_others_alone() {
    let server = Server::start().await;
    let unknown = memory("0190a0a0-0000-7000-8000-000000000000");
    let ada = token("ada", "USER");
    let answer = entities(&server, Some(&ada), &[price("no-such-coin"), price("bitcoin"), unknown]).await;
    let found = answer.data()["_entities"].take();
    assert_eq!((&found[0], &found[1]["coin"], &found[2]), (&Value::Null, &json!("bitcoin"), &Value::Null));

    let senseless = [json!({ "coin": "bitcoin" }), json!({ "__typename": "Query" }), memory("x"), price("bitcoin")];
    let answer = entities(&server, Some(&ada), &senseless).await;
    let body = answer.json();
    assert_eq!(body["data"]["_entities"][3]["coin"], "bitcoin", "{body}");
    for place in 0..3 {
        assert_eq!(body["data"]["_entities"][place], Value::Null);
        let error = body["errors"].as_array().unwrap().iter().find(|it| it["path"] == json!(["_entities", place]));
        assert_eq!(error.unwrap()["extensions"]["code"], "BAD_USER_INPUT", "{body}");
    }
}

#[tokio::test]
async fn nobody_reaches_what_is_anothers() {
    let server = Server::start().await;
    let id = remember(&server, "ada", "secret").await;
    server.user("ada", "mutation { updateEmotion(feedback: 30) { points } }").await.data();
    for guarded in [memory(&id), emotion("ada")] {
        let answer = entities(&server, None, &[price("bitcoin"), guarded]).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"));
        assert!(answer.json().get("data").is_none(), "nothing of it ran");
    }

    let answer = entities(&server, Some(&token("bob", "USER")), &[memory(&id), emotion("ada"), emotion("bob")]).await;
    let body = answer.json();
    let nulls = json!([null, null, { "__typename": "EmotionState", "userId": "bob", "points": 0 }]);
    assert_eq!(body["data"]["_entities"], nulls);
    assert_eq!(body["errors"].as_array().unwrap().len(), 1, "{body}");
    let error = &body["errors"][0];
    assert_eq!((&error["path"], &error["extensions"]["code"]), (&json!(["_entities", 1]), &json!("FORBIDDEN")));
    assert!(!answer.text.contains("secret"));

    // An administrator sees how somebody feels, and no more: memories are for their owner alone.
    let answer = entities(&server, Some(&token("root", "ADMIN")), &[memory(&id), emotion("ada")]).await;
    let found = answer.data()["_entities"].take();
    assert_eq!((&found[0], &found[1]["points"]), (&Value::Null, &json!(30)));
}

#[tokio::test]
async fn prices_by_key_take_from_the_quota_of_prices_once_for_each_use() {
    let server = Server::start_with(&[]).await;
    let query = |n: usize| {
        let one = "_entities(representations: [{ __typename: \"Price\", coin: \"bitcoin\" }, \
            { __typename: \"Price\", coin: \"ethereum\" }]) { __typename }";
        let aliases: String = (0..n).map(|n| format!("a{n}: {one} ")).collect();
        format!("{{ {aliases} }}")
    };
    assert_eq!(server.anonymous(&query(60)).await.status, StatusCode::OK);
    assert_eq!(server.anonymous(&query(60)).await.code(), "RATE_LIMITED");
    let prices = "{ cryptoPrices(coins: [\"bitcoin\"]) { usd } }";
    assert_eq!(server.anonymous(prices).await.status, StatusCode::OK);
    assert_eq!(server.anonymous(&query(40)).await.code(), "RATE_LIMITED", "they are of one quota");
}

#[tokio::test]
async fn the_schema_of_the_subgraph_is_told_to_whoever_asks() {
    let server = Server::start().await;
    let sdl = server.anonymous("{ _service { sdl } }").await.data()["_service"]["sdl"].take();
    let sdl = sdl.as_str().unwrap();
    assert!(sdl.contains("extend schema @link(") && sdl.contains("type Price @key(fields: \"coin\")"), "{sdl}");
}
