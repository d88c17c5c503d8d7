//! The W3C trace context, as far as it is passed on: `traceparent`, version 00
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>).

use tracing::Span;

use super::ids::new_id;

/// Whether spans are sent to a collector. Then a `traceparent` names one of them, and is told by [`begin`] only once that is there.
pub fn is_exported() -> bool {
    #[cfg(feature = "otel")]
    return super::telemetry::traces::are_sent();
    #[cfg(not(feature = "otel"))]
    false
}

/// Puts a span that has just been made, and not entered, into the trace of the request that `incoming` belongs to: the `traceparent`
/// for what it leads to. It names that span where it is sent to a collector, and otherwise one that nobody ever sees.
#[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "no span is sent"))]
pub fn begin(span: &Span, incoming: Option<&str>) -> String {
    #[cfg(feature = "otel")]
    if let Some(traceparent) = super::telemetry::traces::begin(span, incoming) {
        return traceparent;
    }
    child_of(incoming)
}

/// Puts a span that has just been made into the first of the traces of what it is about, and says that it belongs to the others, too.
/// Only those count that somebody asked to be recorded.
#[cfg_attr(not(feature = "otel"), expect(unused_variables, clippy::needless_pass_by_value, reason = "no span is sent"))]
pub fn join<'a>(span: &Span, incoming: impl Iterator<Item = &'a str>) {
    #[cfg(feature = "otel")]
    if is_exported() {
        use super::telemetry::traces;

        let mut known = std::collections::BTreeSet::new();
        let mut others = incoming.filter(|traceparent| is_sampled(Some(traceparent)) && known.insert(*traceparent));
        if let Some(first) = others.next() {
            traces::begin(span, Some(first));
            traces::link(span, others);
        }
    }
}

/// Says something of a span that is sent to a collector, and no log says.
#[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "no span is sent"))]
pub fn note(span: &Span, name: &'static str, value: i64) {
    #[cfg(feature = "otel")]
    super::telemetry::traces::note(span, name, value);
}

/// The `traceparent` for what a request leads to: in the trace of the request that `incoming` belongs to, as a child of
/// it; in a new trace, which nobody asked to sample, where there is none or it cannot be read.
pub fn child_of(incoming: Option<&str>) -> String {
    let span = span_id();
    match incoming.and_then(parts) {
        Some((trace, _, flags)) => format!("00-{trace}-{span}-{flags}"),
        None => format!("00-{:032x}-{span}-00", new_id().as_u128()),
    }
}

/// Whether the caller asked for this trace to be recorded.
pub fn is_sampled(traceparent: Option<&str>) -> bool {
    let flags = traceparent.and_then(parts).and_then(|(_, _, flags)| u8::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & 1 == 1)
}

/// Trace id, span id and flags.
pub(super) fn parts(traceparent: &str) -> Option<(&str, &str, &str)> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_id = |text: &str, length: usize| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    // A later version may have more parts; what is known of it is read all the same.
    let known = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (known && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2)).then_some((trace, span, flags))
}

/// Random: the last bytes of a v7 id are.
fn span_id() -> String {
    let id = u64::try_from(new_id().as_u128() & u128::from(u64::MAX)).unwrap_or(1);
    format!("{:016x}", id | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_child_stays_in_the_trace_under_a_span_of_its_own() {
        let child = child_of(Some(SAMPLED));
        assert_eq!(child.len(), SAMPLED.len());
        assert!(child.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && child.ends_with("-01"), "{child}");
        assert!(!child.contains("b7ad6b7169203331"), "{child}");
        assert_ne!(child, child_of(Some(SAMPLED)));
        assert!(is_sampled(Some(&child)));
    }

    #[test]
    fn without_a_trace_a_new_one_begins() {
        for broken in [None, Some(""), Some("00-0-0-0"), Some("garbage"), Some(&SAMPLED[1..]), Some("ff-a-b-01")] {
            let new = child_of(broken);
            assert!(parts(&new).is_some() && !is_sampled(Some(&new)), "{broken:?}: {new}");
        }
        assert_ne!(child_of(None), child_of(None));
        let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        assert!(parts(zero).is_none() && !is_sampled(Some(zero)));
    }
}
