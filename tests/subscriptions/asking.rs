//! What can be asked for, in all the ways that GraphQL has.

use chrono::Utc;
use mcp_core::domain::chain::Block;
use mcp_core::domain::watch::{BlocksScanned, ChainEvent, ChainEventObserved, ChainEventRetracted, WatchEvent};
use mcp_core::domain::{NewEvent, StreamId};
use serde_json::json;

use super::live::CHAIN_FILTER;
use super::{Client, EMOTIONS, Live};
use crate::functions::asking;
use crate::pipeline::Mapping;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_goes_from_a_request_through_kafka_to_who_watches() {
    let live = Live::start().await;
    live.deployment.create_topics().await;
    let mut client = Client::admin(&live).await;
    client.listens(&live, "1", EMOTIONS).await;
    let graphql = live.start_with("graphql", &[]).await;
    let mutation = asking("graphql-http-api-authorized", "mutation { updateEmotion(feedback: 30) { points } }");
    assert_eq!(graphql.invoke(mutation).await.unwrap()["statusCode"], 200, "{}", graphql.output());
    live.deployment.relay_all().await;
    let mut mapping = Mapping::of(&live.deployment, &live.deployment.topic("emotion"));
    mapping.drain(&live.fan_out).await;
    assert_eq!(client.hears_next("1").await, json!({ "emotionChanges": { "points": 30, "version": 1 } }));
    // The topic from its beginning, as after a lost offset.
    Mapping::of(&live.deployment, &live.deployment.topic("emotion")).drain(&live.fan_out).await;
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_on_a_chain_and_is_no_longer_so_is_told() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let query = format!(
        r#"subscription {{ chainEvents(chain: "anvil", filter: "{CHAIN_FILTER}") {{ kind block transaction data version }} }}"#
    );
    client.listens(&live, "1", &query).await;
    let (chain, filter) = ("eip155:31337".parse().unwrap(), CHAIN_FILTER.to_owned());
    let block = Block { number: 7, hash: "0xb".to_owned() };
    let event = ChainEvent {
        block: block.clone(),
        transaction: "0xt".to_owned(),
        index: 3,
        address: "0xa".to_owned(),
        topics: vec![],
        data: "0x01".to_owned(),
        succeeded: true,
    };
    let events = [
        WatchEvent::Observed(ChainEventObserved { chain, filter, event, truncated: false }),
        WatchEvent::Scanned(BlocksScanned {
            chain: "eip155:31337".parse().unwrap(),
            filter: CHAIN_FILTER.to_owned(),
            block: block.clone(),
            left_at: None,
        }),
        WatchEvent::Retracted(ChainEventRetracted {
            chain: "eip155:31337".parse().unwrap(),
            filter: CHAIN_FILTER.to_owned(),
            block,
            transaction: "0xt".to_owned(),
            index: 3,
        }),
    ];
    let events = events.iter().map(|event| NewEvent::from_domain(event).unwrap()).collect();
    let stream = StreamId::of("chain", &format!("eip155:31337/{CHAIN_FILTER}"));
    live.tell(&live.append(&stream, events).await).await;
    for (kind, data, version) in [("OBSERVED", json!("0x01"), 1), ("RETRACTED", json!(null), 3)] {
        let update = json!({ "kind": kind, "block": "7", "transaction": "0xt", "data": data, "version": version });
        assert_eq!(client.hears_next("1").await, json!({ "chainEvents": update }));
    }
    client.hears_nothing().await;
    client.asks("2", r#"subscription { chainEvents(chain: "anvil", filter: "nothing") { kind } }"#).await;
    assert_eq!(client.hears_error("2").await, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_whatever_a_client_calls_it() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let ids = ["\u{0}\n\"\\", "🐢 #@", "O#1", "@", &"x".repeat(128), "1"];
    for id in ids {
        client.listens(&live, id, super::PRICES).await;
    }
    client.says(json!({ "id": "@", "type": "complete" })).await;
    support::eventually::eventually("one is completed", || async {
        live.registry.open(&client.id).await.unwrap().len() == ids.len() - 1
    })
    .await;
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    let mut told = vec![];
    for _ in 1..ids.len() {
        told.push(client.hears().await["id"].as_str().unwrap().to_owned());
    }
    client.hears_nothing().await;
    told.sort_unstable();
    let mut expected: Vec<_> = ids.into_iter().filter(|id| *id != "@").map(str::to_owned).collect();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_with_variables_fragments_and_more_than_one_operation_is_asked_again_for_every_event() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let query = "query Other { __typename } \
        subscription Wanted($coins: [String!]!, $all: Boolean!) { prices: priceUpdates(coins: $coins) { ...Fields } } \
        fragment Fields on PriceUpdate { __typename name: coin usd @include(if: $all) }";
    for (id, all) in [("some", false), ("all", true)] {
        let variables = json!({ "coins": [" Bitcoin ", "ethereum", "bitcoin"], "all": all });
        let payload = json!({ "query": query, "operationName": "Wanted", "variables": variables });
        client.says(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
        client.has_open(&live, id).await;
    }
    live.tell(&[live.quoted("bitcoin", 100).await]).await;
    let mut told = [client.hears().await, client.hears().await];
    told.sort_by_key(|message| message["id"].to_string());
    let update = json!({ "__typename": "PriceUpdate", "name": "bitcoin", "usd": "100" });
    assert_eq!(told[0]["payload"], json!({ "data": { "prices": update } }));
    let update = json!({ "__typename": "PriceUpdate", "name": "bitcoin" });
    assert_eq!(told[1]["payload"], json!({ "data": { "prices": update } }));
    client.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_coins_are_one_subscription_and_fifty_one_are_none() {
    let live = Live::start().await;
    let mut client = Client::user(&live).await;
    let coins = |count: usize| {
        let coins: Vec<_> = (0..count).map(|n| format!("coin-{n}")).collect();
        format!("subscription {{ priceUpdates(coins: {}) {{ coin version }} }}", json!(coins))
    };
    client.listens(&live, "50", &coins(50)).await;
    for query in [
        coins(51),
        coins(0),
        r#"subscription { priceUpdates(coins: ["a coin"]) { usd } }"#.to_owned(),
        r#"subscription { priceUpdates(coins: ["bitcoin"]) @skip(if: true) { usd } }"#.to_owned(),
        r#"subscription { a: priceUpdates(coins: ["bitcoin"]) { usd } b: priceUpdates(coins: ["a"]) { usd } }"#
            .to_owned(),
        "subscription { __typename }".to_owned(),
        "subscription {".to_owned(),
    ] {
        client.asks("x", &query).await;
        assert_eq!(client.hears_error("x").await, "BAD_USER_INPUT", "{query}");
    }
    let mut batch = vec![];
    for n in 0..50 {
        batch.push(live.quoted(&format!("coin-{n}"), 1).await);
    }
    live.tell(&batch).await;
    let mut told = vec![];
    for _ in 0..50 {
        told.push(client.hears_next("50").await["priceUpdates"]["coin"].as_str().unwrap().to_owned());
    }
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 50);
    let end = Utc::now();
    client.says(json!({ "id": "50", "type": "complete" })).await;
    client.has_nothing_open(&live).await;
    support::eventually::eventually("no row is left", || async { live.items("T").await == 0 }).await;
    assert!(Utc::now() - end < chrono::TimeDelta::seconds(10));
}
