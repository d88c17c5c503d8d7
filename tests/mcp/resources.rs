//! Resources and prompts.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{ask, call, message, post, result};
use crate::graphql::server::Server;
use crate::rest::get;

/// The URIs of what is listed.
async fn uris(server: &Server, user: Option<&str>) -> Vec<String> {
    let listed = result(server, user, "resources/list", json!({})).await;
    listed["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap().to_owned()).collect()
}

/// What is read there.
async fn read(server: &Server, user: Option<&str>, uri: &str) -> Value {
    let read = result(server, user, "resources/read", json!({ "uri": uri })).await;
    let contents = &read["contents"][0];
    assert_eq!((&contents["uri"], &contents["mimeType"]), (&json!(uri), &json!("application/json")), "{read}");
    serde_json::from_str(contents["text"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn prices_that_are_followed_are_resources() {
    let server = Server::start_with(&[("RATE_LIMITS", "off"), ("PRICE_COINS", "coin-1,coin-2")]).await;
    assert_eq!(uris(&server, None).await, ["price://coin-1", "price://coin-2"]);
    let templates = result(&server, None, "resources/templates/list", json!({})).await;
    let templates: Vec<_> =
        templates["resourceTemplates"].as_array().unwrap().iter().map(|one| one["uriTemplate"].clone()).collect();
    assert_eq!(templates, ["price://{coin}", "memory://{id}"]);
    // Any coin can be read.
    let price = read(&server, None, "price://bitcoin").await;
    assert_eq!(price, get(&server, "/v1/prices?coins=bitcoin", None).await.json()["items"][0]);
    for uri in ["price://no-such-coin", "price://", "price://not a coin", "file:///etc/passwd", ""] {
        let answer = ask(&server, None, "resources/read", json!({ "uri": uri })).await;
        assert_eq!(answer["error"]["code"], -32002, "{uri}: {answer}");
    }
}

#[tokio::test]
async fn memories_are_resources_of_their_owner_alone() {
    let server = Server::start().await;
    let memory = call(&server, Some("ada"), "add_memory", json!({ "content": "a private thought" })).await;
    let uri = format!("memory://{}", memory["id"].as_str().unwrap());
    assert!(uris(&server, Some("ada")).await.contains(&uri));
    assert_eq!(read(&server, Some("ada"), &uri).await, memory);
    assert!(!uris(&server, Some("bob")).await.contains(&uri) && !uris(&server, None).await.contains(&uri));
    let of_bob = ask(&server, Some("bob"), "resources/read", json!({ "uri": uri })).await;
    assert_eq!(of_bob["error"]["code"], -32002, "{of_bob}");
    assert!(!of_bob.to_string().contains("private thought"));
    let nobody = post(&server, None, message("resources/read", &json!({ "uri": uri })), &[]).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{nobody:?}");
    let nonsense = ask(&server, Some("ada"), "resources/read", json!({ "uri": "memory://nonsense" })).await;
    assert_eq!(nonsense["error"]["code"], -32002, "{nonsense}");
}

#[tokio::test]
async fn a_persona_speaks_otherwise_to_who_is_happy_than_to_who_is_frustrated() {
    let server = Server::start().await;
    for (user, feedback, emotion) in [("ada", 90, "HAPPY"), ("bob", -90, "FRUSTRATED")] {
        let moved = call(&server, Some(user), "update_emotion", json!({ "feedback": feedback })).await;
        assert_eq!(moved["emotion"], emotion);
    }
    let listed = result(&server, None, "prompts/list", json!({})).await;
    let personas = server.anonymous("{ mcp { personas { name } } }").await.data()["mcp"]["personas"].take();
    let named: Value = listed["prompts"].as_array().unwrap().iter().map(|it| json!({ "name": it["name"] })).collect();
    assert_eq!(named, personas);
    for persona in personas.as_array().unwrap() {
        let of = async |user: Option<&str>| {
            let prompt = result(&server, user, "prompts/get", json!({ "name": persona["name"] })).await;
            prompt["messages"][0]["content"]["text"].as_str().unwrap().to_owned()
        };
        let (happy, frustrated, nobody) = (of(Some("ada")).await, of(Some("bob")).await, of(None).await);
        assert!(happy.contains("120 % as sure") && happy.contains("110 % as much"), "{happy}");
        assert!(frustrated.contains("80 % as sure") && frustrated.contains("500 ms"), "{frustrated}");
        assert!(nobody.contains("100 % as sure"), "{nobody}");
    }
    let asked = json!({ "name": "trader", "arguments": { "question": "Is ETH cheap?" } });
    let asked = result(&server, Some("ada"), "prompts/get", asked).await;
    assert_eq!(asked["messages"][1]["content"]["text"], "Is ETH cheap?", "{asked}");
    let unknown = ask(&server, None, "prompts/get", json!({ "name": "oracle" })).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}
