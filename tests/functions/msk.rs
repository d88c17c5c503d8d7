//! Kafka found through the MSK API, by functions that use it, whatever that API says.

use std::time::Duration;

use serde_json::{Value, json};
use support::aws::Aws;
use support::eventually::within;
use support::lambda::Lambda;

use crate::pipeline::Deployment;

const CLUSTER: &str = "arn:aws:kafka:us-east-1:123456789012:cluster/mcp-kafka-cluster/0a1b2c3d-1";
/// A publishing that fails takes its time, and so does another look.
const PATIENCE: Duration = Duration::from_secs(90);

struct Scene {
    deployment: Deployment,
    aws: Aws,
    relay: Lambda,
}

impl Scene {
    /// A relay whose cluster has these brokers, or the real ones.
    async fn new(brokers: Option<&str>) -> Self {
        let deployment = Deployment::new().await;
        let aws = Aws::start(brokers.unwrap_or(&deployment.brokers)).await;
        let variables = [
            ("AWS_ENDPOINT_URL_KAFKA", aws.url()),
            ("KAFKA_BROKERS", ""),
            ("MSK_CLUSTER_ARN", CLUSTER),
            ("KAFKA_AUTH", "none"),
        ];
        let relay = deployment.start_with("outbox-relay", &variables).await;
        Self { deployment, aws, relay }
    }

    /// A run of the relay: whether nothing is left to publish.
    async fn published_all(&self) -> Result<(), Result<Value, Value>> {
        match self.relay.invoke(json!({})).await {
            Ok(summary) if summary["backlogEvents"] == 0 => Ok(()),
            other => Err(other),
        }
    }

    async fn on_the_topic(&self) -> usize {
        self.deployment.records(&self.deployment.topic("emotion")).await.len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_is_waited_out_and_what_was_found_stands() {
    let scene = Scene::new(None).await;
    scene.deployment.feel("ada", 1).await;
    scene.aws.throttle(2);
    scene.published_all().await.unwrap_or_else(|left| panic!("{left:?}: {}", scene.relay.output()));
    assert_eq!((scene.on_the_topic().await, scene.aws.asked()), (1, 3));
    scene.aws.throttle(usize::MAX);
    scene.deployment.feel("bob", 2).await;
    scene.published_all().await.unwrap_or_else(|left| panic!("{left:?}: {}", scene.relay.output()));
    assert_eq!((scene.on_the_topic().await, scene.aws.asked()), (3, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_that_failed_is_made_again() {
    let scene = Scene::new(None).await;
    scene.deployment.feel("ada", 1).await;
    scene.aws.throttle(usize::MAX);
    assert!(scene.published_all().await.is_err());
    assert!(scene.aws.asked() > 1, "it is tried more than once");
    assert!(scene.relay.output().contains("TooManyRequestsException"), "{}", scene.relay.output());
    scene.aws.throttle(0);
    within(PATIENCE, "the event is published", || async {
        scene.deployment.let_leases_run_out().await;
        scene.published_all().await
    })
    .await;
    assert_eq!(scene.on_the_topic().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_cannot_be_reached_are_asked_for_again() {
    let scene = Scene::new(Some("127.0.0.1:1")).await;
    scene.deployment.feel("ada", 1).await;
    assert!(scene.published_all().await.is_err());
    scene.aws.move_brokers(&scene.deployment.brokers);
    within(PATIENCE, "the event is published", || async {
        scene.deployment.let_leases_run_out().await;
        scene.published_all().await
    })
    .await;
    assert_eq!(scene.on_the_topic().await, 1);
}
