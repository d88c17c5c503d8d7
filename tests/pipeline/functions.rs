//! Each function with its sample event, and what flows through all of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::aws::Aws;
use support::collector::Collector;
use support::eventually::eventually;
use support::proxy::{Network, Proxy};

use super::{Deployment, Mapping};
use crate::functions::{asking, sample};

const SECRET: (&str, &str) = ("JWT_SECRET", "a secret that is only known to these very tests");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_work() {
    let deployment = Deployment::new().await;
    let admin = deployment.start("admin").await;
    assert_eq!(admin.invoke(sample("admin-topics")).await.unwrap(), json!({ "created": [] }));
    let projector = deployment.start("event-projector").await;
    let answer = projector.invoke(sample("event-projector")).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }), "{}", projector.output());
    assert_eq!(deployment.points("ada").await, Some((30, 1)), "{}", projector.output());
    let rebuilt = admin.invoke(sample("admin-rebuild")).await.unwrap();
    assert!(rebuilt["total"].is_u64(), "{rebuilt}");
    let relay = deployment.start("outbox-relay").await;
    let summary = relay.invoke(sample("outbox-relay")).await.unwrap();
    assert_eq!(summary, json!({ "published": 0, "rounds": 0, "backlogEvents": 0, "backlogAgeMs": 0 }));
    let mut replay = sample("dlq-replay");
    replay["topic"] = json!(deployment.topic("emotion"));
    let summary = deployment.start("dlq-replay").await.invoke(replay).await.unwrap();
    assert_eq!(summary["dryRun"], true, "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_batch_of_kafka_is_an_error() {
    let deployment = Deployment::new().await;
    let projector = deployment.start("event-projector").await;
    for garbage in [json!({}), json!("x"), json!({ "eventSource": "aws:sqs", "records": {} }), sample("price-poller")] {
        assert!(projector.invoke(garbage.clone()).await.is_err(), "{garbage}");
    }
    let empty = json!({ "eventSource": "aws:kafka", "records": {} });
    assert_eq!(projector.invoke(empty).await.unwrap(), json!({ "batchItemFailures": [] }));
}

/// From the mutation to the read model, as a deployment does it: the relay is invoked by the commit, and finds the brokers
/// by their cluster's ARN.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_invokes_the_relay_which_finds_the_cluster() {
    let deployment = Deployment::new().await;
    let aws = Aws::start(&deployment.brokers).await;
    let endpoint = ("AWS_ENDPOINT_URL", aws.url());
    let relay_function = ("OUTBOX_RELAY_FUNCTION", "mcp-server-outbox-relay");
    let graphql = deployment.start_with("graphql", &[SECRET, endpoint, relay_function]).await;
    let response = graphql.invoke(sample("graphql-http-api-authorized")).await.unwrap();
    assert_eq!(response["statusCode"], 200, "{response}");
    assert_eq!(aws.invoked(), ["mcp-server-outbox-relay"; 2], "once a commit: {}", graphql.output());
    graphql.invoke(sample("graphql-http-api")).await.unwrap();
    graphql.invoke(sample("graphql-http-api-authorized")).await.unwrap();
    assert_eq!(aws.invoked().len(), 2, "neither a query nor a repetition commits anything");
    let cluster = "arn:aws:kafka:us-east-1:123456789012:cluster/mcp-kafka-cluster/0a1b2c3d-1";
    let variables = [endpoint, ("KAFKA_BROKERS", ""), ("MSK_CLUSTER_ARN", cluster), ("KAFKA_AUTH", "none")];
    let relay = deployment.start_with("outbox-relay", &variables).await;
    let summary = relay.invoke(json!({})).await.unwrap_or_else(|error| panic!("{error}: {}", relay.output()));
    assert_eq!(summary["backlogEvents"], 0, "{summary}");
    let projector = deployment.start("event-projector").await;
    Mapping::of(&deployment, &deployment.topic("emotion")).drain(&projector).await;
    assert_eq!(deployment.points("ada").await, Some((30, 1)));
}

/// A request that asks to be traced can be followed: from its own line to the one of its projection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_leads_from_the_request_to_the_projection() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (deployment, collector) = (Deployment::new().await, Collector::start().await);
    let url = collector.url();
    let traces = ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str());
    let graphql = deployment.start_with("graphql", &[SECRET, traces]).await;
    let mut request = sample("graphql-http-api-authorized");
    request["headers"]["traceparent"] = json!(format!("00-{TRACE}-00f067aa0ba902b7-01"));
    let response = graphql.invoke(request).await.unwrap();
    assert_eq!(response["statusCode"], 200, "{response}");
    let relay = deployment.start("outbox-relay").await;
    relay.invoke(sample("outbox-relay")).await.unwrap();
    let topic = deployment.topic("emotion");
    let record = deployment.records(&topic).await.remove(0);
    let header = record.header_text("traceparent").unwrap().to_owned();
    assert!(header.contains(TRACE) && header.ends_with("-01") && !header.contains("00f067aa0ba902b7"), "{header}");
    assert!(graphql.output().contains(&header), "the request's span has the id that its children name");
    let projector = deployment.start_with("event-projector", &[traces]).await;
    Mapping::of(&deployment, &topic).drain(&projector).await;
    let spans = collector.spans_of(TRACE);
    let by = |service: &str, name: &str| spans.iter().find(|span| span.service == service && span.name == name);
    let (asked, consumed) = (by("graphql", "POST /graphql"), by("event-projector", "kafka.consume"));
    let (Some(asked), Some(consumed)) = (asked, consumed) else { panic!("{spans:?}") };
    assert_eq!((asked.parent.as_str(), &consumed.parent), ("00f067aa0ba902b7", &asked.id), "{spans:?}");
    assert!(header.contains(&asked.id), "the event names the span that was sent: {header}");
    let line = eventually("the projection is logged", || {
        let lines: Vec<Value> = projector.output().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let line = lines.iter().find(|line| line["message"] == "projected").cloned();
        async move { line.ok_or(lines) }
    })
    .await;
    assert_eq!(line["traceparent"], header.as_str(), "{line}");
    let span = line["spans"].to_string();
    assert!(span.contains("kafka.consume") && span.contains(&topic), "{line}");
    assert!(line["correlation_id"].is_string(), "{line}");
}

/// The database goes away during a batch: each partition comes again from where it stopped, and nothing is skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_makes_the_batch_come_again() {
    let deployment = Deployment::new().await;
    let (database, url) = Proxy::to_postgres(&deployment.database).await;
    for user in 0..12 {
        deployment.feel(&format!("user {user}"), 30).await;
    }
    deployment.relay_all().await;
    let topic = deployment.topic("emotion");
    let projector = deployment.start_with("event-projector", &[("DATABASE_URL", &url)]).await;
    let mut mapping = Mapping::of(&deployment, &topic);
    assert_eq!(mapping.deliver(&projector, 10).await, Some(0));
    let positions = |records: Vec<mcp_core::bus::Record>| {
        let mut first: BTreeMap<i32, i64> = BTreeMap::new();
        records.iter().for_each(|record| _ = first.entry(record.partition).or_insert(record.offset));
        first
    };
    for network in [Network::Refuses, Network::Resets] {
        database.set(network).await;
        let before = positions(mapping.read(10).await);
        let failed = mapping.deliver(&projector, 10).await.unwrap();
        assert_eq!(failed, before.len(), "{network:?}: every partition waits");
        assert_eq!(positions(mapping.read(10).await), before, "{network:?}: from its first record");
        assert!(deployment.records(&format!("{topic}.dlq")).await.is_empty(), "what may pass is no poison");
    }
    database.set(Network::Good).await;
    mapping.drain(&projector).await;
    for user in 0..12 {
        assert_eq!(deployment.points(&format!("user {user}")).await, Some((29, 30)));
    }
}

/// A schema that is not there yet is a mistake of ours, not of the events: they wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_not_there_yet_buries_nothing() {
    let deployment = Deployment::new().await;
    deployment.feel("ada", 3).await;
    deployment.relay_all().await;
    let topic = deployment.topic("emotion");
    deployment.sql("ALTER TABLE emotions RENAME TO emotions_later").await;
    let projector = deployment.start("event-projector").await;
    let mut mapping = Mapping::of(&deployment, &topic);
    assert_eq!(mapping.deliver(&projector, 10).await, Some(1));
    deployment.sql("ALTER TABLE emotions_later RENAME TO emotions").await;
    mapping.drain(&projector).await;
    assert_eq!(deployment.points("ada").await, Some((2, 3)));
    assert!(deployment.records(&format!("{topic}.dlq")).await.is_empty());
}

/// Without the relay's function there is no wake-up and the mutation succeeds all the same; Kafka is not in its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_needs_neither_kafka_nor_the_relay() {
    let deployment = Deployment::new().await;
    // No such function, and nobody at that address: what a Lambda API that is down looks like.
    let nobody = [("OUTBOX_RELAY_FUNCTION", "nobody"), ("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")];
    let kafka = ("KAFKA_BROKERS", "127.0.0.1:1");
    let graphql = deployment.start_with("graphql", &[SECRET, nobody[0], nobody[1], kafka]).await;
    let response = graphql.invoke(sample("graphql-http-api-authorized")).await.unwrap();
    assert_eq!(response["statusCode"], 200, "{response}");
    let query = graphql.invoke(asking("graphql-http-api", "{ __typename }")).await.unwrap();
    assert_eq!(query["statusCode"], 200, "{query}");
    // The sample makes two commits; after the first one nobody is asked in vain again.
    assert_eq!(graphql.output().matches("the relay was not woken").count(), 1, "{}", graphql.output());
    assert_eq!(deployment.store.backlog().await.unwrap().events, 2);
}
