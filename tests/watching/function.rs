//! `chain-watcher`, run after run.

use std::collections::BTreeSet;

use mcp_core::bus::event_message::from_record;
use serde_json::{Value, json};
use support::aws::Aws;
use support::rpc_proxy::Mode;

use super::Scene;
use super::scene::{count, watch};
use crate::functions::sample;
use crate::pipeline::Mapping;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_become_events_once_and_reach_kafka() {
    let scene = Scene::new().await;
    scene.transfers(4).await;
    let watcher = scene.watcher().await;
    let first = watch(&watcher).await;
    let wanted = json!({ "filters": 1, "scannedBlocks": 6, "observed": 5, "retracted": 0, "settled": 0, "failed": 0 });
    assert_eq!(first, wanted);
    scene.agrees().await;
    let events = scene.events().await;
    let data = &events[1].data;
    assert_eq!((&data["chain"], &data["filter"]), (&json!("eip155:31337"), &json!("transfers")), "{data}");
    assert!(data["data"].as_str().is_some_and(|data| data.ends_with("01")), "what was transferred: {data}");

    // Nothing new: nothing is appended, whoever looks.
    assert_eq!(watch(&watcher).await["observed"], 0);
    assert_eq!(scene.watch().await["scannedBlocks"], 0);
    assert_eq!(scene.events().await.len(), events.len());
    scene.transfers(1).await;
    assert_eq!(watch(&watcher).await["observed"], 1);
    scene.agrees().await;

    let (deployment, events) = (&scene.deployment, scene.events().await);
    deployment.create_topics().await;
    deployment.relay_all().await;
    let topic = deployment.topic("chain");
    assert!(topic.ends_with("mcp.chain-events"), "{topic}");
    let published: Vec<_> =
        deployment.records(&topic).await.iter().map(|record| from_record(record).unwrap()).collect();
    // One stream, one partition: in its order.
    assert_eq!(published, events);
    let projector = deployment.start("event-projector").await;
    Mapping::of(deployment, &topic).drain(&projector).await;
    assert!(deployment.records(&format!("{topic}.dlq")).await.is_empty(), "{}", projector.output());
}

/// Even where neither believes that there is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_watchers_at_once_double_nothing() {
    let scene = Scene::new().await;
    for _ in 0..6 {
        scene.transfers_in_a_block(100).await;
    }
    let (one, other) = (scene.watcher().await, scene.watcher().await);
    let runs = async { tokio::join!(watch(&one), watch(&other)) };
    let no_leases = async {
        loop {
            scene.deployment.sql("DELETE FROM leases").await;
        }
    };
    let (first, second) = tokio::select! {
        runs = runs => runs,
        () = no_leases => unreachable!("it goes on for ever"),
    };
    let observed = [&first, &second].map(|summary| summary["observed"].as_u64().unwrap());
    assert_eq!(observed.iter().sum::<u64>(), 601, "{first} {second}");
    assert_eq!((&first["failed"], &second["failed"]), (&json!(0), &json!(0)));
    scene.agrees().await;
    assert_eq!(scene.watch().await["observed"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_is_a_failed_run_that_says_so_and_the_next_one_goes_on() {
    let scene = Scene::new().await;
    scene.transfers(1).await;
    let watcher = scene.watcher().await;
    assert_eq!(watch(&watcher).await["observed"], 2);
    scene.transfers(2).await;
    let other = scene.watcher().await;
    for (mode, watcher) in [(Mode::Refuse, &watcher), (Mode::Html, &watcher), (Mode::WrongChain(5), &other)] {
        scene.provider.behave(mode).await;
        let error = watcher.invoke(sample("chain-watcher")).await.unwrap_err();
        assert_eq!(error["errorMessage"], "anvil is unavailable", "{mode:?}: {error}");
    }
    assert!(!watcher.output().contains(&scene.provider.url()), "URLs may hold keys: {}", watcher.output());
    scene.provider.behave(Mode::Pass).await;
    assert_eq!(scene.watch().await["observed"], 2);
    scene.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_is_down_keeps_no_other_from_being_watched() {
    let scene = Scene::new().await;
    let nodes = format!("anvil={};base=http://127.0.0.1:1", scene.provider.url());
    let mut filters = scene.filters();
    filters.as_array_mut().unwrap().push(json!({ "name": "of-base", "chain": "base" }));
    let filters = filters.to_string();
    let watcher = scene.watcher_with(&[("EVM_RPC_URLS", nodes.as_str()), ("CHAIN_FILTERS", &filters)]).await;
    let summary = watch(&watcher).await;
    assert_eq!((&summary["filters"], &summary["observed"], &summary["failed"]), (&json!(2), &json!(1), &json!(1)));
    scene.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_cannot_be_watched_stops_the_start_and_names_its_variable() {
    let scene = Scene::new().await;
    let filter = |chain: &str, addresses: Value| json!([{ "name": "pepper", "chain": chain, "addresses": addresses }]);
    for (filters, problem) in [
        (filter("base", json!([])), "unsupported chain"),
        (filter("anvil", json!(["0x12"])), "address"),
        (json!([{ "name": "pepper" }]), "missing field"),
    ] {
        let watcher = scene.watcher_with(&[("CHAIN_FILTERS", &filters.to_string())]).await;
        assert!(watcher.dies_of(sample("chain-watcher")).await, "{filters}");
        let output = watcher.output();
        assert!(output.contains("CHAIN_FILTERS") && output.contains(problem), "{filters}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_gives_few_blocks_at_once_is_read_all_the_same() {
    let scene = Scene::new().await;
    scene.transfers(3).await;
    scene.anvil.mine(60).await;
    scene.transfers(3).await;
    scene.provider.behave(Mode::NoLogsRange(7)).await;
    let summary = scene.watch().await;
    assert_eq!((&summary["observed"], &summary["scannedBlocks"]), (&json!(7), &json!(68)), "{summary}");
    scene.agrees().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_from_now_on_hears_nothing_of_before() {
    let scene = Scene::new().await;
    scene.transfers(3).await;
    let mut filters = scene.filters();
    filters[0].as_object_mut().unwrap().remove("fromBlock");
    let watcher = scene.watcher_with(&[("CHAIN_FILTERS", &filters.to_string())]).await;
    let before = scene.on_chain().await;
    watch(&watcher).await;
    scene.anvil.mine(2).await;
    scene.transfers(2).await;
    watch(&watcher).await;
    let wanted: BTreeSet<_> = scene.on_chain().await.into_iter().filter(|(block, ..)| *block >= 4).collect();
    assert_eq!(scene.recorded().await, wanted);
    assert!(wanted.len() == 3 && wanted.intersection(&before).count() == 1, "the newest block, and what came after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_appends_wakes_the_relay_and_another_does_not() {
    let scene = Scene::new().await;
    let aws = Aws::start("").await;
    let variables = [("AWS_ENDPOINT_URL", aws.url()), ("OUTBOX_RELAY_FUNCTION", "mcp-server-outbox-relay")];
    let watcher = scene.watcher_with(&variables).await;
    watch(&watcher).await;
    let woken = aws.invoked().len();
    assert!(woken > 0, "{}", watcher.output());
    watch(&watcher).await;
    assert_eq!(aws.invoked().len(), woken);
    assert_eq!(count(&scene.events().await, "BlocksScanned"), 1);
}
