//! The breaker beside recorded runs of opossum (`tests/opossum/`, whose generator tells the format): the same calls at the
//! same times must give the same states, counts, events and results, step by step.
//!
//! One thing differs on purpose, and is not in the traces: opossum compares rates as floating-point numbers, so at some
//! thresholds (7, 14, 28, 55, 56) a rate that is exactly equal counts as above.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::*;
use crate::platform::clock::ManualClock;

const TRACES: &str = include_str!("../../../tests/opossum/traces.jsonl");

#[derive(Deserialize)]
struct Header {
    opossum: String,
    seed: u64,
    traces: usize,
}

#[derive(Deserialize)]
struct Trace {
    o: Recorded,
    s: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recorded {
    timeout: u64,
    threshold: u8,
    reset: u64,
    window: u64,
    buckets: u32,
    volume: u32,
    capacity: Option<u32>,
    #[serde(default)]
    allow_warm_up: bool,
    enabled: Option<bool>,
    #[serde(default)]
    filter_timeouts: bool,
    #[serde(default)]
    fallback: bool,
}

impl Recorded {
    fn options(&self) -> Options {
        Options {
            enabled: self.enabled.unwrap_or(true),
            timeout: Duration::from_millis(self.timeout),
            error_threshold_percentage: self.threshold,
            reset_timeout: Duration::from_millis(self.reset),
            rolling_count_timeout: Duration::from_millis(self.window),
            rolling_count_buckets: self.buckets,
            volume_threshold: self.volume,
            capacity: self.capacity,
            allow_warm_up: self.allow_warm_up,
            ..Options::new("trace")
        }
    }
}

/// Writes events down as letters.
#[derive(Default)]
struct Letters(Mutex<String>);

impl Listener for Letters {
    fn heard(&self, _: &Options, event: Event) {
        let letter = match event {
            Event::Fire => 'F',
            Event::Success { .. } => 'S',
            Event::Failure { .. } => 'X',
            Event::Timeout => 'T',
            Event::Reject => 'R',
            Event::SemaphoreLocked => 'L',
            Event::Fallback => 'B',
            Event::Open => 'O',
            Event::HalfOpen => 'H',
            Event::Close => 'C',
            // Only where a trace ends with calls under way.
            Event::Cancel => '!',
        };
        self.0.lock().unwrap().push(letter);
    }
}

/// How a call of a trace ends: as its step says.
type Outcome = Result<&'static str, &'static str>;
type Call = BoxFuture<'static, Result<&'static str, BreakerError<&'static str>>>;

struct Replay {
    clock: ManualClock,
    breaker: Arc<CircuitBreaker>,
    letters: Arc<Letters>,
    filter_timeouts: bool,
    fallback: bool,
    calls: BTreeMap<u32, (Call, oneshot::Sender<Outcome>)>,
}

impl Replay {
    fn of(recorded: &Recorded, exceeds: fn(u64, u64, u64) -> bool) -> Self {
        let clock = ManualClock::at(DateTime::UNIX_EPOCH);
        let letters = Arc::new(Letters::default());
        let breaker = CircuitBreaker::with_rule(recorded.options(), Arc::new(clock.clone()), exceeds);
        Self {
            clock,
            breaker: Arc::new(breaker.heard_by(letters.clone())),
            letters,
            filter_timeouts: recorded.filter_timeouts,
            fallback: recorded.fallback,
            calls: BTreeMap::new(),
        }
    }

    /// Makes a step: what is so after it, in the words of the trace.
    async fn step(&mut self, step: &str) -> String {
        let (millis, rest) = step.split_once(' ').unwrap();
        let operation = rest.split(' ').next().unwrap();
        let millis: u64 = millis.parse().unwrap();
        self.clock.advance(TimeDelta::milliseconds(millis.try_into().unwrap()));
        tokio::time::advance(Duration::from_millis(millis)).await;
        // Where opossum has a timer, this one is asked.
        self.breaker.state();
        let result = self.operate(operation);
        let shown = format!("{millis} {operation} {}", self.state());
        let events = std::mem::take(&mut *self.letters.0.lock().unwrap());
        let events = if events.is_empty() && result.is_some() { "-" } else { &events };
        [&shown, events, result.unwrap_or_default()].join(" ").trim_end().to_owned()
    }

    fn operate(&mut self, operation: &str) -> Option<&'static str> {
        let (kind, id) = operation.split_at(1);
        let outcome = match kind {
            "n" => return None,
            "o" => {
                self.breaker.open();
                return None;
            }
            "c" => {
                self.breaker.close();
                return None;
            }
            "f" | "t" => None,
            "s" => Some(Ok("ok")),
            "e" => Some(Err("failed")),
            "x" => Some(Err("filtered")),
            other => panic!("no operation: {other}"),
        };
        let id = id.parse().unwrap();
        let (mut call, settle) = if kind == "f" { self.fire() } else { self.calls.remove(&id).unwrap() };
        let settle = match outcome {
            Some(outcome) => {
                settle.send(outcome).unwrap();
                None
            }
            None => Some(settle),
        };
        let Some(result) = call.as_mut().now_or_never() else {
            self.calls.insert(id, (call, settle.expect("a call that was settled ends")));
            return None;
        };
        Some(match result {
            Ok(value) => value,
            Err(BreakerError::Failed(error)) => error,
            Err(BreakerError::TimedOut(_)) => "timeout",
            Err(BreakerError::Open { .. }) => "open",
            Err(BreakerError::Busy) => "busy",
        })
    }

    fn fire(&self) -> (Call, oneshot::Sender<Outcome>) {
        let (settle, settled) = oneshot::channel::<Outcome>();
        let (breaker, filters_timeouts, has_fallback) = (self.breaker.clone(), self.filter_timeouts, self.fallback);
        let filter = move |error: &BreakerError<&'static str>| match error {
            BreakerError::Failed(error) => *error == "filtered",
            _ => filters_timeouts,
        };
        let service = async move {
            match select(settled, pending::<()>()).await {
                Either::Left((outcome, _)) => outcome.unwrap_or(Err("dropped")),
                Either::Right(((), _)) => Err("never"),
            }
        };
        let call = async move {
            if has_fallback {
                breaker.call_or((), |()| service, filter, |(), _| ready(Ok("fallback"))).await
            } else {
                breaker.call_filtered(service, filter).await
            }
        };
        (call.boxed(), settle)
    }

    /// One letter, then a digit in base 36 for each count, without the zeros at the end but for the first.
    fn state(&self) -> String {
        let state = match self.breaker.state() {
            State::Closed => 'C',
            State::Open => 'O',
            State::HalfOpen => 'H',
            State::Isolated => panic!("nobody isolates"),
        };
        let Statistics { fires, successes, failures, timeouts, rejections, semaphore_rejections, fallbacks, .. } =
            self.breaker.statistics();
        let counts = [fires, failures, successes, rejections, timeouts, fallbacks, semaphore_rejections];
        let digit = |count: &u64| char::from_digit(u32::try_from(*count).unwrap(), 36).unwrap();
        let digits: String = counts.iter().map(digit).collect();
        let trimmed = digits[1..].trim_end_matches('0');
        format!("{state}{}{trimmed}", &digits[..1])
    }
}

/// The numbers of the traces in which something differs, and the first difference of all.
async fn differences(exceeds: fn(u64, u64, u64) -> bool) -> (Vec<usize>, Option<String>) {
    let mut lines = TRACES.lines();
    let header: Header = serde_json::from_str(lines.next().unwrap()).unwrap();
    let (mut different, mut first, mut traces) = (vec![], None, 0);
    for (number, line) in lines.enumerate() {
        let trace: Trace = serde_json::from_str(line).unwrap();
        traces += 1;
        let mut replay = Replay::of(&trace.o, exceeds);
        for (index, step) in trace.s.iter().enumerate() {
            let seen = replay.step(step).await;
            if seen != *step {
                let where_it_is =
                    format!("opossum {}, seed {}, trace {number}, step {index}", header.opossum, header.seed);
                first.get_or_insert(format!("{where_it_is}:\n  recorded {step}\n  seen     {seen}"));
                different.push(number);
                break;
            }
        }
    }
    assert_eq!(traces, header.traces);
    (different, first)
}

#[tokio::test(start_paused = true)]
async fn it_does_what_opossum_does() {
    let (different, first) = differences(circuit::exceeds).await;
    assert_eq!(first, None, "{} traces differ", different.len());
}

#[tokio::test(start_paused = true)]
async fn the_traces_catch_a_breaker_that_opens_at_the_threshold() {
    let (different, _) = differences(|part, whole, percent| part * 100 >= whole * percent).await;
    assert!(different.len() > 100, "only {} traces differ", different.len());
}
