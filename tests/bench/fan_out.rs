//! A thousand sockets, ten updates a second: the local process from commit to client, beside a bare axum server that
//! broadcasts the same bytes. Each is a process of its own, so that its CPU and its memory are its own; rounds alternate.
//! What 99 of 100 updates take has a budget, and the CPU a delivered message; and how soon the local process is ready.

use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message as Frame, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use mcp_core::platform::config::Vars;
use mcp_core::triggers::local;
use serde_json::json;
use support::budget::{Figure, Report};
use support::ports::free_port;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const SOCKETS: usize = 1000;
const UPDATES: usize = 100;
const INTERVAL: Duration = Duration::from_millis(100);
const ROUNDS: usize = 3;
const SECRET: &str = "a secret of this benchmark and nothing else";
const ROLE: &str = "FAN_OUT_BENCH_ROLE";
const PORT: &str = "FAN_OUT_BENCH_PORT";

#[tokio::main]
async fn main() -> ExitCode {
    let port = || std::env::var(PORT).expect("a port");
    match std::env::var(ROLE).as_deref() {
        Ok("real") => return real(port()).await,
        Ok("bare") => return bare(port()).await,
        _ => {}
    }
    raise_file_limit();
    let mut servers = [Server::start("bare").await, Server::start("real").await];
    let mut seen: [Vec<Seen>; 2] = [vec![], vec![]];
    for server in &mut servers {
        server.connect().await;
    }
    for _ in 0..ROUNDS {
        for (server, seen) in servers.iter_mut().zip(&mut seen) {
            seen.push(server.round().await);
        }
    }
    let [bare, real] = seen.map(Seen::median);
    for (server, seen) in servers.iter().zip([&bare, &real]) {
        println!(
            "{:<5} {} of {} delivered, p50 {:.2} ms, p99 {:.2} ms, {:.1} us of CPU a message, {:.1} KiB a connection",
            server.name,
            seen.delivered,
            SOCKETS * UPDATES,
            seen.p50,
            seen.p99,
            seen.cpu,
            server.kib_per_connection
        );
    }
    let ready = servers.each_ref().map(|server| server.ready.as_secs_f64());
    let beside = |real, bare| Figure::beside(real, "a bare axum broadcast", bare);
    let mut report = Report::default();
    report.figure("fan_out/ready", &beside(ready[1], ready[0]));
    report.figure("fan_out/p99", &beside(real.p99, bare.p99));
    report.figure("fan_out/cpu", &beside(real.cpu, bare.cpu));
    report.figure("fan_out/undelivered", &Figure::alone((SOCKETS * UPDATES - real.delivered) as f64));
    report.exit_code()
}

/// What was seen in a round.
struct Seen {
    delivered: usize,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    /// Microseconds a message.
    cpu: f64,
}

impl Seen {
    /// The round in the middle, by CPU; and the fewest that were delivered in any.
    fn median(mut rounds: Vec<Self>) -> Self {
        rounds.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
        let delivered = rounds.iter().map(|round| round.delivered).min().expect("a round");
        Self { delivered, ..rounds.swap_remove(ROUNDS / 2) }
    }
}

/// A server in a process of its own, and its clients.
struct Server {
    name: &'static str,
    port: u16,
    process: Child,
    /// When each message came, and when what it tells happened, both in microseconds since 1970.
    heard: mpsc::UnboundedReceiver<(i64, i64)>,
    tell: mpsc::UnboundedSender<(i64, i64)>,
    clients: JoinSet<()>,
    /// From its start to its first answer.
    ready: Duration,
    kib_per_connection: f64,
    http: reqwest::Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    async fn start(name: &'static str) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("fan-out-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the temp folder takes a folder");
        let started = Instant::now();
        let process = Command::new(std::env::current_exe().expect("its own path"))
            .env(ROLE, name)
            .env(PORT, port.to_string())
            .current_dir(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let (tell, heard) = mpsc::unbounded_channel();
        let http = reqwest::Client::new();
        let mut server = Self {
            name,
            port,
            process,
            heard,
            tell,
            clients: JoinSet::new(),
            ready: Duration::ZERO,
            kib_per_connection: 0.0,
            http,
        };
        while server.http.get(format!("http://127.0.0.1:{port}/healthz")).send().await.is_err() {
            let ended = server.process.try_wait().expect("a child");
            assert!(ended.is_none(), "{name} ended instead of serving: {ended:?}");
            sleep(Duration::from_millis(20)).await;
        }
        server.ready = started.elapsed();
        server
    }

    async fn connect(&mut self) {
        // What is only loaded by the first use of it is no connection's.
        self.update().await;
        let before = resident_kib(self.process.id());
        let ready = Arc::new(AtomicUsize::new(0));
        for _ in 0..SOCKETS {
            let (url, tell, ready) =
                (format!("ws://127.0.0.1:{}/graphql/ws", self.port), self.tell.clone(), ready.clone());
            self.clients.spawn(async move { client(&url, &tell, &ready).await });
            if self.clients.len().is_multiple_of(50) {
                sleep(Duration::from_millis(50)).await;
            }
        }
        while ready.load(Ordering::Relaxed) < SOCKETS {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_secs(1)).await;
        self.kib_per_connection = (resident_kib(self.process.id()) - before) / SOCKETS as f64;
    }

    async fn round(&mut self) -> Seen {
        let cpu = cpu_micros(self.process.id());
        let started = Instant::now();
        for n in 0..UPDATES {
            sleep_until(started + INTERVAL * u32::try_from(n).expect("few")).await;
            self.update().await;
        }
        let mut late = vec![];
        let deadline = Instant::now() + Duration::from_secs(10);
        while late.len() < SOCKETS * UPDATES {
            tokio::select! {
                heard = self.heard.recv() => {
                    let (came, happened) = heard.expect("clients live");
                    late.push((came - happened) as f64 / 1000.0);
                }
                () = sleep_until(deadline) => break,
            }
        }
        let cpu = cpu_micros(self.process.id()) - cpu;
        late.sort_by(f64::total_cmp);
        let at = |part: f64| late.get((late.len() as f64 * part) as usize).copied().unwrap_or(f64::INFINITY);
        Seen { delivered: late.len(), p50: at(0.5), p99: at(0.99), cpu: cpu / late.len().max(1) as f64 }
    }

    /// Has something happen that all are told of.
    async fn update(&self) {
        let body = json!({ "query": "mutation { updateEmotion(feedback: 1) { version } }" });
        let request = self.http.post(format!("http://127.0.0.1:{}/graphql", self.port));
        let request = request.bearer_auth(token("bench", "USER")).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.expect("it answers");
        let text = response.text().await.expect("a text");
        assert!(!text.contains("errors"), "{text}");
    }
}

/// A client that says when it hears something.
async fn client(url: &str, tell: &mpsc::UnboundedSender<(i64, i64)>, ready: &AtomicUsize) {
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
    let (mut socket, _) = connect_async(request).await.expect("it connects");
    let init = json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", token("admin", "ADMIN")) } });
    let query = "subscription { emotionChanges(userId: \"bench\") { newEmotion points version occurredAt } }";
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    socket.send(Message::text(init.to_string())).await.expect("it takes a message");
    socket.next().await.expect("an ack").expect("an ack");
    socket.send(Message::text(subscribe.to_string())).await.expect("it takes a message");
    ready.fetch_add(1, Ordering::Relaxed);
    while let Some(Ok(message)) = socket.next().await {
        let came = Utc::now().timestamp_micros();
        let Message::Text(text) = message else { continue };
        let happened = text.split("occurredAt\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let happened: DateTime<Utc> = happened.expect("a time").parse().expect("a time");
        let _ = tell.send((came, happened.timestamp_micros()));
    }
}

/// The local process, on embedded defaults.
async fn real(port: String) -> ExitCode {
    let vars = Vars::from_iter([
        ("HTTP_ADDR", format!("127.0.0.1:{port}").as_str()),
        ("DATABASE_URL", "sqlite:fan-out.db"),
        ("PRICE_SOURCES", "simulated"),
        ("PRICE_POLL_SECONDS", "60"),
        ("JWT_SECRET", SECRET),
        ("RATE_LIMITS", "off"),
        ("RUST_LOG", "warn"),
    ]);
    local::run(std::iter::empty(), vars).await
}

/// What anybody would write first: every socket is sent what comes through one channel.
async fn bare(port: String) -> ExitCode {
    let (say, _) = broadcast::channel::<Arc<str>>(64);
    let routes = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/graphql", post(happen))
        .route("/graphql/ws", get(socket))
        .with_state(say);
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
    axum::serve(listener, routes).await.expect("it serves");
    ExitCode::SUCCESS
}

async fn happen(State(say): State<broadcast::Sender<Arc<str>>>) -> &'static str {
    let change = json!({ "newEmotion": "HAPPY", "points": 100, "version": 1, "occurredAt": Utc::now().to_rfc3339() });
    let message = json!({ "id": "1", "type": "next", "payload": { "data": { "emotionChanges": change } } });
    let _ = say.send(message.to_string().into());
    "{}"
}

async fn socket(State(say): State<broadcast::Sender<Arc<str>>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["graphql-transport-ws"]).on_upgrade(async move |mut socket| {
        socket.recv().await;
        let _ = socket.send(Frame::text("{\"type\":\"connection_ack\"}")).await;
        let mut heard = say.subscribe();
        while let Ok(text) = heard.recv().await {
            if socket.send(Frame::text(&*text)).await.is_err() {
                return;
            }
        }
    })
}

fn token(user: &str, role: &str) -> String {
    let claims = json!({ "sub": user, "role": role, "exp": Utc::now().timestamp() + 3600 });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("claims")
}

/// User and system time of a process.
fn cpu_micros(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().map(|place| fields[*place].parse::<u64>().expect("ticks")).sum();
    // A hundred ticks a second, on every Linux that there is.
    ticks as f64 * 10_000.0
}

fn resident_kib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Two thousand sockets are more files than a shell allows by default.
fn raise_file_limit() {
    mcp_core::platform::files::raise_limit();
}
