//! Redis found through the ElastiCache API, by functions that use it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::aws::{Aws, REPLICATION_GROUP};
use support::eventually::eventually;
use support::services::redis_url;

use super::{Deployment, body, sample};

/// The address that samples come from is that of other tests, too.
const UNLIMITED: (&str, &str) = ("RATE_LIMITS", "off");

/// A request that nobody else makes, to be kept under its hash; and that hash.
pub(super) fn persisted() -> (Value, String) {
    let query = format!("{{ name{}: __typename }}", uuid::Uuid::now_v7().simple());
    let hash = format!("{:x}", Sha256::digest(&query));
    let mut event = sample("graphql-http-api");
    let persisted = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    event["body"] = json!(json!({ "query": query, "extensions": persisted }).to_string());
    (event, hash)
}

#[tokio::test]
async fn the_endpoints_of_a_replication_group_are_found() {
    let deployment = Deployment::new().await;
    let redis = redis_url();
    let aws = Aws::with_redis(redis.strip_prefix("redis://").unwrap().trim_end_matches('/')).await;
    let variables = [
        UNLIMITED,
        ("AWS_ENDPOINT_URL", aws.url()),
        ("REDIS_URL", ""),
        ("ELASTICACHE_REPLICATION_GROUP", REPLICATION_GROUP),
    ];
    let graphql = deployment.start_with("graphql", &variables).await;
    let client = redis::Client::open(redis).unwrap();
    // On a busy machine the first requests may not wait until it is found.
    eventually("a document is in the group's Redis", || async {
        let (request, hash) = persisted();
        let response = graphql.invoke(request).await.unwrap();
        assert_eq!(response["statusCode"], 200, "{response}\n{}", graphql.output());
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let key = format!("cache:apq:1:{hash}");
        let there: bool = redis::cmd("EXISTS").arg(key).query_async(&mut connection).await.unwrap();
        there.then_some(()).ok_or("it is not there")
    })
    .await;
    // The other way round: what another process kept there is known.
    let other = deployment.start_with("graphql", &[UNLIMITED]).await;
    let (whole, hash) = persisted();
    let mut named = whole.clone();
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    named["body"] = json!(json!({ "extensions": extensions }).to_string());
    eventually("a document is read from the group's Redis", || async {
        other.invoke(whole.clone()).await.unwrap();
        let answer = body(&graphql.invoke(named.clone()).await.unwrap());
        if answer["data"].is_object() { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test]
async fn without_such_a_group_it_answers_and_says_once_why() {
    const CAUSE: &str = "ReplicationGroupNotFoundFault";
    let deployment = Deployment::new().await;
    let aws = Aws::with_redis("127.0.0.1:1").await;
    let variables = [
        UNLIMITED,
        ("AWS_ENDPOINT_URL", aws.url()),
        ("REDIS_URL", ""),
        ("REDIS_PASSWORD", "hunter2"),
        ("ELASTICACHE_REPLICATION_GROUP", "no-such-group"),
    ];
    let graphql = deployment.start_with("graphql", &variables).await;
    for _ in 0..5 {
        let response = graphql.invoke(persisted().0).await.unwrap();
        assert_eq!(response["statusCode"], 200, "{response}\n{}", graphql.output());
    }
    // A request may have gone on before the answer of AWS was there: the next one finds it.
    eventually("the cause is logged", || async {
        graphql.invoke(persisted().0).await.unwrap();
        graphql.output().contains(CAUSE)
    })
    .await;
    graphql.invoke(persisted().0).await.unwrap();
    let output = graphql.output();
    assert_eq!(output.lines().filter(|line| line.contains(CAUSE)).count(), 1, "{output}");
    assert!(!output.contains("hunter2"), "{output}");
}

#[tokio::test]
async fn throttling_at_the_start_is_waited_out() {
    let deployment = Deployment::new().await;
    let redis = redis_url();
    let aws = Aws::with_redis(redis.strip_prefix("redis://").unwrap().trim_end_matches('/')).await;
    aws.throttle(usize::MAX);
    let variables = [
        UNLIMITED,
        ("AWS_ENDPOINT_URL_ELASTICACHE", aws.url()),
        ("REDIS_URL", ""),
        ("ELASTICACHE_REPLICATION_GROUP", REPLICATION_GROUP),
    ];
    let graphql = deployment.start_with("graphql", &variables).await;
    let client = redis::Client::open(redis).unwrap();
    let is_kept = async || {
        let (request, hash) = persisted();
        let response = graphql.invoke(request).await.unwrap();
        assert_eq!(response["statusCode"], 200, "{response}\n{}", graphql.output());
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let there: bool =
            redis::cmd("EXISTS").arg(format!("cache:apq:1:{hash}")).query_async(&mut connection).await.unwrap();
        there
    };
    eventually("it was asked more than once", || async {
        assert!(!is_kept().await);
        aws.asked() > 1
    })
    .await;
    aws.throttle(0);
    eventually("a document is in the group's Redis", is_kept).await;
    aws.throttle(usize::MAX);
    let asked = aws.asked();
    assert!(is_kept().await, "what was found stands");
    assert_eq!(aws.asked(), asked);
}
