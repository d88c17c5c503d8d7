//! Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Lapses, Sample, Value};

/// The samples as text: those of one name together, dots as underscores.
pub fn prometheus(samples: impl IntoIterator<Item = Sample>) -> String {
    let mut by_name: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        by_name.entry(sample.name).or_default().push(sample);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, samples) in by_name {
        let Some(Sample { help, value, .. }) = samples.first() else { continue };
        let (kind, suffix) = match value {
            Value::Counter(_) => ("counter", "_total"),
            Value::Gauge(_) => ("gauge", ""),
            Value::Durations(_) => ("histogram", ""),
        };
        let name = format!("mcp_{}{suffix}", name.replace('.', "_"));
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for sample in samples {
            let all = sample.labels.iter().chain(&sample.remarks);
            let labels: Vec<_> = all.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
            match &sample.value {
                Value::Counter(value) | Value::Gauge(value) => {
                    let _ = writeln!(text, "{name}{} {value}", braced(&labels));
                }
                Value::Durations(lapses) => histogram(&mut text, &name, &labels, lapses),
            }
        }
    }
    text
}

fn histogram(text: &mut String, name: &str, labels: &[String], lapses: &Lapses) {
    let (mut count, mut seconds) = (0, 0.0);
    for (bound, lapse) in lapses.buckets() {
        (count, seconds) = (count + lapse.count, seconds + lapse.seconds);
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
        let labels: Vec<_> = labels.iter().cloned().chain([format!("le=\"{bound}\"")]).collect();
        let _ = writeln!(text, "{name}_bucket{} {count}", braced(&labels));
    }
    let labels = braced(labels);
    let _ = write!(text, "{name}_sum{labels} {seconds}\n{name}_count{labels} {count}\n");
}

fn braced(labels: &[String]) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Durations;
    use super::*;

    #[test]
    fn samples_of_one_name_stand_together_and_nothing_breaks_a_line() {
        let hit = |tier: &str, count| Sample::counter("cache.hit", "Hits", count).with("tier", tier);
        let open =
            Sample::gauge("circuit_breaker.open", "Open", 1.0).with("service", "a\"b\\c\nd").remarked("group", "g");
        let text = prometheus([hit("memory", 3), open, hit("redis", 0)]);
        assert_eq!(
            text,
            "# HELP mcp_cache_hit_total Hits\n# TYPE mcp_cache_hit_total counter\n\
             mcp_cache_hit_total{tier=\"memory\"} 3\nmcp_cache_hit_total{tier=\"redis\"} 0\n\
             # HELP mcp_circuit_breaker_open Open\n# TYPE mcp_circuit_breaker_open gauge\n\
             mcp_circuit_breaker_open{service=\"a\\\"b\\\\c\\nd\",group=\"g\"} 1\n"
        );
    }

    #[test]
    fn a_histogram_counts_upwards() {
        let durations = Durations::default();
        durations.add(Duration::from_millis(250));
        durations.add(Duration::from_secs(60));
        let sample = Sample::histogram("http.request_seconds", "Took", durations.lapses()).with("route", "/graphql");
        let text = prometheus([sample]);
        for line in [
            "# TYPE mcp_http_request_seconds histogram",
            "mcp_http_request_seconds_bucket{route=\"/graphql\",le=\"0.2\"} 0",
            "mcp_http_request_seconds_bucket{route=\"/graphql\",le=\"0.5\"} 1",
            "mcp_http_request_seconds_bucket{route=\"/graphql\",le=\"+Inf\"} 2",
            "mcp_http_request_seconds_sum{route=\"/graphql\"} 60.25",
            "mcp_http_request_seconds_count{route=\"/graphql\"} 2",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
        }
    }
}
