//! `subscriptions` and `subscription-fanout`: a client comes, subscribes, is told, and goes, all in samples. What is sent
//! to it is kept by what stands where API Gateway's management API would.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use support::services::dynamodb_url;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{Deployment, sample};
use crate::contracts::Table;
use crate::graphql::token;

/// Where functions post to clients, and what they posted: the path, and the message.
pub(super) async fn clients() -> (String, Arc<Mutex<Vec<(String, Value)>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/live", listener.local_addr().unwrap());
    let posted: Arc<Mutex<Vec<_>>> = Arc::default();
    let kept = posted.clone();
    let keep = move |uri: Uri, body: String| {
        kept.lock().unwrap().push((uri.path().to_owned(), serde_json::from_str(&body).unwrap_or_default()));
        async { StatusCode::OK }
    };
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, Router::new().fallback(keep)).await.unwrap() });
    (endpoint, posted, server)
}

#[tokio::test]
async fn the_samples_of_a_client_that_subscribes_work() {
    let (deployment, table) = (Deployment::new().await, Table::fresh().await);
    let ((endpoint, posted, _server), dynamodb) = (clients().await, dynamodb_url());
    let variables = [
        ("SUBSCRIPTIONS_TABLE", table.name.as_str()),
        ("WEBSOCKET_API_ENDPOINT", &endpoint),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamodb),
        // The address that samples come from is that of other tests, too.
        ("RATE_LIMITS", "off"),
    ];
    let subscriptions = deployment.start_with("subscriptions", &variables).await;
    let fan_out = deployment.start_with("subscription-fanout", &variables).await;
    let send = async |event: Value| subscriptions.invoke(event).await.unwrap();
    let mut connect = sample("subscriptions-connect");
    let accepted = json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": "graphql-transport-ws" } });
    assert_eq!(send(connect.clone()).await, accepted, "{}", subscriptions.output());
    connect["headers"]["Authorization"] = json!(format!("Bearer {}", token("ada", "USER")));
    assert_eq!(send(sample("subscriptions-disconnect")).await, json!({ "statusCode": 200 }));
    assert_eq!(send(connect).await, accepted, "once more, with a token");
    assert_eq!(send(sample("subscriptions-message")).await, json!({ "statusCode": 200 }));
    let mut subscribe = sample("subscriptions-message");
    let query = r#"subscription { priceUpdates(coins: ["bitcoin"]) { coin usd } }"#;
    subscribe["body"] = json!(json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }).to_string());
    assert_eq!(send(subscribe).await, json!({ "statusCode": 200 }));
    let told = fan_out.invoke(sample("subscription-fanout")).await.unwrap();
    assert_eq!(told, json!({ "batchItemFailures": [] }), "{}", fan_out.output());
    let path = "/live/@connections/L0SM9cOFvHcCIhw%3D";
    let update = json!({ "data": { "priceUpdates": { "coin": "bitcoin", "usd": "65000.5" } } });
    let expected = [json!({ "type": "connection_ack" }), json!({ "id": "1", "type": "next", "payload": update })];
    assert_eq!(*posted.lock().unwrap(), expected.map(|message| (path.to_owned(), message)));
    assert_eq!(send(sample("subscriptions-sweep")).await, json!({ "lookedAt": 0, "ended": 0 }));
    assert_eq!(send(sample("subscriptions-disconnect")).await, json!({ "statusCode": 200 }));
    let again = fan_out.invoke(sample("subscription-fanout")).await.unwrap();
    assert_eq!(again, json!({ "batchItemFailures": [] }));
    assert_eq!(posted.lock().unwrap().len(), 2);
    assert!(subscriptions.invoke(json!({ "task": "something else" })).await.is_err());
}
