//! The connection to Redis: it comes back, and a Redis that is down costs little.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_core::cache::{EntryOptions, RedisTier};
use mcp_core::platform::config::{RedisConfig, RedisEndpoint};
use mcp_core::platform::metrics::{Measured, prometheus};
use mcp_core::platform::redis::{Discovery, RedisClient, RedisOptions, Role};
use support::eventually::eventually;
use support::proxy::{Network, Proxy};
use support::redis_server::RedisServer;
use tokio::net::TcpListener;

use super::*;

fn client_at(port: u16) -> RedisClient {
    let endpoint = RedisEndpoint::parse("REDIS_URL", &format!("redis://127.0.0.1:{port}")).unwrap();
    RedisClient::new(&endpoint, RedisOptions::default()).unwrap()
}

async fn ping(client: &RedisClient) -> bool {
    client.query::<String>(&::redis::cmd("PING")).await.is_ok()
}

#[tokio::test]
async fn a_connection_that_was_cut_is_opened_again_within_the_request() {
    let client = redis::client();
    let other = redis::client();
    for _ in 0..3 {
        let id: u64 = client.query(::redis::cmd("CLIENT").arg("ID")).await.unwrap();
        other.query::<u64>(::redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id)).await.unwrap();
        assert!(ping(&client).await);
    }
}

#[tokio::test]
async fn an_address_is_looked_up_once_for_all_clients() {
    let lookups = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lookups);
    let discovery = Discovery::new("a test", move || {
        counter.fetch_add(1, Ordering::SeqCst);
        let primary = RedisEndpoint::parse("TEST_REDIS_URL", &support::services::redis_url()).unwrap();
        Box::pin(async { Ok(RedisConfig { primary, reader: None }) })
    });
    let patient = RedisOptions { deadline: Duration::from_secs(5), ..RedisOptions::default() };
    for role in [Role::Primary, Role::Reader] {
        assert!(ping(&RedisClient::discovered(&discovery, role, patient)).await, "{role:?}");
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redis_that_refuses_is_asked_seldom() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_at(listener.local_addr().unwrap().port());
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    for _ in 0..1000 {
        assert!(!ping(&client).await);
    }
    // A thousand requests that each tried would have made three thousand attempts.
    assert!(attempts.load(Ordering::SeqCst) < 100, "{attempts:?}");
}

#[tokio::test]
async fn a_redis_that_never_answers_is_not_waited_for_by_each_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client_at(listener.local_addr().unwrap().port());
    let started = tokio::time::Instant::now();
    for _ in 0..1000 {
        assert!(!ping(&client).await);
    }
    // At the deadline of 100 ms each, this would take well over a minute.
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    drop(listener);
}

#[tokio::test]
async fn a_redis_that_comes_up_later_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let client = client_at(port);
    for _ in 0..10 {
        assert!(!ping(&client).await);
    }
    // The simplest Redis there is: whatever it is sent, it says PONG as often as there were commands.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.readable().await.is_ok() {
                    let Ok(count) = stream.try_read(&mut buffer) else { continue };
                    let commands = buffer[..count].iter().filter(|&&byte| byte == b'*').count();
                    if count == 0 || stream.try_write("+PONG\r\n".repeat(commands).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let found = async {
        while !ping(&client).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("it was never tried again");
}

#[tokio::test]
async fn a_primary_that_was_demoted_is_left() {
    let (demoted, primary) = (RedisServer::start().await, RedisServer::start().await);
    let client = client_at(demoted.address().rsplit_once(':').unwrap().1.parse().unwrap());
    let set = ::redis::cmd("SET").arg("key").arg(1).take();
    client.query::<()>(&set).await.unwrap();
    let (host, port) = (primary.address(), primary.address());
    let (host, port) = (host.rsplit_once(':').unwrap().0, port.rsplit_once(':').unwrap().1.to_owned());
    let connections = async || {
        let info: String = client.query(::redis::cmd("INFO").arg("stats")).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap().to_owned();
        line.parse::<u32>().unwrap()
    };
    client.query::<()>(::redis::cmd("REPLICAOF").arg(host).arg(&port)).await.unwrap();
    let before = connections().await;
    client.query::<()>(&set).await.unwrap_err();
    // At the address of the primary there would be another by now.
    assert!(connections().await > before);
    client.query::<()>(::redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await.unwrap();
    client.query::<()>(&set).await.unwrap();
}

/// Which takes longer than any one call waits, and of which there is only one in a second.
#[tokio::test]
async fn a_slow_handshake_is_finished_by_the_time_of_the_next_call() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let server = RedisServer::start_with_tls().await;
    let proxy = Proxy::to(&server.address()).await;
    let url = server.url().replace(&server.address(), &proxy.address());
    let endpoint = RedisEndpoint::parse("REDIS_URL", &url).unwrap().trusting(server.ca().to_str());
    let options = RedisOptions { deadline: Duration::from_millis(300), connect_timeout: Duration::from_secs(1) };
    let tier = RedisTier::new(Arc::new(RedisClient::new(&endpoint, options).unwrap()), None, "");
    let cache = super::fleet::process_with(tier, Duration::from_millis(600));
    // A call takes 200 ms, a handshake several times that.
    proxy.set(Network::Slow(Duration::from_millis(100))).await;
    let options = EntryOptions::lasting(Duration::ZERO, Duration::from_secs(60));
    eventually("something is kept in Redis", || async {
        cache.put_values([("k".to_owned(), 1)], &options).await;
        let samples = prometheus(cache.samples());
        let kept = samples
            .lines()
            .any(|line| line.starts_with("mcp_cache_bytes_written_total{tier=\"redis\"}") && !line.ends_with(" 0"));
        if kept { Ok(()) } else { Err(samples) }
    })
    .await;
}

/// The handshake takes less than the deadline, and a call after it more than what is left of that.
#[tokio::test]
async fn a_connection_that_opened_just_now_is_there_for_the_next_call() {
    let server = RedisServer::start().await;
    let proxy = Proxy::to(&server.address()).await;
    proxy.set(Network::Slow(Duration::from_millis(60))).await;
    let endpoint = RedisEndpoint::parse("REDIS_URL", &format!("redis://{}", proxy.address())).unwrap();
    let options = RedisOptions { deadline: Duration::from_millis(200), ..RedisOptions::default() };
    let client = RedisClient::new(&endpoint, options).unwrap();
    eventually("a call is answered", || async { if ping(&client).await { Ok(()) } else { Err("not in time") } }).await;
}
