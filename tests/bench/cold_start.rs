//! Cold start: from the start of the process to the first response, of the graphql function as it is deployed answering
//! a cached query, beside the least function that the same libraries can make. Budget: within 4 times of it; the binary
//! under 20 MiB, the memory under 32 MiB. Then each function's, without a budget.
//!
//! All are release builds (`scripts/build.sh` makes them), all are asked by the same runtime API, rounds alternate. With
//! `COLD_START=built` those that are not built are passed over.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::coingecko::CoinGecko;
use support::lambda::Lambda;
use support::services::{fresh_postgres_database, redis_url};

#[path = "cold_start/each.rs"]
mod each;

const ROUNDS: usize = 21;
const BUDGET: f64 = 4.0;
const MAX_BINARY: u64 = 20 * 1024 * 1024;
const MAX_MEMORY: u64 = 32 * 1024 * 1024;

#[tokio::main]
async fn main() -> ExitCode {
    let release = release_folder();
    let graphql_is_within_budget = !each::is_to_measure(&release.join("graphql")) || graphql(&release).await;
    each::measure(&release).await;
    if graphql_is_within_budget { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn graphql(release: &Path) -> bool {
    let (real, minimal) = (release.join("graphql"), release.join("minimal-function"));
    let coingecko = CoinGecko::start().await;
    let database = fresh_postgres_database().await;
    let (redis, prices) = (redis_url(), coingecko.url());
    let variables = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", redis.as_str()),
        ("PRICE_SOURCES", "coingecko"),
        ("COINGECKO_URL", prices.as_str()),
        ("JWT_SECRET", "a secret that is only known to this very benchmark"),
    ];
    let cached = event(r#"{"query":"{ cryptoPrices(coins: [\"bitcoin\", \"ethereum\"]) { coin usd stale } }"}"#);
    let hello = event(r#"{"query":"{ hello }"}"#);

    let (mut of_real, mut of_minimal, mut memory) = (vec![], vec![], 0);
    // The first round fills the cache and the page cache, and does not count.
    for round in 0..=ROUNDS {
        let (time, resident) = start(&real, &variables, &cached, "bitcoin").await;
        let (least, _) = start(&minimal, &[], &hello, "world").await;
        if round > 0 {
            of_real.push(time);
            of_minimal.push(least);
            memory = memory.max(resident);
        }
    }
    let (of_real, of_minimal) = (median(of_real), median(of_minimal));
    let ratio = of_real.as_secs_f64() / of_minimal.as_secs_f64();
    let binary = std::fs::metadata(&real).map_or(0, |file| file.len());
    println!("cold start: graphql {of_real:.1?}, minimal {of_minimal:.1?}, ratio {ratio:.2} (budget {BUDGET})");
    println!("binary: {:.1} MiB (budget 20)", mib(binary));
    println!("memory after the first response: {:.1} MiB (budget 32)", mib(memory));
    ratio <= BUDGET && binary <= MAX_BINARY && memory <= MAX_MEMORY
}

/// Starts `binary`, has it answer `event`, and tells how long that took and what memory it then has, in bytes.
async fn start(binary: &Path, variables: &[(&str, &str)], event: &Value, expected: &str) -> (Duration, u64) {
    let started = Instant::now();
    let function = Lambda::start_binary(binary, variables).await;
    let answer = function.invoke(event.clone()).await.unwrap_or_else(|error| panic!("{error}\n{}", function.output()));
    let elapsed = started.elapsed();
    let body = answer["body"].as_str().unwrap_or_default();
    assert!(body.contains(expected) && !body.contains("errors"), "{answer}\n{}", function.output());
    (elapsed, function.resident_bytes().await)
}

fn event(body: &str) -> Value {
    let sample = include_str!("../../events/graphql-http-api.json");
    let mut event: Value = serde_json::from_str(sample).unwrap_or_default();
    event["body"] = json!(body);
    event
}

fn release_folder() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    this.ancestors().nth(2).unwrap_or(Path::new("target/release")).to_owned()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a size to be read by a person")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}
