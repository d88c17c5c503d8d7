//! Rebuilding the read models: from the command line, from the function in slices, and after a crash.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use mcp_core::domain::StreamId;
use mcp_core::domain::projection::Changes;
use mcp_core::platform::clock::{Clock, SystemClock};
use mcp_core::services::rebuild::Rebuilder;
use mcp_core::store::Expected::Any;
use mcp_core::store::Swept;
use serde_json::json;
use support::local::run_local;

use super::{Deployment, Mapping, emotion_events};
use crate::contracts::Fixture;
use crate::contracts::build::{part, together};

async fn spoiled() -> Deployment {
    let deployment = Deployment::new().await;
    for user in 0..5 {
        deployment.feel(&format!("user {user}"), 40).await;
    }
    deployment.relay_all().await;
    let projector = deployment.start("event-projector").await;
    Mapping::of(&deployment, &deployment.topic("emotion")).drain(&projector).await;
    deployment.sql("UPDATE emotions SET points = -1, version = version - 1; DELETE FROM projected_streams").await;
    deployment
}

async fn assert_right(deployment: &Deployment) {
    for user in 0..5 {
        assert_eq!(deployment.points(&format!("user {user}")).await, Some((39, 40)));
    }
    assert_eq!(deployment.count("SELECT count(DISTINCT generation) FROM emotions").await, 1, "the old rows are gone");
    assert_eq!(deployment.count("SELECT count(*) FROM projected_streams").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_function_rebuilds() {
    let deployment = spoiled().await;
    let admin = deployment.start("admin").await;
    // Other tests' transactions on the same server hold the end back, so it may take more than one invocation.
    for _ in 0..10 {
        let progress = admin.invoke(json!({ "command": "rebuild" })).await.unwrap();
        if progress["finished"] == true {
            assert_eq!(progress["done"], 200, "{progress}");
            break;
        }
    }
    assert_right(&deployment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_rebuilds() {
    let deployment = spoiled().await;
    let variables = [("DATABASE_URL", deployment.database.as_str())];
    let output = run_local(&["admin", "rebuild"], &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("200 events"), "{output:?}");
    assert_right(&deployment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_died_is_gone_on_with() {
    for point in ["rebuild.stepped", "rebuild.swapped"] {
        let deployment = spoiled().await;
        let died = deployment.start_with("admin", &[("CRASH_AT", point)]).await;
        assert!(died.dies_of(json!({ "command": "rebuild" })).await, "{}", died.output());
        let begun = deployment.count("SELECT last_generation::bigint FROM projection_state").await;
        let admin = deployment.start("admin").await;
        loop {
            let progress = admin.invoke(json!({ "command": "rebuild" })).await.unwrap();
            if progress["finished"] == true {
                break;
            }
        }
        assert_right(&deployment).await;
        let ended = deployment.count("SELECT last_generation::bigint FROM projection_state").await;
        assert_eq!(ended - begun, i64::from(point == "rebuild.swapped"), "a rebuild that is not over is gone on with");
    }
}

/// On every store, in this process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_is_rebuilt() {
    for fixture in [Fixture::sqlite().await, Fixture::postgres().await, Fixture::dynamodb().await] {
        let (store, clock) = (fixture.store.clone(), Arc::new(SystemClock));
        let streams: Vec<_> = (0..30).map(|user| StreamId::of("emotion", &format!("user {user}"))).collect();
        let mut wrong = Changes::default();
        for stream in &streams {
            let append = together(vec![part(stream, Any, emotion_events(0..40))]);
            for event in &store.append(&append).await.unwrap().events {
                wrong.add(event).unwrap();
            }
        }
        wrong.emotions.values_mut().for_each(|emotion| emotion.points = -1);
        store.apply_changes(&wrong).await.unwrap();
        let rebuilder = Rebuilder { store: store.clone(), clock: clock.clone() };
        let told = Mutex::new(vec![]);
        // Other tests' transactions on the same server hold the end back, so it may take more than one slice.
        let finished = loop {
            let deadline = clock.now() + TimeDelta::seconds(30);
            let progress = rebuilder.run(deadline, |progress| told.lock().unwrap().push(progress)).await.unwrap();
            if progress.finished {
                break progress;
            }
        };
        assert_eq!((finished.done, finished.total), (1_200, Some(1_200)));
        let told = told.into_inner().unwrap();
        assert!(told.len() >= 3 && told.iter().is_sorted_by_key(|progress| progress.done), "{told:?}");
        assert!(told.iter().all(|progress| progress.total.unwrap_or(1_200) == 1_200), "{told:?}");
        let ids: Vec<_> = streams.iter().map(|stream| stream.aggregate_id).collect();
        let emotions = store.emotions(&ids).await.unwrap();
        assert_eq!(emotions.len(), 30);
        assert!(emotions.iter().all(|(_, emotion)| (emotion.points, emotion.version) == (39, 40)));
        assert!(store.projected_versions(&ids).await.unwrap().values().all(|version| *version == 40));
        assert_eq!(store.sweep_generations(100).await.unwrap(), Swept { rows: 0, over: true }, "the old rows are gone");
    }
}
