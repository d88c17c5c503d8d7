//! A compiled function as Lambda runs it: a process of its own that asks the runtime API for invocations.
//!
//! The API is <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>, as far as one function, invoked once at a
//! time, sees it. Not imitated: freezing between invocations, extensions, the limits on payloads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::process::{Output, Process, command, compiled};

/// How long a function may take, as in its configuration; the function is told the deadline.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A function that runs. Killed when dropped.
#[derive(Debug)]
pub struct Lambda {
    name: String,
    api: RuntimeApi,
    process: Mutex<Process>,
    output: Output,
}

impl Lambda {
    /// Starts the compiled function `name` with these variables and those that Lambda sets, and no others.
    pub async fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_binary(&compiled(name), variables).await
    }

    /// The same for the binary at a path, named as its file.
    pub async fn start_binary(binary: &FilePath, variables: &[(&str, &str)]) -> Self {
        let name = binary.file_name().and_then(|name| name.to_str()).expect("a binary has a name");
        let api = RuntimeApi::start().await;
        let mut command = command(binary);
        command.envs(lambda_variables(name, &api)).envs(variables.iter().copied());
        let process = Process::start(name, &mut command);
        Self { name: name.to_owned(), api, output: process.output(), process: Mutex::new(process) }
    }

    /// Invokes it, as a synchronous invocation does: `Err` is the error that the function reported.
    ///
    /// # Panics
    /// When the function ends instead of answering, or answers neither way in time.
    pub async fn invoke(&self, payload: Value) -> Result<Value, Value> {
        let mut process = self.process.lock().await;
        tokio::select! {
            answer = self.api.invoke(payload) => answer,
            status = process.ended_unhurried() => panic!("{} ended: {status}; it printed:\n{}", self.name, self.output()),
        }
    }

    /// Waits until the function asks for its first invocation: it has read its variables, and is constructed.
    ///
    /// # Errors
    /// What it printed, where it ends instead.
    pub async fn started(&self) -> Result<(), String> {
        let (mut process, mut asked) = (self.process.lock().await, self.api.asked.clone());
        tokio::select! {
            asked = asked.wait_for(|asked| *asked) => asked.map(drop).map_err(|error| error.to_string()),
            status = process.ended_unhurried() => Err(format!("it ended: {status}; it printed:\n{}", self.output())),
            () = sleep_until(Instant::now() + TIMEOUT) => Err(format!("it does not start; it printed:\n{}", self.output())),
        }
    }

    /// Whether the function ends instead of answering.
    pub async fn dies_of(&self, payload: Value) -> bool {
        let mut process = self.process.lock().await;
        tokio::select! {
            _ = self.api.invoke(payload) => false,
            _ = process.ended_unhurried() => true,
        }
    }

    /// Sends its process a signal by its name (`STOP` is what a freeze does, `CONT` a thaw).
    pub async fn signal(&self, signal: &str) {
        self.process.lock().await.signal(signal).await;
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// The memory that it has now (its resident set), in bytes; 0 where the system does not tell.
    pub async fn resident_bytes(&self) -> u64 {
        self.process.lock().await.resident_bytes()
    }

    /// The most memory that it ever had, in bytes; 0 where the system does not tell.
    pub async fn peak_bytes(&self) -> u64 {
        self.process.lock().await.peak_bytes()
    }
}

/// What Lambda sets, and credentials that are nobody's.
fn lambda_variables(name: &str, api: &RuntimeApi) -> Vec<(&'static str, String)> {
    [
        ("AWS_LAMBDA_RUNTIME_API", api.address.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "test".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
    .into()
}

type Answer = Result<Value, Value>;

/// The other side of the function.
#[derive(Debug)]
struct RuntimeApi {
    address: SocketAddr,
    invocations: mpsc::UnboundedSender<Invocation>,
    waiting: Arc<Waiting>,
    failed_start: watch::Receiver<Option<Value>>,
    /// Whether an invocation was asked for.
    asked: watch::Receiver<bool>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Invocation {
    id: String,
    payload: Value,
}

/// Who waits for which invocation's answer.
#[derive(Debug, Default)]
struct Waiting(StdMutex<HashMap<String, oneshot::Sender<Answer>>>);

impl Waiting {
    fn add(&self, id: String) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        receiver
    }

    /// False if nobody waits: it was answered before, or never asked.
    fn answer(&self, id: &str, answer: Answer) -> bool {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        sender.is_some_and(|sender| sender.send(answer).is_ok())
    }
}

#[derive(Clone)]
struct Shared {
    next: Arc<Mutex<mpsc::UnboundedReceiver<Invocation>>>,
    waiting: Arc<Waiting>,
    failed_start: watch::Sender<Option<Value>>,
    asked: watch::Sender<bool>,
}

impl RuntimeApi {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let (invocations, next) = mpsc::unbounded_channel();
        let (failed, failed_start) = watch::channel(None);
        let (asking, asked) = watch::channel(false);
        let waiting = Arc::new(Waiting::default());
        let shared =
            Shared { next: Arc::new(Mutex::new(next)), waiting: waiting.clone(), failed_start: failed, asked: asking };
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_invocation))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(shared);
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("the runtime API serves") });
        Self { address, invocations, waiting, failed_start, asked, _server: server }
    }

    async fn invoke(&self, payload: Value) -> Answer {
        let id = Uuid::now_v7().to_string();
        let answer = self.waiting.add(id.clone());
        self.invocations.send(Invocation { id, payload }).expect("the runtime API runs");
        let mut failed = self.failed_start.clone();
        tokio::select! {
            answer = answer => answer.expect("an invocation is answered"),
            Ok(error) = failed.wait_for(Option::is_some) => Err(error.clone().unwrap_or_default()),
            () = sleep_until(Instant::now() + TIMEOUT) => panic!("no answer within {TIMEOUT:?}"),
        }
    }
}

async fn next_invocation(State(shared): State<Shared>) -> Response {
    shared.asked.send_replace(true);
    let Some(Invocation { id, payload }) = shared.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now() + TIMEOUT;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:test".to_owned()),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    (headers, payload.to_string()).into_response()
}

async fn response(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    settle(&shared, &id, Ok(json_of(&body)))
}

async fn error(State(shared): State<Shared>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    settle(&shared, &id, Err(json_of(&body)))
}

async fn init_error(State(shared): State<Shared>, body: Bytes) -> StatusCode {
    shared.failed_start.send_replace(Some(json_of(&body)));
    StatusCode::ACCEPTED
}

fn settle(shared: &Shared, id: &str, answer: Answer) -> StatusCode {
    if shared.waiting.answer(id, answer) { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST }
}

/// What Lambda would pass on: JSON, or nothing. Anything else is shown as text, so that a test can see it.
fn json_of(body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Plays a function for one invocation: takes it and posts `answer` to `path`.
    async fn play(api: &RuntimeApi, path: &str, answer: &str) -> (Value, StatusCode) {
        let (client, base) = (reqwest::Client::new(), format!("http://{}/2018-06-01/runtime/invocation", api.address));
        let invocation = client.get(format!("{base}/next")).send().await.unwrap();
        let header = |name: &str| invocation.headers()[name].to_str().unwrap().to_owned();
        assert!(header("lambda-runtime-deadline-ms").parse::<u64>().is_ok());
        let id = header("lambda-runtime-aws-request-id");
        let payload = serde_json::from_str(&invocation.text().await.unwrap()).unwrap();
        let post = || client.post(format!("{base}/{id}/{path}")).body(answer.to_owned()).send();
        let status = post().await.unwrap().status();
        assert_eq!(post().await.unwrap().status(), StatusCode::BAD_REQUEST, "a second answer is refused");
        (payload, status)
    }

    #[tokio::test]
    async fn an_invocation_is_answered_once() {
        let api = RuntimeApi::start().await;
        let (answer, seen) = tokio::join!(api.invoke(json!({"n": 1})), play(&api, "response", r#"{"n":2}"#));
        assert_eq!(seen, (json!({"n": 1}), StatusCode::ACCEPTED));
        assert_eq!(answer, Ok(json!({"n": 2})));
    }

    #[tokio::test]
    async fn an_error_is_an_error() {
        let api = RuntimeApi::start().await;
        let (answer, _) = tokio::join!(api.invoke(json!({})), play(&api, "error", r#"{"errorMessage":"no"}"#));
        assert_eq!(answer, Err(json!({"errorMessage": "no"})));
    }

    #[tokio::test]
    async fn a_failed_start_answers_every_invocation() {
        let api = RuntimeApi::start().await;
        let url = format!("http://{}/2018-06-01/runtime/init/error", api.address);
        reqwest::Client::new().post(url).body(r#"{"errorType":"Config"}"#).send().await.unwrap();
        assert_eq!(api.invoke(json!({})).await, Err(json!({"errorType": "Config"})));
    }
}
