//! Tells CloudWatch when a circuit opens or closes: a metric in its embedded format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>),
//! written within the request that caused it.

use std::io::Write;
use std::sync::Arc;

use serde_json::json;

use super::{Event, Listener, Options};
use crate::platform::clock::Clock;

/// Writes `circuit_breaker.open` to standard output, by service: 1 opened, 0.5 half-open, 0 closed.
pub struct CloudWatch {
    clock: Arc<dyn Clock>,
}

impl CloudWatch {
    /// Dated by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Listener for CloudWatch {
    fn heard(&self, options: &Options, event: Event) {
        if let Some(line) = line(options, event, self.clock.now().timestamp_millis()) {
            // That nobody reads it is no reason to fail a call.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}

fn line(options: &Options, event: Event, millis: i64) -> Option<String> {
    let open = match event {
        Event::Open => 1.0,
        Event::HalfOpen => 0.5,
        Event::Close => 0.0,
        _ => return None,
    };
    let metric = json!({
        "Namespace": "mcp-server",
        "Dimensions": [["service"]],
        "Metrics": [{ "Name": "circuit_breaker.open", "Unit": "None" }],
    });
    let line = json!({
        "_aws": { "Timestamp": millis, "CloudWatchMetrics": [metric] },
        "service": options.name,
        "group": options.group(),
        "circuit_breaker.open": open,
    });
    Some(line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_is_a_metric_of_its_service_and_a_call_is_none() {
        let line = line(&Options::new("coingecko"), Event::Open, 1_750_000_000_000).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(line["_aws"]["Timestamp"], 1_750_000_000_000_i64);
        // Each dimension and each metric is a member of the line.
        assert_eq!(line[directive["Dimensions"][0][0].as_str().unwrap()], "coingecko");
        assert_eq!(line[directive["Metrics"][0]["Name"].as_str().unwrap()], 1.0);
        assert_eq!(super::line(&Options::new("coingecko"), Event::Fire, 0), None);
    }
}
