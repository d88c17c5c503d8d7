//! Functions that die at every named point between the commit and the read model. What comes after absorbs it.

use mcp_core::domain::StreamId;
use serde_json::json;

use super::deployment::event;
use super::relaying::first_occurrences;
use super::{Deployment, Mapping};
use crate::functions::sample;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_may_die_anywhere() {
    for point in ["relay.leased", "relay.read", "relay.acknowledged", "relay.advanced"] {
        let deployment = Deployment::new().await;
        for user in 0..3 {
            deployment.feel(&format!("user {user}"), 10).await;
        }
        let died = deployment.start_with("outbox-relay", &[("CRASH_AT", point)]).await;
        assert!(died.dies_of(sample("outbox-relay")).await, "{point}: {}", died.output());
        deployment.feel("user 1", 5).await;
        deployment.let_leases_run_out().await;
        let relay = deployment.start("outbox-relay").await;
        let summary = relay.invoke(sample("outbox-relay")).await.unwrap();
        assert_eq!(summary["backlogEvents"], 0, "{point}: {summary}");
        let records = deployment.records(&deployment.topic("emotion")).await;
        let repeated = if point == "relay.acknowledged" { 30 } else { 0 };
        assert_eq!(records.len(), 35 + repeated, "{point}");
        for versions in first_occurrences(&records).values() {
            assert!(
                versions.iter().copied().eq(1..=10) || versions.iter().copied().eq(1..=15),
                "{point}: {versions:?}"
            );
        }
        let projector = deployment.start("event-projector").await;
        Mapping::of(&deployment, &deployment.topic("emotion")).drain(&projector).await;
        assert_eq!(deployment.points("user 0").await, Some((9, 10)), "{point}");
        assert_eq!(deployment.points("user 1").await, Some((4, 15)), "{point}");
    }
}

/// The commit is done and nobody was told: the schedule's run finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_die_after_its_commit() {
    let deployment = Deployment::new().await;
    let more = [("CRASH_AT", "append.committed"), ("JWT_SECRET", "a secret that is only known to these very tests")];
    let nobody = ("OUTBOX_RELAY_FUNCTION", "nobody");
    let graphql = deployment.start_with("graphql", &[more[0], more[1], nobody]).await;
    assert!(graphql.dies_of(sample("graphql-http-api-authorized")).await, "{}", graphql.output());
    let relay = deployment.start("outbox-relay").await;
    let summary = relay.invoke(sample("outbox-relay")).await.unwrap();
    assert_eq!((&summary["published"], &summary["backlogEvents"]), (&json!(1), &json!(0)), "{summary}");
    let projector = deployment.start("event-projector").await;
    Mapping::of(&deployment, &deployment.topic("emotion")).drain(&projector).await;
    assert_eq!(deployment.points("ada").await, Some((30, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_may_die_between_its_work_and_its_answer() {
    let deployment = Deployment::new().await;
    deployment.feel("ada", 20).await;
    deployment.relay_all().await;
    let batch = Mapping::of(&deployment, &deployment.topic("emotion")).read(100).await;
    let died = deployment.start_with("event-projector", &[("CRASH_AT", "projector.applied")]).await;
    assert!(died.dies_of(event(&batch)).await, "{}", died.output());
    let owner = StreamId::of("emotion", "ada").aggregate_id;
    assert_eq!(deployment.store.projected_versions(&[owner]).await.unwrap()[&owner], 20);
    let projector = deployment.start("event-projector").await;
    Mapping::of(&deployment, &deployment.topic("emotion")).drain(&projector).await;
    assert_eq!(deployment.points("ada").await, Some((19, 20)));
}

/// A letter is written and the batch comes again: there are two of it, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_may_die_after_a_dead_letter() {
    let deployment = Deployment::new().await;
    let topic = deployment.topic("emotion");
    deployment.feel("ada", 2).await;
    deployment.relay_all().await;
    deployment.publish(vec![crate::contracts::message(&topic, "k", "no event")]).await;
    let batch = Mapping::of(&deployment, &topic).read(100).await;
    let died = deployment.start_with("event-projector", &[("CRASH_AT", "consume.buried")]).await;
    assert!(died.dies_of(event(&batch)).await, "{}", died.output());
    let projector = deployment.start("event-projector").await;
    Mapping::of(&deployment, &topic).drain(&projector).await;
    let letters = deployment.records(&format!("{topic}.dlq")).await;
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter.value.as_deref() == Some(b"no event")));
    assert_eq!(deployment.points("ada").await, Some((1, 2)));
}
