//! Cold start: from the start of the process to the first response, of the graphql function as it is deployed answering
//! a cached query, beside the least function that the same libraries can make. That ratio has a budget, and so have
//! its binary and its memory. Then each function's, without a budget.
//!
//! All are release builds (`scripts/build.sh` makes them), all are asked by the same runtime API, rounds alternate. With
//! `COLD_START=built` those that are not built are passed over.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::budget::{Figure, Report};
use support::coingecko::CoinGecko;
use support::lambda::Lambda;
use support::services::{fresh_postgres_database, redis_url};

#[path = "cold_start/each.rs"]
mod each;

const ROUNDS: usize = 21;

#[tokio::main]
async fn main() -> ExitCode {
    let release = release_folder();
    let mut report = Report::default();
    if each::is_to_measure(&release.join("graphql")) {
        graphql(&release, &mut report).await;
    }
    each::measure(&release).await;
    report.exit_code()
}

async fn graphql(release: &Path, report: &mut Report) {
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

    let (mut of_real, mut of_minimal, mut memory, mut least_memory) = (vec![], vec![], 0, 0);
    // The first round fills the cache and the page cache, and does not count.
    for round in 0..=ROUNDS {
        let (time, resident) = start(&real, &variables, &cached, "bitcoin").await;
        let (least, least_resident) = start(&minimal, &[], &hello, "world").await;
        if round > 0 {
            of_real.push(time);
            of_minimal.push(least);
            memory = memory.max(resident);
            least_memory = least_memory.max(least_resident);
        }
    }
    let [of_real, of_minimal] = [of_real, of_minimal].map(|times| median(times).as_secs_f64() * 1000.0);
    let size = |binary: &Path| std::fs::metadata(binary).map_or(f64::NAN, |file| mib(file.len()));
    report.figure("cold_start/graphql", &Figure::beside(of_real, "a minimal function", of_minimal));
    report.figure("cold_start/binary", &Figure::beside(size(&real), "a minimal function", size(&minimal)));
    // After the first response.
    let [memory, least_memory] = [memory, least_memory].map(mib);
    report.figure("cold_start/memory", &Figure::beside(memory, "a minimal function", least_memory));
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
