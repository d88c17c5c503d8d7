//! Cached `cryptoPrices` of ten coins over HTTP, with the response cache and without, beside a plain handler on the same
//! route that returns the same bytes. Budget: at least half the requests a second. All are asked by wrk, rounds alternate.

use std::net::SocketAddr;
use std::process::{Command, ExitCode};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use mcp_core::app;
use mcp_core::platform::config::Vars;
use tokio::net::TcpListener;

const ROUNDS: usize = 5;
const SECONDS: u32 = 3;
const BUDGET: f64 = 0.5;
const QUERY: &str = "{ cryptoPrices(coins: [\\\"bitcoin\\\", \\\"ethereum\\\", \\\"tether\\\", \\\"ripple\\\", \
    \\\"binancecoin\\\", \\\"solana\\\", \\\"usd-coin\\\", \\\"dogecoin\\\", \\\"cardano\\\", \\\"tron\\\"]) \
    { coin usd change24h marketCap updatedAt source stale } }";

#[tokio::main]
async fn main() -> ExitCode {
    let (kept, made) = (serve(router("on").await).await, serve(router("off").await).await);
    let body = format!("{{\"query\":\"{QUERY}\"}}");
    let answer = ask(kept, &body).await;
    assert!(!answer.contains("errors") && answer.matches("\"usd\"").count() == 10, "{answer}");
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

    let (mut of_kept, mut of_made, mut of_constant) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        of_kept.push(rate(kept, &script));
        of_made.push(rate(made, &script));
        of_constant.push(rate(constant, &script));
    }
    let _ = std::fs::remove_file(&script);
    let of_constant = median(of_constant);
    println!("a constant: {of_constant:.0}/s");
    let mut within = true;
    for (what, rates) in [("answers are kept", of_kept), ("each is made anew", of_made)] {
        let rate = median(rates);
        let ratio = rate / of_constant;
        println!("cached cryptoPrices of 10 coins, where {what}: {rate:.0}/s");
        println!("ratio {ratio:.2} (budget {BUDGET})");
        within &= ratio >= BUDGET;
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn router(response_cache: &str) -> Router {
    let folder = std::env::temp_dir().join(format!("cached-prices-{}-{response_cache}", std::process::id()));
    std::env::set_current_dir({
        std::fs::create_dir_all(&folder).expect("the temp folder takes a folder");
        &folder
    })
    .expect("it is there");
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

async fn ask(address: SocketAddr, body: &str) -> String {
    let request = reqwest::Client::new().post(format!("http://{address}/graphql")).body(body.to_owned());
    let response = request.header("content-type", "application/json").send().await.expect("it answers");
    response.text().await.expect("a text")
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
