//! The compiled `graphql` and `chain-watcher` die between any two steps of a transaction's way. It is on the chain once.

use serde_json::{Value, json};
use support::lambda::Lambda;

use super::Scene;
use super::refusals::hash_of;
use super::scene::SEND;
use crate::functions::sample;
use crate::pipeline::Mapping;
use crate::watching::crash_at;

async fn start(scene: &Scene, function: &str, point: Option<&str>) -> Lambda {
    let nodes = format!("anvil={}", scene.provider.url());
    let variables = [("EVM_RPC_URLS", nodes.as_str()), ("JWT_SECRET", crate::graphql::SECRET)];
    let crash = point.map(crash_at).unwrap_or_default();
    scene.deployment.start_with(function, &[&variables[..], &crash].concat()).await
}

/// A request of a user whom the authorizer knows.
fn request(signed: &str) -> Value {
    let mut event = sample("graphql-http-api-authorized");
    let variables = json!({ "chain": "anvil", "signed": signed });
    event["body"] = json!(json!({ "query": SEND, "variables": variables }).to_string());
    event["headers"].as_object_mut().unwrap().remove("idempotency-key");
    event
}

/// It dies, and there.
async fn dies(function: &Lambda, event: Value, point: &str) {
    let died = function.dies_of(event).await;
    assert!(died && function.output().contains(&format!("crash point {point}")), "{point}: {}", function.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_die_anywhere_and_is_made_again() {
    for point in ["append.committed", "transaction.submitted", "transaction.sent"] {
        let scene = Scene::new().await;
        let payment = scene.payment(1, 0, 5).await;
        let graphql = start(&scene, "graphql", Some(point)).await;
        dies(&graphql, request(&payment), point).await;
        assert_eq!(scene.on_chain(1).await.as_u64(), u64::from(point == "transaction.sent"), "{point}");
        assert_eq!(scene.history(&hash_of(&payment)).await, ["TransactionSubmitted"], "{point}");
        let graphql = start(&scene, "graphql", None).await;
        let response = graphql.invoke(request(&payment)).await.unwrap();
        let body = response["body"].as_str().unwrap();
        assert!(response["statusCode"] == 200 && body.contains("ACCEPTED"), "{point}: {response}");
        assert_eq!(scene.history(&hash_of(&payment)).await, ["TransactionSubmitted", "TransactionAccepted"], "{point}");
        assert_eq!(scene.on_chain(1).await, 1.into(), "{point}");
    }
}

/// Nobody asks again: the watcher finds out, and may die as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_died_is_settled_by_watchers_that_die_too() {
    let scene = Scene::new().await;
    let payments = [scene.payment(1, 0, 5).await, scene.payment(2, 0, 5).await];
    for payment in &payments {
        let graphql = start(&scene, "graphql", Some("transaction.sent")).await;
        dies(&graphql, request(payment), "transaction.sent").await;
    }
    scene.deployment.create_topics().await;
    scene.deployment.relay_all().await;
    let projector = scene.deployment.start("event-projector").await;
    let topic = scene.deployment.topic("transaction");
    let mut mapping = Mapping::of(&scene.deployment, &topic);
    mapping.drain(&projector).await;
    scene.deployment.sql("UPDATE transactions SET updated_at = updated_at - interval '1 minute'").await;
    let watcher = start(&scene, "chain-watcher", Some("watch.settled")).await;
    dies(&watcher, sample("chain-watcher"), "watch.settled").await;
    let watcher = start(&scene, "chain-watcher", None).await;
    let summary = watcher.invoke(sample("chain-watcher")).await.unwrap();
    assert_eq!(summary["failed"], 0, "{summary}: {}", watcher.output());
    for payment in &payments {
        assert_eq!(scene.history(&hash_of(payment)).await, ["TransactionSubmitted", "TransactionConfirmed"]);
    }
    scene.deployment.relay_all().await;
    mapping.drain(&projector).await;
    assert!(scene.deployment.records(&format!("{topic}.dlq")).await.is_empty(), "{}", projector.output());
    assert_eq!(scene.deployment.count("SELECT count(*) FROM transactions WHERE status = 'CONFIRMED'").await, 2);
    let nothing = watcher.invoke(sample("chain-watcher")).await.unwrap();
    assert_eq!(nothing["settled"], 0, "{nothing}");
}
