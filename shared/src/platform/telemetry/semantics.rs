//! What our spans and their fields are called in OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/>), so that any backend of traces understands them. Logs have our names.

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;

/// Fields of spans that have a name there.
const NAMES: &[(&str, &str)] = &[
    ("correlation_id", "mcp.correlation_id"),
    ("elapsed_ms", "mcp.elapsed_ms"),
    ("method", "http.request.method"),
    ("path", "url.path"),
    ("request_id", "faas.invocation_id"),
    ("route", "http.route"),
    ("service", "peer.service"),
    ("status", "http.response.status_code"),
];

/// Makes of a span of ours one that others understand.
pub(super) fn translate(span: &mut SpanData) {
    // It says what the span's own ids do.
    span.attributes.retain(|attribute| attribute.key.as_str() != "traceparent");
    for attribute in &mut span.attributes {
        if let Some((_, name)) = NAMES.iter().find(|(ours, _)| *ours == attribute.key.as_str()) {
            attribute.key = (*name).into();
        }
    }
    let status = number(span, "http.response.status_code");
    match &*span.name {
        "request" => {
            span.span_kind = SpanKind::Server;
            span.name = named(span, "http.route").into();
            if status.is_some_and(|status| status >= 500) {
                span.status = Status::error("");
            }
        }
        "upstream" => {
            span.span_kind = SpanKind::Client;
            span.name = named(span, "peer.service").into();
            if status.is_none_or(|status| status >= 400) {
                span.status = Status::error("");
            }
        }
        "kafka.consume" => {
            span.span_kind = SpanKind::Consumer;
            span.attributes.push(KeyValue::new("messaging.system", "kafka"));
        }
        "invocation" | "frame" => span.span_kind = SpanKind::Server,
        _ => {}
    }
}

/// The method, and where it was asked for.
fn named(span: &SpanData, place: &str) -> String {
    match (text(span, "http.request.method"), text(span, place)) {
        (Some(method), Some(place)) => format!("{method} {place}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => span.name.to_string(),
    }
}

fn value<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == name).map(|attribute| &attribute.value)
}

fn text(span: &SpanData, name: &str) -> Option<String> {
    value(span, name).map(|value| value.as_str().into_owned())
}

fn number(span: &SpanData, name: &str) -> Option<i64> {
    match value(span, name)? {
        Value::I64(number) => Some(*number),
        other => other.as_str().parse().ok(),
    }
}
