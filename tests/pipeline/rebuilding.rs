//! Rebuilding the read models: from the command line, from the function in slices, and after a crash.

use serde_json::json;
use support::local::run_local;

use super::{Deployment, Mapping};

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
