//! What is measured, by whoever measures it, in one shape. The local process shows it at `/metrics` ([`prometheus()`]); on Lambda
//! what changed goes to CloudWatch at the end of each invocation ([`emf`]). `docs/OBSERVABILITY.md` lists it all.

mod durations;
pub mod emf;
#[cfg(test)]
mod page;
mod prometheus;

pub use durations::{Durations, Lapses};
pub use prometheus::prometheus;

/// A number with a name.
#[derive(Debug, Clone)]
pub struct Sample {
    name: &'static str,
    help: &'static str,
    labels: Vec<(&'static str, String)>,
    /// Labels that are no dimensions of CloudWatch's, where each combination is paid for: they follow from the others, or are many and
    /// of interest to who searches the lines.
    remarks: Vec<(&'static str, String)>,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Counter(f64),
    Gauge(f64),
    Durations(Lapses),
}

impl Sample {
    /// What only grows.
    #[expect(clippy::cast_precision_loss, reason = "exact to 2^53")]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::new(name, help, Value::Counter(value as f64))
    }

    /// What is so at the moment.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, help, Value::Gauge(value))
    }

    /// How long things took.
    pub fn histogram(name: &'static str, help: &'static str, lapses: Lapses) -> Self {
        Self::new(name, help, Value::Durations(lapses))
    }

    fn new(name: &'static str, help: &'static str, value: Value) -> Self {
        Self { name, help, labels: vec![], remarks: vec![], value }
    }

    /// The same, with a label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }

    /// The same, with a label that is no dimension of CloudWatch's.
    #[must_use]
    pub fn remarked(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.remarks.push((label, value.into()));
        self
    }

    /// The same, of another value.
    #[must_use]
    pub fn of(self, value: f64) -> Self {
        let value = match self.value {
            Value::Counter(_) => Value::Counter(value),
            Value::Gauge(_) | Value::Durations(_) => Value::Gauge(value),
        };
        Self { value, ..self }
    }
}

/// Whoever measures something.
pub trait Measured: Send + Sync {
    /// What it measured so far.
    fn samples(&self) -> Vec<Sample>;
}
