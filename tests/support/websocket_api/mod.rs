//! An API Gateway WebSocket API with one function behind its three routes, written from AWS's documentation
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api.html>).
//!
//! | file | what is in it |
//! | --- | --- |
//! | `backend` | the function: several sandboxes of a compiled one, or a closure |
//! | `events` | what the function is sent |
//! | `handshake` | `$connect`: who is let in |
//! | `connection` | one client: its frames, `$default`, how it ends, `$disconnect` |
//! | `management` | `@connections`: what functions call to reach a client |
//! | `controls` | what a test has it do, and what it counts |
//!
//! As there: a client is let in once `$connect` has answered, and cannot be reached before; each frame is an invocation of
//! its own, and those of one client run side by side and may overtake each other; what `$default` answers is not sent to
//! the client; `$disconnect` is best effort; limits on sizes, idle time and lifetime.
//! Not imitated: routes by what is in a frame, route responses, authorisers, signatures (one must be there), the account's
//! limit on new connections, messages to clients split into frames of 32 KB (they are one frame).

mod backend;
mod connection;
mod controls;
mod events;
mod handshake;
mod management;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::eventually::DEADLINE;
use connection::{Command, Open};
use controls::{Controls, Counts};

pub use backend::{Answer, Backend};
pub use controls::Held;

/// The only stage that there is.
pub const STAGE: &str = "test";
/// The largest frame that a client may send, in bytes.
pub const MAX_FRAME: usize = 32 * 1024;
/// The largest message either way, in bytes.
pub const MAX_MESSAGE: usize = 128 * 1024;

/// What a test may wait for less long than API Gateway does.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection may be without a message, either way. Pings are none.
    pub idle: Duration,
    /// How long a connection may be.
    pub lifetime: Duration,
    /// How long the function may take, waiting for a free sandbox included.
    pub integration: Duration,
    /// How long a client may take none of what is sent to it before it is given up.
    pub stalled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10 * 60),
            lifetime: Duration::from_secs(2 * 60 * 60),
            integration: Duration::from_secs(29),
            // Not documented.
            stalled: Duration::from_secs(5),
        }
    }
}

/// The API. Clients are cut off when it is dropped.
pub struct WebsocketApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped with this: tells connections.
    _running: watch::Sender<()>,
    _server: JoinSet<()>,
}

/// What all requests and connections work on.
struct Shared {
    backend: Backend,
    limits: Limits,
    controls: Mutex<Controls>,
    counts: Mutex<Counts>,
    /// Clients that can be reached, in the order in which they came.
    open: watch::Sender<Vec<Open>>,
    running: watch::Receiver<()>,
}

impl WebsocketApi {
    /// One before that function.
    pub async fn start(backend: Backend) -> Self {
        Self::with(backend, Limits::default()).await
    }

    /// The same with other limits.
    pub async fn with(backend: Backend, limits: Limits) -> Self {
        Self::on("127.0.0.1:0", backend, limits).await
    }

    /// The same at an address (`HOST:PORT`) that was chosen before: functions are told it when they start.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn on(address: &str, backend: Backend, limits: Limits) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound port");
        // Small frames go out as they are.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let (running, is_running) = watch::channel(());
        let shared = Arc::new(Shared {
            backend,
            limits,
            controls: Mutex::default(),
            counts: Mutex::default(),
            open: watch::Sender::default(),
            running: is_running,
        });
        let routes = Router::new()
            .route("/{stage}", any(handshake::handshake))
            .route(
                "/{stage}/@connections/{id}",
                get(management::tell).post(management::post).delete(management::delete),
            )
            .fallback(handshake::forbidden)
            .layer(DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, shared, _running: running, _server: server }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("ws://{}/{STAGE}", self.address)
    }

    /// Where functions reach clients: the endpoint of the management API.
    pub fn endpoint(&self) -> String {
        format!("http://{}/{STAGE}", self.address)
    }

    /// The ids of all clients that can be reached, in the order in which they came.
    pub fn connections(&self) -> Vec<String> {
        self.shared.open.borrow().iter().map(|open| open.id.clone()).collect()
    }

    /// The same once there are exactly so many.
    ///
    /// # Panics
    /// When there never are.
    pub async fn connected(&self, count: usize) -> Vec<String> {
        let mut open = self.shared.open.subscribe();
        let there = timeout(DEADLINE, open.wait_for(|open| open.len() == count)).await;
        assert!(there.is_ok(), "{count} connections were awaited, there are {}", self.connections().len());
        self.connections()
    }

    /// Has the next `count` calls of the management API answered with 429.
    pub fn throttle_next(&self, count: u32) {
        self.shared.controls().throttle = count;
    }

    /// Answers more posts a second than that with 429; `None` is no limit.
    pub fn limit_rate(&self, per_second: Option<usize>) {
        self.shared.controls().rate = per_second;
    }

    /// Has the next `count` calls of the management API answered with 500.
    pub fn fail_next(&self, count: u32) {
        self.shared.controls().fail = count;
    }

    /// Has every post to a client take that long from now on, before the client gets it: a slow client.
    pub fn delay(&self, connection: &str, delay: Duration) {
        self.shared.controls().delays.insert(connection.to_owned(), delay);
    }

    /// Whether `$disconnect` is sent to the function from now on. At first it is.
    pub fn send_disconnects(&self, send: bool) {
        self.shared.controls().no_disconnects = !send;
    }

    /// Holds back the invocation for the next frame whose body matches, while others overtake it.
    pub fn hold(&self, matches: impl Fn(&str) -> bool + Send + 'static) -> Held {
        self.shared.controls().hold(Box::new(matches))
    }

    /// Cuts a client off without a closing frame, as a network does.
    pub async fn cut(&self, connection: &str) {
        if let Some(open) = self.shared.find(connection) {
            let _ = open.commands.send(Command::Cut).await;
        }
    }

    /// How many posts reached that client.
    pub fn posts(&self, connection: &str) -> u64 {
        self.shared.counts().posts.get(connection).copied().unwrap_or_default()
    }

    /// How many posts were answered with 429.
    pub fn throttled(&self) -> u64 {
        self.shared.counts().throttled
    }

    /// How many connections were ended through the management API.
    pub fn deletes(&self) -> u64 {
        self.shared.counts().deletes
    }

    /// The most invocations of `$default` that there were at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.counts().most_at_once
    }

    /// The events that the function was sent, on all routes, in the order in which it was invoked.
    pub fn events(&self) -> Vec<Value> {
        self.shared.counts().events.clone()
    }

    /// What went wrong in the function: the errors that it reported, and answers that are none.
    pub fn failures(&self) -> Vec<Value> {
        self.shared.counts().failures.clone()
    }
}

impl Shared {
    fn controls(&self) -> MutexGuard<'_, Controls> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client that can be reached.
    fn find(&self, id: &str) -> Option<Open> {
        self.open.borrow().iter().find(|open| open.id == id).cloned()
    }
}
