//! S3 alone: whatever is no entry there is a miss, and a bucket that is not there is an error.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use mcp_core::cache::S3Tier;
use mcp_core::platform::ids::new_id;

use super::*;

const BUCKET: &str = "mcp-cache-tests";

/// A client of the test server.
async fn client() -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(support::services::s3_url());
    Client::new(&config.load().await)
}

/// A tier with objects of its own.
pub(super) async fn tier() -> S3Tier {
    tier_at(&format!("{}/", new_id())).await
}

async fn tier_at(prefix: &str) -> S3Tier {
    let client = client().await;
    // There from the second time on.
    let _ = client.create_bucket().bucket(BUCKET).send().await;
    S3Tier::new(BUCKET, prefix, Arc::new(SystemClock)).through(client)
}

#[tokio::test]
async fn what_is_foreign_is_a_miss() {
    let prefix = format!("{}/", new_id());
    let (client, tier) = (client().await, tier_at(&prefix).await);
    put(&tier, &[("k", &entry("1"))]).await;
    let listed = client.list_objects_v2().bucket(BUCKET).prefix(&prefix).send().await.unwrap();
    let name = listed.contents()[0].key().unwrap().to_owned();
    for foreign in [&b""[..], b"text", b"\x01aaaaaaaabbbbbbbbv"] {
        client.put_object().bucket(BUCKET).key(&name).body(ByteStream::from_static(foreign)).send().await.unwrap();
        assert_eq!(get(&tier, &["k"]).await, [None]);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_that_names_no_bucket() {
    let tier = S3Tier::new("no-such-bucket-at-all", "x/", Arc::new(SystemClock)).through(client().await);
    let error = tier.get_many(&keys(&["k"])).await.unwrap_err();
    assert_eq!((error.tier, error.problem.as_str()), ("s3", "NoSuchBucket"));
    assert!(tier.put_many(&[("k".to_owned(), entry("1"))]).await.is_err());
}
