//! What must hold while services die. These tests kill the services they own and run one at a time.

#[path = "chaos/kafka.rs"]
mod kafka;
#[path = "chaos/redis.rs"]
mod redis_cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::eventually::eventually;
use support::local::Local;
use support::postgres_server::PostgresServer;
use support::redis_server::RedisServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[tokio::test]
async fn a_killed_postgres_keeps_what_it_acknowledged() {
    let mut server = PostgresServer::start().await;
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)").execute(&pool).await.unwrap();
    server.kill().await;
    server.restart().await;
    let kept: i32 = sqlx::query_scalar("SELECT n FROM kept").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 42);
    server.stop().await;
}

#[tokio::test]
async fn a_killed_redis_comes_back_empty_at_the_same_address() {
    let mut server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("SET").arg("key").arg(1).query_async(&mut connection).await.unwrap();
    server.kill().await;
    assert!(client.get_multiplexed_async_connection().await.is_err());
    server.restart().await;
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let kept: Option<i32> = redis::cmd("GET").arg("key").query_async(&mut connection).await.unwrap();
    assert_eq!(kept, None);
    server.stop().await;
}

/// A secret of at least 32 bytes, and a token for anybody.
const SECRET: &str = "a secret that is only known to these very tests";

fn token(user: &str) -> String {
    let exp = chrono::Utc::now().timestamp() + 3600;
    let claims = serde_json::json!({ "sub": user, "role": "USER", "exp": exp });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// What came of a request: its code, or `None` where there was no error. What is unavailable is a 503.
async fn ask(client: &reqwest::Client, local: &Local, user: &str, query: &str) -> (Option<String>, Value) {
    let request =
        client.post(local.url("/graphql")).bearer_auth(token(user)).header("content-type", "application/json");
    let response = request.body(json!({ "query": query }).to_string()).send().await.expect("it answers");
    let status = response.status().as_u16();
    let answer: Value = serde_json::from_str(&response.text().await.expect("a text")).expect("JSON");
    assert_eq!(status, if answer["errors"].is_array() { 503 } else { 200 }, "{answer}");
    (answer["errors"][0]["extensions"]["code"].as_str().map(str::to_owned), answer)
}

/// Asks again and again from eight users at once, until told to stop: how often each code came.
async fn load(local: Arc<Local>, stop: Arc<AtomicBool>, query: &'static str) -> BTreeMap<String, usize> {
    let client = reqwest::Client::new();
    let mut asking = JoinSet::new();
    for worker in 0..8 {
        let (local, stop, client) = (local.clone(), stop.clone(), client.clone());
        asking.spawn(async move {
            let mut codes = BTreeMap::<String, usize>::new();
            // Every request is another user's, so that no limit is met; the limiter is asked all the same.
            for n in 0.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (code, _) = ask(&client, &local, &format!("user-{worker}-{n}"), query).await;
                *codes.entry(code.unwrap_or_else(|| "ok".to_owned())).or_default() += 1;
            }
            codes
        });
    }
    asking.join_all().await.into_iter().fold(BTreeMap::<String, usize>::new(), |mut sum, codes| {
        for (code, times) in codes {
            *sum.entry(code).or_default() += times;
        }
        sum
    })
}

#[tokio::test]
async fn redis_killed_and_restarted_under_load_costs_no_request() {
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let variables = [("PRICE_SOURCES", "simulated"), ("JWT_SECRET", SECRET), ("REDIS_URL", url.as_str())];
    let local = Arc::new(Local::start(&variables).await);
    let stop = Arc::new(AtomicBool::new(false));
    let query = r#"{ cryptoPrices(coins: ["bitcoin", "ethereum"]) { usd } emotion { points } }"#;
    let asked = tokio::spawn(load(local.clone(), stop.clone(), query));
    for _ in 0..2 {
        sleep(Duration::from_secs(1)).await;
        redis.kill().await;
        sleep(Duration::from_secs(2)).await;
        redis.restart().await;
    }
    sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::SeqCst);
    let codes = asked.await.unwrap();
    assert!(codes["ok"] > 100 && codes.len() == 1, "{codes:?}");
}

#[tokio::test]
async fn a_database_killed_under_load_gives_503s_and_loses_nothing_acknowledged() {
    let mut postgres = PostgresServer::start().await;
    let url = postgres.url();
    let variables = [("PRICE_SOURCES", "simulated"), ("JWT_SECRET", SECRET), ("DATABASE_URL", url.as_str())];
    let local = Arc::new(Local::start(&variables).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let (local, stop) = (local.clone(), stop.clone());
        writers.spawn(async move {
            let (client, user) = (reqwest::Client::new(), format!("writer-{writer}"));
            let (mut acknowledged, mut codes) = (0, BTreeMap::<String, usize>::new());
            while !stop.load(Ordering::SeqCst) {
                match ask(&client, &local, &user, "mutation { updateEmotion(feedback: 1) { version } }").await {
                    (None, _) => acknowledged += 1,
                    (Some(code), _) => *codes.entry(code).or_default() += 1,
                }
                // Eight users may make 500 requests a minute each.
                sleep(Duration::from_millis(150)).await;
            }
            (user, acknowledged, codes)
        });
    }
    sleep(Duration::from_secs(2)).await;
    postgres.kill().await;
    sleep(Duration::from_secs(3)).await;
    let health = reqwest::get(local.url("/healthz")).await.unwrap();
    assert_eq!(health.status(), 503);
    postgres.restart().await;
    let client = reqwest::Client::new();
    eventually("it recovers by itself", || async {
        let (code, answer) = ask(&client, &local, "someone", "{ emotion { version } }").await;
        code.is_none().then_some(()).ok_or(answer)
    })
    .await;
    sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::SeqCst);
    let mut refused = 0;
    for (user, acknowledged, codes) in writers.join_all().await {
        let (_, answer) = ask(&client, &local, &user, "{ emotion { version } }").await;
        let version = answer["data"]["emotion"]["version"].as_i64().unwrap();
        assert!(acknowledged > 0 && version >= acknowledged, "{user}: {version} of {acknowledged}");
        assert!(codes.keys().all(|code| code == "UPSTREAM_UNAVAILABLE"), "{user}: {codes:?}");
        refused += codes.values().sum::<usize>();
    }
    assert!(refused > 0, "nobody noticed that the database was gone");
}
