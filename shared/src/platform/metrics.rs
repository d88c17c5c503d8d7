//! What is measured, by whoever measures it, in one shape: shown at `/metrics` by the local process, as Prometheus' text
//! format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

/// A number with a name.
#[derive(Debug, Clone)]
pub struct Sample {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

impl Sample {
    /// What only grows.
    #[expect(clippy::cast_precision_loss, reason = "exact to 2^53")]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: Kind::Counter, labels: vec![], value: value as f64 }
    }

    /// What is so at the moment.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: Kind::Gauge, labels: vec![], value }
    }

    /// The same, with a label.
    #[must_use]
    pub fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }

    /// The same, of another value.
    #[must_use]
    pub fn of(self, value: f64) -> Self {
        Self { value, ..self }
    }
}

/// Whoever measures something.
pub trait Measured: Send + Sync {
    /// What it measured so far.
    fn samples(&self) -> Vec<Sample>;
}

/// The samples as text: those of one name together, dots as underscores.
pub fn prometheus(samples: impl IntoIterator<Item = Sample>) -> String {
    let mut by_name: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        by_name.entry(sample.name).or_default().push(sample);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, samples) in by_name {
        let Some(Sample { help, kind, .. }) = samples.first() else { continue };
        let (kind, suffix) = if *kind == Kind::Counter { ("counter", "_total") } else { ("gauge", "") };
        let name = format!("mcp_{}{suffix}", name.replace('.', "_"));
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for sample in samples {
            let labels: Vec<_> =
                sample.labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{name}{labels} {}", sample.value);
        }
    }
    text
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_name_stand_together_and_nothing_breaks_a_line() {
        let hit = |tier: &str, count| Sample::counter("cache.hit", "Hits", count).with("tier", tier);
        let open = Sample::gauge("circuit_breaker.open", "Open", 1.0).with("service", "a\"b\\c\nd").with("group", "g");
        let text = prometheus([hit("memory", 3), open, hit("redis", 0)]);
        assert_eq!(
            text,
            "# HELP mcp_cache_hit_total Hits\n# TYPE mcp_cache_hit_total counter\n\
             mcp_cache_hit_total{tier=\"memory\"} 3\nmcp_cache_hit_total{tier=\"redis\"} 0\n\
             # HELP mcp_circuit_breaker_open Open\n# TYPE mcp_circuit_breaker_open gauge\n\
             mcp_circuit_breaker_open{service=\"a\\\"b\\\\c\\nd\",group=\"g\"} 1\n"
        );
    }
}
