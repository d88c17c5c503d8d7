//! One node, and a session with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::message::{self, Outcome, Outcomes, RpcError, decode};
use crate::breaker::{Backoff, BreakerError, Breakers, CircuitBreaker, Options, State};
use crate::domain::chain::ChainId;
use crate::platform::clock::{Clock, Timestamp};
use crate::sources::chains::EndpointHealth;
use crate::sources::http::{Exchange, HttpClient};
use crate::sources::{SourceError, behind_breaker};

/// For one request: a range of logs may take its time.
const TIMEOUT: Duration = Duration::from_secs(4);
/// How much the newest observation weighs.
const WEIGHT: f64 = 0.2;
/// How long a node is left alone that says it is asked too much, but not for how long.
const PAUSE: TimeDelta = TimeDelta::seconds(2);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// Requests at once to a node that takes one call each.
const ONE_BY_ONE: usize = 8;

/// A node, and how it has behaved.
pub(super) struct Endpoint {
    /// Its host; never the URL.
    pub(super) name: String,
    url: Url,
    http: HttpClient,
    breaker: Arc<CircuitBreaker>,
    clock: Arc<dyn Clock>,
    vitals: Mutex<Vitals>,
    /// It takes one call a request.
    refuses_batches: AtomicBool,
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
    /// How far it was behind the others then.
    pub(super) lag: u64,
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
            // Where there is no other, who waits wants to know soon that it is back.
            reset_timeout: Duration::from_secs(2),
            reset_backoff: Backoff { factor: 2, longest: Duration::from_secs(30), jitter_percentage: 10 },
            group: Some("rpc".into()),
            ..Options::new(format!("rpc:{chain}:{name}"))
        });
        let refuses_batches = AtomicBool::new(false);
        Self { name, url, http, breaker, clock, vitals: Mutex::default(), refuses_batches }
    }

    pub(super) fn vitals(&self) -> MutexGuard<'_, Vitals> {
        self.vitals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its circuit lets calls through.
    pub(super) fn is_closed(&self) -> bool {
        self.breaker.state() == State::Closed
    }

    /// How long the node still wants to be left alone.
    pub(super) fn pause(&self) -> Option<Duration> {
        let until = self.vitals().paused_until?;
        (until - self.clock.now()).to_std().ok().filter(|pause| !pause.is_zero())
    }

    /// Less is better: the time an answer takes, more where it often fails. Unknown nodes come last, but for those that
    /// are left alone.
    pub(super) fn score(&self) -> f64 {
        let alone = self.breaker.state() == State::Open || self.pause().is_some();
        let vitals = self.vitals();
        vitals.latency.unwrap_or(60_000.0) * (1.0 + 10.0 * vitals.errors) + if alone { 1e9 } else { 0.0 }
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

    async fn exchange(&self, calls: &[(&str, Value)]) -> Result<Outcomes, RpcError> {
        if let Some(pause) = self.pause() {
            return Err(SourceError::RateLimited { retry_after: Some(pause) }.into());
        }
        let json = Some(message::encode(calls)?);
        let exchange = Exchange { service: &self.name, base: &self.url, path: "", query: &[], headers: &[], json };
        let asked = async {
            let answered = self.http.exchange(exchange).await?;
            let status = answered.status;
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PAYMENT_REQUIRED | StatusCode::FORBIDDEN) {
                return Err(malformed(status));
            }
            match message::outcomes(calls, &answered.body) {
                // What is not JSON-RPC is told by its status, where that says more.
                Err(RpcError::Source(SourceError::Malformed(_))) if !status.is_success() => Err(malformed(status)),
                outcomes => outcomes,
            }
        };
        // A caller chooses what is executed, and how much is asked for: how long that takes says nothing of the node.
        let execution = calls.iter().any(|(method, _)| matches!(*method, "eth_call" | "eth_estimateGas"));
        let told = |error: &BreakerError<RpcError>| match error {
            BreakerError::TimedOut(_) => execution,
            BreakerError::Failed(error) => matches!(
                error,
                RpcError::Answer(_) | RpcError::Unsupported(_) | RpcError::Source(SourceError::TooLong(_))
            ),
            BreakerError::Open { .. } | BreakerError::Busy => false,
        };
        let watch = Watch { endpoint: self, started: self.clock.micros(), ended: false };
        let outcome = self.breaker.call_filtered(asked, told).await.map_err(behind_breaker);
        watch.ended(&outcome);
        outcome
    }

    /// What was answered cannot be read as what it should be.
    fn note_nonsense(&self) {
        let mut vitals = self.vitals();
        vitals.errors = vitals.errors * (1.0 - WEIGHT) + WEIGHT;
    }
}

fn malformed(status: StatusCode) -> RpcError {
    SourceError::Malformed(format!("HTTP {}", status.as_u16())).into()
}

/// A request that is under way. One that is dropped took at least so long: another node was faster, or nobody waits.
struct Watch<'a> {
    endpoint: &'a Endpoint,
    started: i64,
    ended: bool,
}

impl Watch<'_> {
    fn ended(mut self, outcome: &Result<Outcomes, RpcError>) {
        self.ended = true;
        let failure = match outcome {
            // It was not asked.
            Err(RpcError::Source(SourceError::CircuitOpen { .. })) => return,
            Err(RpcError::Source(error)) => Some(error),
            Ok(_) | Err(_) => None,
        };
        if matches!(failure, None | Some(SourceError::TimedOut(_))) {
            self.took();
        }
        let mut vitals = self.endpoint.vitals();
        vitals.errors = vitals.errors * (1.0 - WEIGHT) + if failure.is_some() { WEIGHT } else { 0.0 };
        if let Some(SourceError::RateLimited { retry_after }) = failure {
            let pause = retry_after.and_then(|wait| TimeDelta::from_std(wait).ok()).unwrap_or(PAUSE);
            vitals.paused_until = Some(self.endpoint.clock.now() + pause.min(LONGEST_PAUSE));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "no answer takes so long")]
    fn milliseconds(&self) -> f64 {
        (self.endpoint.clock.micros() - self.started).max(0) as f64 / 1000.0
    }

    fn took(&self) {
        let milliseconds = self.milliseconds();
        let mut vitals = self.endpoint.vitals();
        let known = vitals.latency.unwrap_or(milliseconds);
        vitals.latency = Some(known * (1.0 - WEIGHT) + milliseconds * WEIGHT);
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let slower = self.endpoint.vitals().latency.is_some_and(|known| known < self.milliseconds());
        if !self.ended && slower {
            self.took();
        }
    }
}

/// Calls that all go to one node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(pub(super) Arc<Endpoint>);

impl Session {
    /// The node's name, for logs.
    #[cfg(feature = "solana")]
    pub(crate) fn endpoint(&self) -> &str {
        &self.0.name
    }

    /// One call.
    ///
    /// # Errors
    /// [`RpcError`]; a result that is no `T` is [`SourceError::Malformed`].
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let result = self.one(&(method, params)).await??;
        decode(&result).inspect_err(|_| self.0.note_nonsense())
    }

    /// Several calls in one request, each with its own outcome: a result, or an error that speaks of the call. A node
    /// that does not take several at once gets them one by one.
    ///
    /// # Errors
    /// [`RpcError::Source`], where there is no outcome at all.
    pub(crate) async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Outcome>, RpcError> {
        if calls.is_empty() {
            return Ok(vec![]);
        }
        if !self.0.refuses_batches.load(Ordering::Relaxed) {
            match self.0.exchange(calls).await? {
                Outcomes::Each(outcomes) => return Ok(outcomes),
                Outcomes::BatchRefused => {
                    tracing::info!(endpoint = self.0.name, "a node takes one call a request");
                    self.0.refuses_batches.store(true, Ordering::Relaxed);
                }
            }
        }
        let work: Vec<_> = calls.iter().map(|call| self.one(call)).collect();
        stream::iter(work).buffered(ONE_BY_ONE).try_collect().await
    }

    async fn one(&self, call: &(&str, Value)) -> Result<Outcome, RpcError> {
        let missing = || SourceError::Malformed("an answer is missing".to_owned()).into();
        match self.0.exchange(std::slice::from_ref(call)).await? {
            Outcomes::Each(mut outcomes) => outcomes.pop().ok_or_else(missing),
            Outcomes::BatchRefused => Err(missing()),
        }
    }
}
