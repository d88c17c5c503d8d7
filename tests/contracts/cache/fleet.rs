//! Many processes over one Redis: who loads, what is invalidated, and what all of it does on a cluster.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::future::join_all;
use mcp_core::breaker::Breakers;
use mcp_core::cache::{
    Cache, Companion, EntryOptions, Loaded, ReadOptions, ReadThrough, RedisTier, RefreshLeases, Source, StampStore,
    TierOptions,
};
use mcp_core::platform::BoxFuture;
use mcp_core::platform::clock::Clock;
use mcp_core::platform::config::RedisEndpoint;
use mcp_core::platform::ids::new_id;
use mcp_core::platform::redis::{RedisClient, RedisOptions};
use support::eventually::eventually;
use support::redis_cluster::RedisCluster;
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::*;

/// A cache as a process has it: with its own memory, and its own breaker.
pub(crate) fn process(tier: RedisTier) -> Cache {
    // Patient: tests share the machine with a build.
    process_with(tier, Duration::from_secs(10))
}

pub(super) fn process_with(tier: RedisTier, patience: Duration) -> Cache {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let breakers = Breakers::new(clock.clone());
    let (tier, mut options) = (Arc::new(tier), TierOptions::redis());
    options.breaker.timeout = patience;
    let beside = Companion::new(tier.clone(), tier.clone(), &options, &breakers);
    Cache::new(MemoryTier::new(1 << 20, clock.clone()), clock).before(tier, options, &breakers).beside(beside)
}

fn tier_in(prefix: &str) -> RedisTier {
    RedisTier::new(redis::client(), None, prefix)
}

async fn a_lease_is_one_holders_until_it_is_given_back(leases: &dyn RefreshLeases) {
    let both = keys(&["a", "b"]);
    let take = async |keys: &[String], holder: &str| leases.take(keys, holder, Duration::from_secs(60)).await.unwrap();
    assert_eq!(take(&both[..1], "one").await, [true]);
    assert_eq!(take(&both, "other").await, [false, true]);
    assert_eq!(take(&both, "one").await, [true, false], "what a holder has, it has");
    leases.give_back(&both, "one").await.unwrap();
    assert_eq!(take(&both, "third").await, [true, false], "what is another's stays so");
}

async fn a_lease_ends_by_itself(leases: &dyn RefreshLeases) {
    let key = keys(&["short"]);
    assert_eq!(leases.take(&key, "one", Duration::from_millis(50)).await.unwrap(), [true]);
    eventually("the lease is over", || async {
        match leases.take(&key, "other", Duration::from_secs(60)).await.unwrap()[..] {
            [true] => Ok(()),
            _ => Err("it is not"),
        }
    })
    .await;
}

async fn a_stamp_is_what_was_written_last(stamps: &dyn StampStore) {
    let names = keys(&["x", "y", "z"]);
    assert_eq!(stamps.read(&names).await.unwrap(), [None; 3]);
    assert_eq!(stamps.ensure(&names[..1], 5).await.unwrap(), [5]);
    assert_eq!(stamps.ensure(&names[..2], 6).await.unwrap(), [5, 6]);
    stamps.write(&names[..2], u64::MAX).await.unwrap();
    stamps.write(&names[1..2], 7).await.unwrap();
    assert_eq!(stamps.read(&names).await.unwrap(), [Some(u64::MAX), Some(7), None]);
}

#[tokio::test]
async fn leases_and_stamps_hold_in_redis() {
    a_lease_is_one_holders_until_it_is_given_back(&redis::tier()).await;
    a_lease_ends_by_itself(&redis::tier()).await;
    a_stamp_is_what_was_written_last(&redis::tier()).await;
}

#[tokio::test]
async fn what_one_process_invalidates_is_gone_from_the_memory_of_another() {
    let prefix = support::services::redis_prefix();
    let (one, other) = (process(tier_in(&prefix)), process(tier_in(&prefix)));
    let day = Duration::from_secs(24 * 3600);
    let tagged = EntryOptions { tags: vec!["user:7".to_owned()], ..EntryOptions::lasting(day, day) };
    one.put_values([("a:1".to_owned(), 1), ("a:2".to_owned(), 2)], &EntryOptions::lasting(day, day)).await;
    one.put_values([("b:1".to_owned(), 3)], &tagged).await;
    for key in ["a:1", "a:2", "b:1"] {
        assert!(other.get_value::<i32>(key).await.is_some_and(|cached| cached.fresh));
    }
    one.remove_many(&keys(&["a:1"])).await.unwrap();
    one.invalidate_tags(&["user:7"]).await.unwrap();
    eventually("the other process knows", || async {
        let found = [other.get_value::<i32>("a:1").await.is_some(), other.get_value::<i32>("b:1").await.is_some()];
        if found == [false, false] { Ok(()) } else { Err(found) }
    })
    .await;
    assert!(other.get_value::<i32>("a:2").await.is_some_and(|cached| *cached.value == 2), "what is another's stays");
}

/// All that is promised of Redis, on three primaries and their replicas, over TLS and with a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promise_holds_on_a_cluster_with_tls() {
    let cluster = RedisCluster::start().await;
    let client = client_of(&cluster);
    let fresh = || RedisTier::new(client.clone(), None, format!("{}:", new_id()));
    every_promise(|| Box::new(fresh())).await;
    a_lease_is_one_holders_until_it_is_given_back(&fresh()).await;
    a_lease_ends_by_itself(&fresh()).await;
    a_stamp_is_what_was_written_last(&fresh()).await;
    crate::contracts::circuits::every_promise(client.clone()).await;
}

/// A patient client of a cluster.
pub(crate) fn client_of(cluster: &RedisCluster) -> Arc<RedisClient> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let endpoint = RedisEndpoint::parse("REDIS_URL", &cluster.url()).unwrap().trusting(cluster.ca().to_str());
    let options = RedisOptions { deadline: Duration::from_secs(5), ..RedisOptions::default() };
    Arc::new(RedisClient::new(&endpoint, options).unwrap())
}

/// What a process of the twenty is told.
const CHILD: &str = "MCP_TEST_FLEET_CHILD";
const PROCESSES: usize = 20;
const REQUESTS: usize = 50;
const KEY: &str = "n:1";

/// A source that is asked over HTTP, so that it can count what twenty processes ask.
struct Remote {
    url: String,
}

impl Source<u64, String> for Remote {
    fn load<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, HashMap<String, Loaded<u64, String>>> {
        Box::pin(async {
            let value = ask(&self.url, "/value").await;
            keys.iter().map(|key| (key.clone(), Loaded::Value(value))).collect()
        })
    }

    fn timed_out(&self) -> String {
        "timed out".to_owned()
    }
}

async fn ask(url: &str, path: &str) -> u64 {
    let answer = reqwest::get(format!("{url}{path}")).await.expect("the source answers");
    answer.text().await.expect("a text").parse().expect("a number")
}

/// One of the twenty: fifty requests at once.
async fn child(told: &str) {
    let (url, prefix) = told.split_once(' ').expect("a URL and a prefix");
    let options = ReadOptions::new(EntryOptions::lasting(Duration::from_secs(60), Duration::from_secs(600)));
    let source = Arc::new(Remote { url: url.to_owned() });
    let values = ReadThrough::new(Arc::new(process(tier_in(prefix))), source, options);
    ask(url, "/ready").await;
    let key = [KEY.to_owned()];
    let answers = join_all((0..REQUESTS).map(|_| values.get(&key))).await;
    for answer in answers {
        let fetched = answer[KEY].as_ref().expect("a value");
        assert_eq!((fetched.value(), fetched.stale), (Some(&42), false));
    }
}

#[derive(Clone)]
struct Counted {
    asked: Arc<AtomicUsize>,
    ready: Arc<Barrier>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_of_twenty_processes_for_an_expired_key_ask_once() {
    if let Ok(told) = std::env::var(CHILD) {
        return child(&told).await;
    }
    let counted = Counted { asked: Arc::default(), ready: Arc::new(Barrier::new(PROCESSES)) };
    let value = |State(counted): State<Counted>| async move {
        counted.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        "42"
    };
    let ready = |State(counted): State<Counted>| async move {
        counted.ready.wait().await;
        "0"
    };
    let routes = Router::new().route("/value", get(value)).route("/ready", get(ready)).with_state(counted.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let told = format!("http://{} {}", listener.local_addr().unwrap(), support::services::redis_prefix());
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let expired = EntryOptions::lasting(Duration::ZERO, Duration::from_millis(1));
    process(tier_in(told.split_once(' ').unwrap().1)).put_values([(KEY.to_owned(), Some(7))], &expired).await;

    let this = std::thread::current().name().expect("a test has its name").to_owned();
    let start = |_| {
        let mut command = tokio::process::Command::new(std::env::current_exe().expect("a path"));
        command.args([&this, "--exact", "--nocapture"]).env(CHILD, &told).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true).output()
    };
    for output in join_all((0..PROCESSES).map(start)).await {
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
    }
    assert_eq!(counted.asked.load(Ordering::SeqCst), 1);
    server.abort();
}
