//! One node, and a session with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::message::{self, Outcome, RpcError, decode};
use crate::breaker::{BreakerError, Breakers, CircuitBreaker, Options, State};
use crate::domain::chain::ChainId;
use crate::platform::clock::{Clock, Timestamp};
use crate::sources::SourceError;
use crate::sources::chains::EndpointHealth;
use crate::sources::http::{Exchange, HttpClient};

/// For one request: a range of logs may take its time.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much the newest observation weighs.
const WEIGHT: f64 = 0.2;
/// How long a node is left alone that says it is asked too much, but not for how long.
const PAUSE: TimeDelta = TimeDelta::seconds(2);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// A node, and how it has behaved.
pub(super) struct Endpoint {
    /// Its host; never the URL.
    pub(super) name: String,
    url: Url,
    http: HttpClient,
    breaker: Arc<CircuitBreaker>,
    clock: Arc<dyn Clock>,
    vitals: Mutex<Vitals>,
}

/// What is known of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Vitals {
    /// Milliseconds an answer takes.
    pub(super) latency: Option<f64>,
    /// 0 to 1: how many of the last calls failed.
    pub(super) errors: f64,
    /// Which chain it said that it serves.
    pub(super) chain: Option<ChainId>,
    /// The newest block that it told of, and when.
    pub(super) head: Option<(u64, Timestamp)>,
    /// When it was last asked for both.
    pub(super) probed_at: Option<Timestamp>,
    /// It wants to be left alone until then.
    pub(super) paused_until: Option<Timestamp>,
}

impl Endpoint {
    pub(super) fn new(
        chain: &str,
        name: String,
        url: Url,
        http: HttpClient,
        clock: Arc<dyn Clock>,
        breakers: &Breakers,
    ) -> Self {
        let breaker = breakers.get(&Options {
            timeout: TIMEOUT,
            reset_timeout: Duration::from_secs(10),
            group: Some("rpc".into()),
            ..Options::new(format!("rpc:{chain}:{name}"))
        });
        Self { name, url, http, breaker, clock, vitals: Mutex::default() }
    }

    pub(super) fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the node still wants to be left alone.
    pub(super) fn pause(&self) -> Option<Duration> {
        let until = self.vitals().paused_until?;
        (until - self.clock.now()).to_std().ok().filter(|pause| !pause.is_zero())
    }

    /// Less is better: the time an answer takes, more where it often fails. Unknown nodes come last.
    pub(super) fn score(&self) -> f64 {
        let vitals = self.vitals();
        vitals.latency.unwrap_or(60_000.0) * (1.0 + 10.0 * vitals.errors)
    }

    pub(super) fn health(&self, note: Option<String>) -> EndpointHealth {
        let open = self.breaker.state() == State::Open;
        let note = note
            .or_else(|| open.then(|| "its circuit is open".to_owned()))
            .or_else(|| self.pause().map(|_| "it wants to be left alone".to_owned()));
        let vitals = self.vitals();
        EndpointHealth {
            endpoint: self.name.clone(),
            usable: note.is_none(),
            note: note.unwrap_or_default(),
            head: vitals.head.map(|(head, _)| head),
            latency: vitals.latency.map(|latency| Duration::from_secs_f64(latency / 1000.0)),
        }
    }

    async fn exchange(&self, calls: &[(&str, Value)]) -> Result<Vec<Outcome>, RpcError> {
        if let Some(pause) = self.pause() {
            return Err(SourceError::RateLimited { retry_after: Some(pause) }.into());
        }
        let json = Some(message::encode(calls)?);
        let started = self.clock.micros();
        let exchange = Exchange { service: &self.name, base: &self.url, path: "", query: &[], headers: &[], json };
        let asked = async {
            let answered = self.http.exchange(exchange).await?;
            match message::outcomes(calls, &answered.body) {
                // What is not JSON-RPC is told by its status, where that says more.
                Err(RpcError::Source(SourceError::Malformed(_))) if !answered.status.is_success() => {
                    Err(SourceError::Malformed(format!("HTTP {}", answered.status.as_u16())).into())
                }
                outcomes => outcomes,
            }
        };
        let told = |error: &BreakerError<RpcError>| {
            matches!(error, BreakerError::Failed(RpcError::Answer(_) | RpcError::Unsupported(_)))
        };
        let waiting = Waiting { endpoint: self, started };
        let outcome = self.breaker.call_filtered(asked, told).await.map_err(RpcError::from);
        std::mem::forget(waiting);
        self.note(&outcome, self.clock.micros() - started);
        outcome
    }

    fn note(&self, outcome: &Result<Vec<Outcome>, RpcError>, micros: i64) {
        let mut vitals = self.vitals();
        let failure = match outcome {
            // It was not asked.
            Err(RpcError::Source(SourceError::CircuitOpen { .. })) => return,
            Err(RpcError::Source(error)) => Some(error),
            Ok(_) | Err(_) => None,
        };
        vitals.errors = vitals.errors * (1.0 - WEIGHT) + if failure.is_some() { WEIGHT } else { 0.0 };
        match failure {
            None => {
                let milliseconds = milliseconds(micros);
                let known = vitals.latency.unwrap_or(milliseconds);
                vitals.latency = Some(known * (1.0 - WEIGHT) + milliseconds * WEIGHT);
            }
            Some(SourceError::RateLimited { retry_after }) => {
                let pause = retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or(PAUSE);
                vitals.paused_until = Some(self.clock.now() + pause.min(LONGEST_PAUSE));
            }
            Some(_) => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no answer takes so long")]
fn milliseconds(micros: i64) -> f64 {
    micros.max(0) as f64 / 1000.0
}

/// A request under way. Where it is given up because another node was faster, the node is at least so slow.
struct Waiting<'a> {
    endpoint: &'a Endpoint,
    started: i64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = milliseconds(self.endpoint.clock.micros() - self.started);
        let mut vitals = self.endpoint.vitals();
        if let Some(known) = vitals.latency.filter(|known| *known < waited) {
            vitals.latency = Some(known * (1.0 - WEIGHT) + waited * WEIGHT);
        }
    }
}

impl From<BreakerError<Self>> for RpcError {
    fn from(error: BreakerError<Self>) -> Self {
        Self::Source(match error {
            BreakerError::Failed(error) => return error,
            BreakerError::Open { retry_after } => SourceError::CircuitOpen { retry_after },
            BreakerError::Busy => SourceError::CircuitOpen { retry_after: Duration::from_secs(1) },
            BreakerError::TimedOut(limit) => SourceError::TimedOut(limit),
        })
    }
}

/// Calls that all go to one node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(pub(super) Arc<Endpoint>);

impl Session {
    /// The node's name, for logs.
    pub(crate) fn endpoint(&self) -> &str {
        &self.0.name
    }

    /// One call.
    ///
    /// # Errors
    /// [`RpcError`]; a result that is no `T` is [`SourceError::Malformed`].
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let mut outcomes = self.0.exchange(&[(method, params)]).await?;
        decode(&*outcomes.pop().unwrap_or_else(|| Err(SourceError::Malformed("no answer".to_owned()).into()))?)
    }

    /// Several calls in one request, each with its own outcome: a result, or an error that speaks of the call.
    ///
    /// # Errors
    /// [`RpcError::Source`], where there is no outcome at all.
    pub(crate) async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Outcome>, RpcError> {
        if calls.is_empty() { Ok(vec![]) } else { self.0.exchange(calls).await }
    }
}
