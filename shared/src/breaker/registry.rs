//! All breakers of a process, by name: who needs one asks here, so that each service has one, and all can be shown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::{CircuitBreaker, Options, SharedCircuits, State};
use crate::platform::clock::Clock;
use crate::platform::metrics::{Measured, Sample};

/// The breakers of a process.
pub struct Breakers {
    clock: Arc<dyn Clock>,
    shared: OnceLock<Arc<dyn SharedCircuits>>,
    by_name: Mutex<BTreeMap<String, Arc<CircuitBreaker>>>,
}

/// One breaker, as a person or a monitor sees it.
#[derive(Debug, Clone)]
pub struct Report {
    /// The service.
    pub service: String,
    /// What it belongs to.
    pub group: String,
    /// The state.
    pub state: State,
    /// What happened in the rolling window.
    pub fires: u64,
    /// Of these, those that failed.
    pub failures: u64,
    /// Of these, those that were not made.
    pub rejections: u64,
    /// Half of the calls were faster.
    pub p50: Duration,
    /// One in a hundred was slower.
    pub p99: Duration,
}

impl Breakers {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, shared: OnceLock::new(), by_name: Mutex::default() }
    }

    /// Those to come share their state through `circuits`, where their options want it. The first call counts.
    pub fn share_through(&self, circuits: Arc<dyn SharedCircuits>) {
        let _ = self.shared.set(circuits);
    }

    /// The breaker with the name in `options`, which is made with them if it is not there yet: the first who asks decides.
    pub fn get(&self, options: &Options) -> Arc<CircuitBreaker> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let breaker = CircuitBreaker::new(options.clone(), self.clock.clone());
            Arc::new(match self.shared.get().cloned().filter(|_| options.shared) {
                Some(shared) => breaker.shared_through(shared),
                None => breaker,
            })
        };
        by_name.entry(options.name.to_string()).or_insert_with(make).clone()
    }

    /// All that there are, by name.
    pub fn reports(&self) -> Vec<Report> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.values().map(|breaker| breaker.report()).collect()
    }
}

impl Measured for Breakers {
    fn samples(&self) -> Vec<Sample> {
        self.reports().iter().flat_map(Report::samples).collect()
    }
}

impl Report {
    fn samples(&self) -> Vec<Sample> {
        let gauge = |name, help, value| {
            Sample::gauge(name, help, value).with("service", &*self.service).remarked("group", &*self.group)
        };
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX).into();
        vec![
            gauge(
                "circuit_breaker.open",
                "1 while no call passes, 0.5 while half-open",
                match self.state {
                    State::Closed => 0.0,
                    State::HalfOpen => 0.5,
                    State::Open | State::Isolated => 1.0,
                },
            ),
            gauge("circuit_breaker.fires", "Calls in the rolling window", count(self.fires)),
            gauge("circuit_breaker.failures", "Those of them that failed", count(self.failures)),
            gauge("circuit_breaker.rejections", "Those of them that were not made", count(self.rejections)),
            gauge("circuit_breaker.p50_seconds", "Median latency in the rolling window", self.p50.as_secs_f64()),
            gauge("circuit_breaker.p99_seconds", "99th percentile of it", self.p99.as_secs_f64()),
        ]
    }
}

impl CircuitBreaker {
    fn report(&self) -> Report {
        let statistics = self.statistics();
        Report {
            service: self.options.name.to_string(),
            group: self.options.group().to_owned(),
            state: self.state(),
            fires: statistics.fires,
            failures: statistics.failures,
            rejections: statistics.rejections,
            p50: statistics.latency.percentile(0.5),
            p99: statistics.latency.percentile(0.99),
        }
    }
}
