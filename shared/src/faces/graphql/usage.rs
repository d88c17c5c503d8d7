//! What is asked for: operations by what became of them, and each field of the schema by the operations that touch it,
//! so that it can be seen who still uses one that is to go.

use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::parser::types::OperationType;

use crate::platform::metrics::{Measured, Sample};

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered without an error, or opened.
    Ok,
    /// It ran, and its answer has errors.
    Errors,
    /// Its answer was there already.
    Cached,
    /// It was not run.
    Refused,
}

const OUTCOMES: [(Outcome, &str); 4] =
    [(Outcome::Ok, "ok"), (Outcome::Errors, "errors"), (Outcome::Cached, "cached"), (Outcome::Refused, "refused")];
/// The last is for what was refused before it could be read.
const TYPES: [&str; 4] = ["query", "mutation", "subscription", "unknown"];

/// Counts what is asked for.
pub(super) struct Usage {
    /// The fields of the schema, `Query.mcp`, and how many operations touched each.
    fields: Vec<(String, AtomicU64)>,
    operations: [[AtomicU64; OUTCOMES.len()]; TYPES.len()],
}

impl Usage {
    /// For the fields of a schema.
    pub(super) fn new(fields: impl IntoIterator<Item = String>) -> Self {
        let fields = fields.into_iter().map(|name| (name, AtomicU64::new(0))).collect();
        Self { fields, operations: Default::default() }
    }

    /// Counts an operation that touches `fields`, each once.
    pub(super) fn count(&self, operation: Option<OperationType>, outcome: Outcome, fields: &[usize]) {
        let kind = match operation {
            Some(OperationType::Query) => 0,
            Some(OperationType::Mutation) => 1,
            Some(OperationType::Subscription) => 2,
            None => 3,
        };
        self.operations[kind][outcome as usize].fetch_add(1, Ordering::Relaxed);
        for (_, count) in fields.iter().filter_map(|field| self.fields.get(*field)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Measured for Usage {
    /// Of what was asked for at all.
    fn samples(&self) -> Vec<Sample> {
        let mut samples = vec![];
        for (operation, counts) in TYPES.into_iter().zip(&self.operations) {
            for ((_, outcome), count) in OUTCOMES.into_iter().zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let sample =
                        Sample::counter("graphql.operation", "GraphQL operations, by what became of them", count);
                    samples.push(sample.with("type", operation).with("outcome", outcome));
                }
            }
        }
        for (name, count) in &self.fields {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                let sample = Sample::counter("graphql.field", "GraphQL operations that touch a field", count);
                // Some hundred: each as a dimension would be a metric to pay for.
                samples.push(sample.remarked("field", name));
            }
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::metrics::prometheus;

    #[test]
    fn what_was_asked_for_is_told_and_what_was_not_is_not() {
        let usage = Usage::new(["Query.a", "Query.b", "Price.usd"].map(str::to_owned));
        usage.count(Some(OperationType::Query), Outcome::Ok, &[0, 2]);
        usage.count(Some(OperationType::Query), Outcome::Cached, &[0]);
        usage.count(None, Outcome::Refused, &[]);
        let text = prometheus(usage.samples());
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "mcp_graphql_field_total{field=\"Query.a\"} 2",
                "mcp_graphql_field_total{field=\"Price.usd\"} 1",
                "mcp_graphql_operation_total{type=\"query\",outcome=\"ok\"} 1",
                "mcp_graphql_operation_total{type=\"query\",outcome=\"cached\"} 1",
                "mcp_graphql_operation_total{type=\"unknown\",outcome=\"refused\"} 1",
            ]
        );
    }
}
