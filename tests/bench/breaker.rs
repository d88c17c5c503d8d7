//! What a call through a closed circuit costs: ours beside failsafe, recloser and tower-resilience, and the call alone.
//!
//! Each is as its authors configure it by default:
//!
//! | breaker | opens on | counts over |
//! | --- | --- | --- |
//! | ours | over 50 % failures, from 5 calls on | 10 s in 10 buckets; latencies too, and each call has a time-out |
//! | failsafe | under 80 % successes, from 5 calls on, or 5 failures in a row | 30 s, as a moving average |
//! | recloser | 50 % failures | the last 100 calls |
//! | tower-resilience | 50 % failures, from 100 calls on | 100 calls |
//!
//! It is fair in that all make the same call, an async function that never waits, through their own async interface,
//! and each shares its state between callers. Tokio's budget for cooperation, which only one of them spends, is off.
//! Rounds are interleaved; the best of each side counts. What ours adds to a call has a budget, with one caller.
//! Two callers, and calls that an open circuit rejects, are for information.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use mcp_core::breaker::{BreakerError, CircuitBreaker, Options};
use mcp_core::platform::clock::SystemClock;
use recloser::AsyncRecloser;
use support::budget::{Figure, Report};
use tokio::task::unconstrained;
use tower::{Service, ServiceExt, service_fn};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer, DefaultClassifier};

const ROUNDS: usize = 9;
const CALLS: u32 = 1_000_000;
/// Those who contend may wait long for each other.
const CONTENDED_CALLS: u32 = 200_000;
const REJECTED_CALLS: u32 = 200_000;

fn main() -> ExitCode {
    let closed = sides();
    let added = measure("closed, one caller", &closed, 1, CALLS);
    measure("closed, two callers on two threads", &closed, 2, CONTENDED_CALLS);
    let open = sides();
    // The call alone has nothing to open.
    open[1..].iter().for_each(|(_, side)| side.open());
    measure("open, one caller who is rejected", &open, 1, REJECTED_CALLS);
    let mut report = Report::default();
    report.figure("breaker/closed", &added);
    report.exit_code()
}

type Sides = [(&'static str, Box<dyn Side>); 5];

/// The call alone, ours, and the others.
fn sides() -> Sides {
    let ours = CircuitBreaker::new(Options::new("bench"), Arc::new(SystemClock));
    let tower = CircuitBreakerLayer::builder().build().expect("defaults are valid").layer_fn(service_fn(service));
    [
        ("the call alone", Box::new(Alone)),
        ("ours", Box::new(Ours(Arc::new(ours)))),
        ("failsafe", Box::new(Failsafe(failsafe::Config::new().build()))),
        ("recloser", Box::new(Recloser(recloser::Recloser::custom().build().into()))),
        ("tower-resilience", Box::new(Tower(tower))),
    ]
}

/// Measures and prints what a call takes each side in its best round. Gives what ours adds to the call alone,
/// beside what the least of the others adds.
fn measure(what: &str, sides: &Sides, callers: usize, calls: u32) -> Figure {
    let mut best = [f64::INFINITY; 5];
    for _ in 0..ROUNDS {
        for (best, (_, side)) in best.iter_mut().zip(sides) {
            *best = best.min(side.time(callers, calls));
        }
    }
    let [alone, ours, others @ ..] = best;
    println!("{what}:");
    for ((name, _), nanos) in sides.iter().zip(best) {
        println!("  {name:<16} {nanos:>8.1} ns a call, {:>8.1} more than the call alone", nanos - alone);
    }
    let fastest = others.into_iter().fold(f64::INFINITY, f64::min);
    println!("  ratio of ours to the fastest other breaker {:.2}", ours / fastest);
    Figure::beside(ours - alone, "the fastest other breaker", fastest - alone)
}

struct Unwell;

/// What is called.
async fn service(healthy: bool) -> Result<(), Unwell> {
    if black_box(healthy) { Ok(()) } else { Err(Unwell) }
}

/// A breaker around the service, as one caller holds it. Clones share the circuit.
trait Breaker: Clone + Send {
    /// Whether the call was made.
    async fn call(&mut self, healthy: bool) -> bool;
}

#[derive(Clone)]
struct Alone;

impl Breaker for Alone {
    async fn call(&mut self, healthy: bool) -> bool {
        let _ = black_box(service(healthy).await);
        true
    }
}

#[derive(Clone)]
struct Ours(Arc<CircuitBreaker>);

impl Breaker for Ours {
    async fn call(&mut self, healthy: bool) -> bool {
        !matches!(black_box(self.0.call(service(healthy)).await), Err(BreakerError::Open { .. }))
    }
}

#[derive(Clone)]
struct Failsafe<B>(B);

impl<B: failsafe::futures::CircuitBreaker + Clone + Send> Breaker for Failsafe<B> {
    async fn call(&mut self, healthy: bool) -> bool {
        !matches!(black_box(self.0.call(service(healthy)).await), Err(failsafe::Error::Rejected))
    }
}

#[derive(Clone)]
struct Recloser(AsyncRecloser);

impl Breaker for Recloser {
    async fn call(&mut self, healthy: bool) -> bool {
        !matches!(black_box(self.0.call(service(healthy)).await), Err(recloser::Error::Rejected))
    }
}

#[derive(Clone)]
struct Tower<S>(tower_resilience_circuitbreaker::CircuitBreaker<S, DefaultClassifier>);

impl<S> Breaker for Tower<S>
where
    S: Service<bool, Response = (), Error = Unwell, Future: Send> + Clone + Send + 'static,
{
    async fn call(&mut self, healthy: bool) -> bool {
        let Ok(ready) = self.0.ready().await else { return false };
        !matches!(black_box(ready.call(healthy).await), Err(CircuitBreakerError::OpenCircuit))
    }
}

/// A breaker of any type, and how it is measured.
trait Side {
    /// Lets calls fail until one is not made.
    fn open(&self);

    /// The nanoseconds that a call takes each of so many callers, who begin together, on threads of their own.
    fn time(&self, callers: usize, calls: u32) -> f64;
}

impl<B: Breaker> Side for B {
    fn open(&self) {
        let mut breaker = self.clone();
        let opened = block_on(async move {
            let mut failures = 0;
            while failures < 1_000 && breaker.call(false).await {
                failures += 1;
            }
            failures < 1_000
        });
        assert!(opened);
    }

    fn time(&self, callers: usize, calls: u32) -> f64 {
        let barrier = Barrier::new(callers);
        let call = |mut breaker: B| {
            block_on(async {
                barrier.wait();
                let (started, mut made) = (Instant::now(), 0);
                for _ in 0..calls {
                    made += u32::from(breaker.call(true).await);
                }
                assert!(made == calls || made == 0, "the circuit stays as it is");
                (started, Instant::now())
            })
        };
        let spans: Vec<_> = std::thread::scope(|scope| {
            let start = |_| {
                let (call, breaker) = (&call, self.clone());
                scope.spawn(move || call(breaker))
            };
            let threads: Vec<_> = (0..callers).map(start).collect();
            threads.into_iter().map(|thread| thread.join().expect("a caller does not panic")).collect()
        });
        // From the first start to the last end: that they did not overlap is no advantage.
        let started = spans.iter().map(|(started, _)| *started).min().expect("a caller");
        let ended = spans.iter().map(|(_, ended)| *ended).max().expect("a caller");
        (ended - started).as_secs_f64() * 1e9 / f64::from(calls)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(unconstrained(future))
}
