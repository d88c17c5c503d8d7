//! What a client may not do. Where the protocol has a code to close with, API Gateway cannot say it: the client is
//! disconnected.

use serde_json::{Value, json};
use support::eventually::eventually;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::client::{PROTOCOL, handshake};
use super::live::short_token;
use super::{Client, EMOTIONS, Live, PRICES};
use crate::graphql::token;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_token_or_another_protocol_is_kept_out() {
    let live = Live::start().await;
    let expired = format!("Bearer {}", short_token("ada", "USER", -60));
    for (headers, expected) in [
        (vec![PROTOCOL, ("authorization", "Bearer garbage")], 401),
        (vec![PROTOCOL, ("authorization", expired.as_str())], 401),
        (vec![], 400),
        (vec![("sec-websocket-protocol", "graphql-ws, soap")], 400),
    ] {
        match handshake(&live, &headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), expected, "{headers:?}"),
            other => panic!("{headers:?}: {:?}", other.map(|(_, response)| response)),
        }
    }
    assert_eq!(live.front.connections(), [""; 0]);
    assert_eq!(live.items("C").await, 0, "nobody is listed");
    Client::with(&live, &[("sec-websocket-protocol", "soap, graphql-transport-ws")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_refused_what_is_an_administrators_and_lives_on() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.asks("1", EMOTIONS).await;
    assert_eq!(client.hears_error("1").await, "FORBIDDEN");
    client.listens(&live, "1", PRICES).await;
    live.tell(&live.felt("ada", 1..3).await).await;
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    assert_eq!(client.hears_next("1").await["priceUpdates"]["version"], 1);
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_without_a_token_may_ask_but_not_subscribe() {
    let live = Live::start().await;
    let mut client = Client::silent(&live).await;
    client.introduces(json!({})).await;
    client.asks("q", "{ __typename }").await;
    assert_eq!(client.hears_next("q").await, json!({ "__typename": "Query" }));
    assert_eq!(client.hears().await, json!({ "type": "complete", "id": "q" }));
    for query in [PRICES, EMOTIONS] {
        client.asks("s", query).await;
        assert_eq!(client.hears_error("s").await, "UNAUTHENTICATED", "{query}");
    }
    client.asks("s", "subscription { nonsense }").await;
    assert_eq!(client.hears_error("s").await, "BAD_USER_INPUT");
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_breaks_the_protocol_is_cut_off() {
    let live = Live::start().await;
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": PRICES } });
    let since = |since: Value| json!({ "id": "2", "type": "subscribe", "payload": { "query": PRICES, "extensions": { "since": since } } });
    let init = |token: &str| json!({ "type": "connection_init", "payload": { "authorization": token } });
    // Before it has introduced itself.
    let early = [subscribe.to_string(), init("Bearer garbage").to_string(), "garbage".to_owned(), "{}".to_owned()];
    for message in early {
        let mut client = Client::silent(&live).await;
        client.sends(Message::text(message)).await;
        client.is_cut_off(&live).await;
    }
    let late = [
        init(&format!("Bearer {}", token("ada", "USER"))),
        subscribe.clone(),
        json!({ "type": "start", "id": "2", "payload": {} }),
        json!({ "id": "", "type": "subscribe", "payload": { "query": PRICES } }),
        json!({ "id": "2", "type": "subscribe", "payload": { "query": 1 } }),
        since(json!({ "version": -1 })),
        since(json!("yesterday")),
        json!({ "type": "ping", "payload": [] }),
    ];
    for message in late {
        let mut client = Client::user(&live).await;
        client.listens(&live, "1", PRICES).await;
        client.says(message).await;
        client.is_cut_off(&live).await;
    }
    eventually("nobody listens any more", || async { live.items("T").await == 0 }).await;
    assert!(live.front.failures().is_empty(), "{}", live.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_are_no_text_and_texts_that_are_too_large_are_cut_off() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    client.sends(Message::binary(vec![0xff; 1000])).await;
    client.is_cut_off(&live).await;
    // As much as API Gateway takes, in frames of 32 KB: it reaches the function.
    let mut client = Client::user(&live).await;
    for n in 0..4 {
        let kind = if n == 0 { Data::Text } else { Data::Continue };
        client.sends(Message::Frame(Frame::message(vec![b'['; 32 * 1024], OpCode::Data(kind), n == 3))).await;
    }
    client.is_cut_off(&live).await;
    // And more than that: it does not.
    let mut client = Client::user(&live).await;
    let before = live.front.events().len();
    client.sends(Message::text("x".repeat(200 * 1024))).await;
    client.is_cut_off(&live).await;
    let after: Vec<_> = live.front.events().split_off(before);
    assert!(after.iter().all(|event| event["requestContext"]["routeKey"] == "$disconnect"), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hundred_and_first_subscription_is_refused_and_the_hundred_live_on() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    for n in 0..100 {
        client.asks(&n.to_string(), PRICES).await;
    }
    client.has_open(&live, "99").await;
    eventually("a hundred are open", || async {
        let open = live.registry.open(&client.id).await.unwrap();
        if open.len() == 100 { Ok(()) } else { Err(open.len()) }
    })
    .await;
    client.asks("one more", PRICES).await;
    assert_eq!(client.hears_error("one more").await, "BAD_USER_INPUT");
    client.asks("a query", "{ __typename }").await;
    assert_eq!(client.hears_error("a query").await, "BAD_USER_INPUT", "a query is an operation, too");
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    let mut told = vec![];
    for _ in 0..100 {
        let message = client.hears().await;
        assert_eq!(message["type"], "next", "{message}");
        told.push(message["id"].as_str().unwrap().parse::<usize>().unwrap());
    }
    told.sort_unstable();
    assert!(told.into_iter().eq(0..100));
    client.hears_nothing().await;
    client.says(json!({ "type": "complete", "id": "7" })).await;
    client.listens(&live, "one more", PRICES).await;
}
