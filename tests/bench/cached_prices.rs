//! Cached `cryptoPrices` of ten coins over HTTP, with and without the response cache, beside a plain handler on the same route
//! that returns the same bytes: their ratios have a budget. All are asked by wrk, rounds alternate. And how often a source is
//! asked for many coins.

use std::net::SocketAddr;
use std::process::{Command, ExitCode};

use axum::Router;
use axum::http::header::{AGE, CONTENT_TYPE};
use axum::routing::post;
use mcp_core::app;
use mcp_core::platform::config::Vars;
use support::budget::{Figure, Report};
use tokio::net::TcpListener;

#[path = "cached_prices/upstream.rs"]
mod upstream;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;
const QUERY: &str = "{ cryptoPrices(coins: [\\\"bitcoin\\\", \\\"ethereum\\\", \\\"tether\\\", \\\"ripple\\\", \
    \\\"binancecoin\\\", \\\"solana\\\", \\\"usd-coin\\\", \\\"dogecoin\\\", \\\"cardano\\\", \\\"tron\\\"]) \
    { coin usd change24h marketCap updatedAt source stale } }";

#[tokio::main]
async fn main() -> ExitCode {
    // What the local process keeps, it keeps there.
    let folder = std::env::temp_dir().join(format!("cached-prices-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temp folder takes a folder");
    std::env::set_current_dir(&folder).expect("it is there");
    let mut report = Report::default();
    upstream::measure(&mut report).await;

    let (kept, computed) = (serve(router("on").await).await, serve(router("off").await).await);
    let body = format!("{{\"query\":\"{QUERY}\"}}");
    let mut answer = String::new();
    for (address, is_kept) in [(computed, false), (kept, true)] {
        ask(address, &body).await;
        // By now all is cached that will be.
        let (text, has_age) = ask(address, &body).await;
        assert!(!text.contains("errors") && text.matches("\"usd\"").count() == 10, "{text}");
        assert_eq!(has_age, is_kept, "whether it comes from the response cache");
        answer = text;
    }
    let constant = serve(Router::new().route(
        "/graphql",
        post(move |_: axum::body::Bytes| {
            let answer = answer.clone();
            async move { ([(CONTENT_TYPE, "application/json; charset=utf-8")], answer) }
        }),
    ))
    .await;
    let script = std::env::temp_dir().join(format!("cached-prices-{}.lua", std::process::id()));
    let lua = format!("wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = [[{body}]]\n");
    std::fs::write(&script, lua).expect("the temp folder takes a file");

    let servers = [kept, computed, constant];
    let mut rates = [vec![], vec![], vec![]];
    for _ in 0..ROUNDS {
        rates.iter_mut().zip(servers).for_each(|(rates, server)| rates.push(rate(server, &script)));
    }
    let _ = std::fs::remove_file(&script);
    let [kept, computed, constant] = rates.map(median);
    report.figure("cached_prices/kept", &Figure::beside(kept, "a constant handler", constant));
    report.figure("cached_prices/computed", &Figure::beside(computed, "a constant handler", constant));
    report.exit_code()
}

async fn router(response_cache: &str) -> Router {
    let vars = Vars::from_iter([
        ("DATABASE_URL", "sqlite::memory:"),
        ("PRICE_SOURCES", "simulated"),
        ("RATE_LIMITS", "off"),
        ("GRAPHQL_RESPONSE_CACHE", response_cache),
        ("RUST_LOG", "warn"),
    ]);
    app::local(&vars).await.expect("it starts").router
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let address = listener.local_addr().expect("a bound port");
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// The answer, and whether it says how old it is.
async fn ask(address: SocketAddr, body: &str) -> (String, bool) {
    let request = reqwest::Client::new().post(format!("http://{address}/graphql")).body(body.to_owned());
    let response = request.header("content-type", "application/json").send().await.expect("it answers");
    let has_age = response.headers().contains_key(AGE);
    (response.text().await.expect("a text"), has_age)
}

/// Requests a second, as wrk counts them; an answer that is not 200 is an error.
fn rate(address: SocketAddr, script: &std::path::Path) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", "-c16", &format!("-d{SECONDS}s"), "-s"])
        .arg(script)
        .arg(format!("http://{address}/graphql"))
        .output()
        .expect("wrk is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}
