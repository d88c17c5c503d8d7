//! Chains that change their mind.

use serde_json::Value;

use super::Scene;
use super::scene::count;

/// The newest `depth` blocks are replaced; so many transfers are in the first of the new ones.
async fn reorganise(scene: &Scene, depth: u64, transfers: u64) {
    let transfers: Vec<(Value, u64)> = (0..transfers).map(|n| (scene.transfer_of(1000 + n), 0)).collect();
    scene.anvil.reorg(depth, &transfers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_is_retracted_and_what_is_new_is_observed() {
    let scene = Scene::new().await;
    scene.transfers(5).await;
    scene.watch().await;
    let before = scene.on_chain().await;
    reorganise(&scene, 3, 2).await;
    let after = scene.on_chain().await;
    let (gone, new) = (before.difference(&after).count(), after.difference(&before).count());
    assert_eq!((gone, new), (3, 2));
    let summary = scene.watch().await;
    assert_eq!((summary["retracted"].as_u64(), summary["observed"].as_u64()), (Some(3), Some(2)), "{summary}");
    scene.agrees().await;
    // Newest first, so that whoever undoes them undoes the last one first.
    let events = scene.events().await;
    let retracted = events.iter().filter(|event| event.event_type == "ChainEventRetracted");
    let blocks: Vec<_> = retracted.map(|event| event.data["block"]["number"].as_u64().unwrap()).collect();
    assert_eq!(blocks, [6, 5, 4]);
    let quiet = scene.watch().await;
    assert_eq!((quiet["retracted"].as_u64(), quiet["observed"].as_u64()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_transaction_in_another_block_is_another_observation() {
    let scene = Scene::new().await;
    scene.anvil.mine(2).await;
    scene.transfers(1).await;
    scene.watch().await;
    let snapshot = scene.recorded().await;
    // The transfer is sent again as it was: the same nonce, sender and data make the same hash.
    scene.anvil.reorg(1, &[(scene.transfer_of(1), 0)]).await;
    scene.watch().await;
    scene.agrees().await;
    assert_ne!(scene.recorded().await, snapshot);
    assert_eq!(count(&scene.events().await, "ChainEventRetracted"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reorganisations_of_any_depth_and_again_before_anybody_looked() {
    let scene = Scene::new().await;
    scene.transfers(12).await;
    scene.watch().await;
    for (depth, transfers) in [(1, 0), (9, 4), (2, 3), (13, 1), (1, 2)] {
        reorganise(&scene, depth, transfers).await;
        scene.transfers(1).await;
        reorganise(&scene, 1, 1).await;
        scene.watch().await;
        scene.agrees().await;
    }
}

/// Retractions and observations take several appends each; the watcher dies after every one of them, and half-way the
/// chain changes its mind once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_dies_while_it_follows_a_reorganisation_is_absorbed() {
    for half_way in [false, true] {
        let scene = Scene::new().await;
        scene.transfers_in_a_block(120).await;
        scene.transfers_in_a_block(110).await;
        scene.watch().await;
        scene.agrees().await;
        reorganise(&scene, 2, 130).await;
        let mut deaths = 0;
        while scene.dies_at("watch.recorded").await {
            deaths += 1;
            if deaths == 2 && half_way {
                reorganise(&scene, 1, 1).await;
                scene.transfers(2).await;
            }
            assert!(deaths < 20, "it comes to an end");
        }
        assert!(deaths >= 4, "{deaths}: 230 retractions and 130 observations, 90 an append");
        scene.agrees().await;
        let again = scene.watch().await;
        assert_eq!((again["retracted"].as_u64(), again["observed"].as_u64()), (Some(0), Some(0)), "{again}");
    }
}

/// A node that has not heard of the newest blocks is behind, and no reorganisation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lags_retracts_nothing() {
    use support::rpc_proxy::Mode;

    let scene = Scene::new().await;
    scene.transfers(5).await;
    let watcher = scene.watcher().await;
    super::scene::watch(&watcher).await;
    scene.provider.behave(Mode::Lag(3)).await;
    let _ = watcher.invoke(crate::functions::sample("chain-watcher")).await;
    scene.agrees().await;
    assert_eq!(count(&scene.events().await, "ChainEventRetracted"), 0);
}
