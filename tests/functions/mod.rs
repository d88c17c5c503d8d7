//! The compiled functions, each sent the sample events of `events/` through Lambda's runtime API, with a real Postgres,
//! Redis and DynamoDB behind them.

mod admin;
mod drift;
mod elasticache;
mod emulator;
mod graphql;
mod iam;
mod msk;
mod price_poller;
mod secrets;
mod subscriptions;
mod telemetry;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use support::coingecko::CoinGecko;
use support::lambda::Lambda;
use support::services::{fresh_postgres_database, redis_url};

const SECRET: &str = "a secret that is only known to these very tests";

/// What functions of one deployment share.
struct Deployment {
    coingecko: CoinGecko,
    database: String,
}

impl Deployment {
    /// One whose schema is up to date.
    async fn new() -> Self {
        let deployment = Self { coingecko: CoinGecko::start().await, database: fresh_postgres_database().await };
        let admin = deployment.start("admin").await;
        admin.invoke(sample("admin-migrate")).await.expect("the schema can be made");
        deployment
    }

    async fn start(&self, function: &str) -> Lambda {
        self.start_with(function, &[]).await
    }

    /// The same with more variables, or others.
    async fn start_with(&self, function: &str, more: &[(&str, &str)]) -> Lambda {
        let (redis, prices) = (redis_url(), self.coingecko.url());
        let mut variables = BTreeMap::from([
            ("DATABASE_URL", self.database.as_str()),
            ("REDIS_URL", redis.as_str()),
            ("JWT_SECRET", SECRET),
            ("PRICE_SOURCES", "coingecko"),
            ("COINGECKO_URL", prices.as_str()),
            ("COINGECKO_API_KEY", "the-key-of-coingecko"),
            // Coins that no other test asks for: they share a Redis.
            ("PRICE_COINS", "coin-90,coin-91,coin-92"),
            ("PRICE_POLL_SECONDS", "60"),
        ]);
        variables.extend(more.iter().copied());
        Lambda::start(function, &variables.into_iter().collect::<Vec<_>>()).await
    }

    /// The number that a query counts.
    async fn count(&self, query: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.database).await.expect("the database answers");
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await.expect("a count")
    }
}

/// A sample event.
pub(crate) fn sample(name: &str) -> Value {
    let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A sample request with another GraphQL document.
pub(crate) fn asking(name: &str, query: &str) -> Value {
    let mut event = sample(name);
    event["body"] = json!(json!({ "query": query }).to_string());
    event
}

/// The GraphQL answer in a response to API Gateway.
#[track_caller]
fn body(response: &Value) -> Value {
    let text = response["body"].as_str().unwrap_or_else(|| panic!("no body: {response}"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {response}"))
}

/// A response's headers, whichever way they are given.
fn headers(response: &Value) -> Map<String, Value> {
    let mut headers = response["headers"].as_object().cloned().unwrap_or_default();
    for (name, values) in response["multiValueHeaders"].as_object().into_iter().flatten() {
        headers.insert(name.clone(), values[0].clone());
    }
    headers
}
