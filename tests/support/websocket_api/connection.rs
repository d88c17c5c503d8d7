//! One client: what it says, what it is told, and how it ends.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Shared;
use super::events::{Client, unique_id};

/// How long a client is given to answer a closing frame.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long the socket stands after a closing frame where what the client sends is not read any more.
const LINGER: Duration = Duration::from_millis(100);

/// A client that can be reached.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) id: String,
    pub(super) client: Client,
    pub(super) active_at: Arc<Mutex<DateTime<Utc>>>,
    pub(super) commands: mpsc::Sender<Command>,
}

/// What is to be done with a client. Who waits for `done` in vain: the client is gone.
pub(super) enum Command {
    /// Send it a text.
    Send { text: String, done: oneshot::Sender<()> },
    /// End the connection.
    Close { done: oneshot::Sender<()> },
    /// End it without a word.
    Cut,
}

/// How a connection ended.
struct End {
    code: u16,
    reason: Cow<'static, str>,
    by: By,
}

enum By {
    /// The client: it has said so, or is away.
    Client,
    /// This side: the client is told.
    Here,
    /// This side, in the middle of what the client says.
    HereWithRest,
    /// The network.
    Network,
}

impl End {
    fn new(code: u16, reason: impl Into<Cow<'static, str>>, by: By) -> Self {
        Self { code, reason: reason.into(), by }
    }

    fn abnormal(by: By) -> Self {
        Self::new(1006, "Connection Closed Abnormally", by)
    }
}

/// From the handshake to `$disconnect`.
pub(super) async fn serve(shared: Arc<Shared>, client: Client, mut socket: WebSocket) {
    let (commands, todo) = mpsc::channel(16);
    let active_at = Arc::new(Mutex::new(Utc::now()));
    let open = Open { id: client.id.clone(), client: client.clone(), active_at, commands };
    shared.open.send_modify(|all| all.push(open.clone()));
    let mut running = shared.running.clone();
    let end = tokio::select! {
        end = carry(&shared, &open, todo, &mut socket) => end,
        _ = running.changed() => End::abnormal(By::Network),
    };
    shared.open.send_modify(|all| all.retain(|other| other.id != client.id));
    part(&end, socket).await;
    let sends = !shared.controls().no_disconnects;
    if sends {
        shared.invoke(client.disconnects(end.code, &end.reason)).await;
    }
}

/// Until it ends.
async fn carry(shared: &Arc<Shared>, open: &Open, mut todo: mpsc::Receiver<Command>, socket: &mut WebSocket) -> End {
    let ends_at = Instant::now() + shared.limits.lifetime;
    let mut idle_at = Instant::now() + shared.limits.idle;
    loop {
        tokio::select! {
            frame = socket.recv() => match hear(shared, open, frame) {
                Ok(false) => continue,
                Ok(true) => {}
                Err(end) => return end,
            },
            Some(command) = todo.recv() => match command {
                Command::Send { text, done } => match timeout(shared.limits.stalled, socket.send(Message::text(text))).await {
                    Ok(Ok(())) => drop(done.send(())),
                    _ => return End::abnormal(By::Network),
                },
                Command::Close { done } => {
                    let _ = done.send(());
                    return End::new(1000, "Connection Closed Normally", By::Here);
                }
                Command::Cut => return End::abnormal(By::Network),
            },
            () = sleep_until(idle_at.min(ends_at)) => return End::new(1001, "Going away", By::Here),
        }
        idle_at = Instant::now() + shared.limits.idle;
        if let Ok(mut active_at) = open.active_at.lock() {
            *active_at = Utc::now();
        }
    }
}

/// Takes a frame: whether it was a message.
fn hear(shared: &Arc<Shared>, open: &Open, frame: Option<Result<Message, axum::Error>>) -> Result<bool, End> {
    match frame {
        Some(Ok(Message::Text(text))) => invoke(shared, open, open.client.says(&text)),
        Some(Ok(Message::Binary(bytes))) => invoke(shared, open, open.client.says_bytes(&bytes)),
        // Pings are answered by the library.
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(false),
        Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
            return Err(End::new(code, reason.to_string(), By::Client));
        }
        Some(Ok(Message::Close(None))) => {
            return Err(End::new(1005, "Client-side close frame status not set", By::Client));
        }
        Some(Err(error)) if error.to_string().contains("too long") => {
            return Err(End::new(1009, "Message too long", By::HereWithRest));
        }
        Some(Err(_)) | None => return Err(End::abnormal(By::Client)),
    }
    Ok(true)
}

/// Has the function handle a message, beside others. The client hears of it only where it fails.
fn invoke(shared: &Arc<Shared>, open: &Open, event: Value) {
    let held = shared.controls().held(event["body"].as_str().unwrap_or_default());
    let (shared, open) = (shared.clone(), open.clone());
    tokio::spawn(async move {
        if let Some(released) = held {
            let _ = released.await;
        }
        if shared.invoke(event).await.is_none() {
            let failure =
                json!({ "message": "Internal server error", "connectionId": open.id, "requestId": unique_id() });
            let (done, _) = oneshot::channel();
            let _ = open.commands.send(Command::Send { text: failure.to_string(), done }).await;
        }
    });
}

/// Says what is to be said at the end.
async fn part(end: &End, mut socket: WebSocket) {
    let frame = CloseFrame { code: end.code, reason: end.reason.as_ref().into() };
    let farewell = async {
        if let By::Here | By::HereWithRest = end.by {
            let _ = socket.send(Message::Close(Some(frame))).await;
        }
        match end.by {
            // The library answers a closing frame while it is asked for more.
            By::Client | By::Here => while let Some(Ok(_)) = socket.recv().await {},
            By::HereWithRest => sleep(LINGER).await,
            By::Network => {}
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
}
