//! A CoinGecko that a test owns: it quotes what it is told to, counts what it is asked, and fails on demand.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running one. Ends when dropped.
#[derive(Debug)]
pub struct CoinGecko {
    address: SocketAddr,
    state: Arc<Mutex<Book>>,
    _server: JoinSet<()>,
}

/// What it quotes and what it was asked.
#[derive(Debug, Default)]
struct Book {
    usd: BTreeMap<String, String>,
    failing: Option<u16>,
    /// The `ids` of each call, in order.
    calls: Vec<String>,
    keys: Vec<String>,
}

impl CoinGecko {
    /// One that knows `bitcoin` at 65000.5, `ethereum` at 3500.25, and `coin-0` to `coin-99` at 1.5.
    pub async fn start() -> Self {
        let mut book = Book::default();
        book.usd.insert("bitcoin".into(), "65000.5".into());
        book.usd.insert("ethereum".into(), "3500.25".into());
        book.usd.extend((0..100).map(|n| (format!("coin-{n}"), "1.5".to_owned())));
        let state = Arc::new(Mutex::new(book));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let routes = Router::new().route("/api/v3/simple/price", get(simple_price)).with_state(state.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, state, _server: server }
    }

    /// The value for `COINGECKO_URL`.
    pub fn url(&self) -> String {
        format!("http://{}/api/v3", self.address)
    }

    /// Changes a price; the text goes into the JSON as it is.
    pub fn quote(&self, coin: &str, usd: &str) {
        self.book(|book| book.usd.insert(coin.to_owned(), usd.to_owned()));
    }

    /// Answers with this status from now on; `None`: works again.
    pub fn fail(&self, status: Option<u16>) {
        self.book(|book| book.failing = status);
    }

    /// The `ids` of each call so far.
    pub fn calls(&self) -> Vec<String> {
        self.book(|book| book.calls.clone())
    }

    /// The API keys that came with calls.
    pub fn keys(&self) -> Vec<String> {
        self.book(|book| book.keys.clone())
    }

    fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn simple_price(
    State(state): State<Arc<Mutex<Book>>>,
    Query(asked): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut book = state.lock().unwrap_or_else(PoisonError::into_inner);
    let ids = asked.get("ids").cloned().unwrap_or_default();
    book.calls.push(ids.clone());
    let keys = ["x-cg-demo-api-key", "x-cg-pro-api-key"].into_iter().filter_map(|name| headers.get(name));
    let keys: Vec<_> = keys.filter_map(|key| key.to_str().ok()).map(str::to_owned).collect();
    book.keys.extend(keys);
    if let Some(status) = book.failing {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return (status, [("retry-after", "1")], "{}").into_response();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let quotes: Vec<_> = ids
        .split(',')
        .filter_map(|id| {
            let usd = book.usd.get(id)?;
            Some(format!(
                r#""{id}":{{"usd":{usd},"usd_market_cap":1234567890.12,"usd_24h_change":-1.25,"last_updated_at":{now}}}"#
            ))
        })
        .collect();
    ([("content-type", "application/json")], format!("{{{}}}", quotes.join(","))).into_response()
}
