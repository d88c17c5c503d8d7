//! Watchers that die at every named point. Who comes next records what is missing, and nothing again.

use super::Scene;
use super::scene::count;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_may_die_anywhere() {
    for point in ["watch.read", "append.committed", "watch.recorded"] {
        let scene = Scene::new().await;
        scene.transfers(2).await;
        assert!(scene.dies_at(point).await, "{point}");
        scene.transfers(2).await;
        assert!(scene.dies_at(point).await, "{point}");
        // It may also die where there is nothing to record.
        let idle = scene.dies_at(point).await;
        assert_eq!(idle, point == "watch.read", "{point}");
        scene.transfers(1).await;
        scene.watch().await;
        scene.agrees().await;
        assert_eq!(count(&scene.events().await, "ChainEventObserved"), 6, "{point}");
        assert_eq!(scene.watch().await["observed"], 0, "{point}");
    }
}

/// A block is recorded whole or is read again, however many appends it takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_takes_many_appends_survives_a_death_after_each() {
    let scene = Scene::new().await;
    scene.transfers_in_a_block(300).await;
    scene.transfers(1).await;
    let (mut deaths, mut before) = (0, 0);
    while scene.dies_at("watch.recorded").await {
        deaths += 1;
        let recorded = scene.recorded().await;
        assert!(recorded.is_subset(&scene.on_chain().await));
        assert!(recorded.len() >= before, "nothing is taken back");
        before = recorded.len();
    }
    assert_eq!(deaths, 4, "302 logs, 90 an append");
    scene.agrees().await;
    let events = scene.events().await;
    assert_eq!((count(&events, "ChainEventObserved"), count(&events, "ChainEventRetracted")), (302, 0));
    assert_eq!(count(&events, "BlocksScanned"), 1, "which is said once everything before it is recorded");
}
