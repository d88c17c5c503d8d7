//! `price-poller`.

use support::eventually::eventually;
use support::redis_server::RedisServer;

use super::{Deployment, sample};

const EVENTS: &str = "SELECT count(*) FROM events WHERE event_type = 'PriceUpdated'";

#[tokio::test]
async fn a_poll_appends_what_changed_and_nothing_else() {
    let deployment = Deployment::new().await;
    let poller = deployment.start("price-poller").await;
    let first = poller.invoke(sample("price-poller")).await.unwrap();
    assert_eq!((&first["fetched"], &first["appended"]), (&3.into(), &3.into()), "{first}");
    deployment.coingecko.quote("coin-91", "2.5");
    let second = poller.invoke(sample("price-poller")).await.unwrap();
    assert_eq!(second["appended"], 1, "{second}");
    assert_eq!(deployment.count(EVENTS).await, 4);
    let new = "SELECT count(*) FROM events WHERE event_data ->> 'coin' = 'coin-91' AND event_data ->> 'usd' = '2.5'";
    assert_eq!(deployment.count(new).await, 1);
    assert_eq!(deployment.count("SELECT count(*) FROM latest_prices").await, 0, "that is the projector's to write");
    assert_eq!(deployment.coingecko.keys(), vec!["the-key-of-coingecko"; 2]);
    assert!(!poller.output().contains("the-key-of-coingecko"), "{}", poller.output());
}

#[tokio::test]
async fn a_schedule_that_fires_twice_at_once_is_harmless() {
    let deployment = Deployment::new().await;
    let (one, other) = (deployment.start("price-poller").await, deployment.start("price-poller").await);
    let (first, second) = tokio::join!(one.invoke(sample("price-poller")), other.invoke(sample("price-poller")));
    let appended =
        [first.unwrap(), second.unwrap()].iter().filter_map(|summary| summary["appended"].as_i64()).sum::<i64>();
    assert_eq!(appended, 3);
    assert_eq!(deployment.count(EVENTS).await, 3);
}

#[tokio::test]
async fn a_source_that_fails_is_a_failed_invocation_and_no_event() {
    let deployment = Deployment::new().await;
    deployment.coingecko.fail(Some(500));
    let poller = deployment.start("price-poller").await;
    assert!(poller.invoke(sample("price-poller")).await.is_err());
    assert_eq!(deployment.count(EVENTS).await, 0);
}

#[tokio::test]
async fn a_source_that_keeps_failing_is_left_alone_by_every_sandbox_and_cloudwatch_hears_of_it() {
    let (deployment, redis) = (Deployment::new().await, RedisServer::start().await);
    let url = redis.url();
    let shared = [("REDIS_URL", url.as_str())];
    let poller = deployment.start_with("price-poller", &shared).await;
    let other = deployment.start_with("price-poller", &shared).await;
    deployment.coingecko.fail(Some(500));
    for _ in 0..5 {
        assert!(poller.invoke(sample("price-poller")).await.is_err());
    }
    let opened = r#""service":"coingecko""#;
    let told = |output: String| {
        output.lines().any(|line| line.contains(r#""circuit_breaker.open":1.0"#) && line.contains(opened))
    };
    eventually("the first tells CloudWatch", || async {
        if told(poller.output()) { Ok(()) } else { Err(poller.output()) }
    })
    .await;
    // The other one never asked, and asks nobody now.
    let calls = deployment.coingecko.calls().len();
    assert!(other.invoke(sample("price-poller")).await.is_err());
    assert_eq!(deployment.coingecko.calls().len(), calls);
    eventually("the other tells CloudWatch", || async {
        if told(other.output()) { Ok(()) } else { Err(other.output()) }
    })
    .await;
}
