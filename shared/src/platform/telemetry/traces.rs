//! Spans on their way to a collector: OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! Nothing runs between two invocations, so there is no timer and no thread: spans that have ended are gathered, as many as there is room
//! for, and [`Traces::flush`] sends them within the invocation, for [`PATIENCE`] at most. A collector that does not answer is let alone
//! for a while, which is doubled each time: it slows a request now and then, and fails none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    ParentBasedSampler, Sampler, SdkTracerProvider, ShouldSample, Span as SdkSpan, SpanData, SpanExporter as _,
    SpanProcessor,
};
use tokio::time::{Instant, timeout_at};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context as LayerContext, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::otlp::{Collector, OtlpConfig, Sampling};
use super::semantics::translate;
use crate::platform::clock::{Clock, SystemClock, Timestamp, after};
use crate::platform::metrics::{Measured, Sample};
use crate::platform::outage::Outage;
use crate::platform::trace::parts;

/// How long a flush may take.
const PATIENCE: Duration = Duration::from_millis(400);
/// How many spans wait at most.
const ROOM: usize = 2048;
/// How many are sent at once.
const BATCH: usize = 512;
/// How often a span is sent that is not taken.
const TRIES: u32 = 3;
/// How long a collector that does not answer is let alone: this, doubled each time, up to the other.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// How many other traces a span tells that it belongs to.
const LINKS: usize = 32;

/// Those of this process.
static HERE: OnceLock<Traces> = OnceLock::new();

/// Installs a layer that gathers spans. Where that was done before, from now on they go where `config` says.
pub(super) fn start<E>(config: &OtlpConfig, install: impl FnOnce(&Traces) -> Result<(), E>) -> Result<(), E> {
    if let Some(traces) = HERE.get() {
        traces.send_to(config.collector.as_ref());
        return Ok(());
    }
    let traces = Traces::new(config, Arc::new(SystemClock));
    install(&traces)?;
    // Two that start at once: one of them could not install its layer.
    let _ = HERE.set(traces);
    Ok(())
}

pub(super) async fn flush() {
    if let Some(traces) = HERE.get() {
        traces.flush().await;
    }
}

pub(super) fn measured() -> Option<Arc<dyn Measured>> {
    HERE.get().map(|traces| traces.gathered.clone() as _)
}

/// Whether spans of this process are gathered, to be sent.
pub(in crate::platform) fn are_sent() -> bool {
    tracing::dispatcher::get_default(tracing::Dispatch::is::<OurSpans>)
}

/// Puts a span that begins into the trace of `incoming`. Its `traceparent`, where it is one that may be sent.
pub(in crate::platform) fn begin(span: &Span, incoming: Option<&str>) -> Option<String> {
    if let Some(parent) = incoming.and_then(remote) {
        // It fails where nobody gathers spans.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    let context = span.context();
    let context = context.span().span_context().clone();
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    context.is_valid().then(|| format!("00-{trace}-{span}-{flags:02x}"))
}

/// Says that a span belongs to these traces, too.
pub(in crate::platform) fn link<'a>(span: &Span, others: impl Iterator<Item = &'a str>) {
    for other in others.filter_map(remote).take(LINKS) {
        span.add_link(other);
    }
}

/// Says something of a span that no log says.
pub(in crate::platform) fn note(span: &Span, name: &'static str, value: i64) {
    span.set_attribute(name, value);
}

fn remote(traceparent: &str) -> Option<SpanContext> {
    let (trace, span, flags) = parts(traceparent)?;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default()))
}

/// Gathers spans and sends them.
pub(super) struct Traces {
    gathered: Arc<Gathered>,
    provider: SdkTracerProvider,
    resource: Resource,
    target: Mutex<Target>,
    /// Locked while something is sent.
    collector: tokio::sync::Mutex<Standing>,
    outage: Outage,
    clock: Arc<dyn Clock>,
}

/// Who sends, and where to. It is made when it is needed: TLS takes a moment to set up.
#[derive(Default)]
struct Target {
    collector: Option<Collector>,
    exporter: Option<Arc<SpanExporter>>,
}

/// How a collector has answered.
#[derive(Default)]
struct Standing {
    failures: u32,
    failed: Option<Timestamp>,
}

impl Standing {
    /// Whether it is let alone at the moment. A clock that was set back says nothing.
    fn is_let_alone(&self, now: Timestamp) -> bool {
        let pause = PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.saturating_sub(1))).min(LONGEST_PAUSE);
        self.failed.is_some_and(|failed| failed <= now && now < after(failed, pause))
    }
}

impl Traces {
    fn new(config: &OtlpConfig, clock: Arc<dyn Clock>) -> Self {
        let gathered = Arc::new(Gathered::default());
        let resource = Resource::builder_empty()
            .with_service_name(config.service.clone())
            .with_attribute(KeyValue::new("service.namespace", "mcp-server"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Gatherer(gathered.clone()))
            .with_sampler(sampler(config.sampling))
            .with_resource(resource.clone())
            .build();
        let traces = Self {
            gathered,
            provider,
            resource,
            target: Mutex::default(),
            collector: tokio::sync::Mutex::default(),
            outage: Outage::default(),
            clock,
        };
        traces.send_to(config.collector.as_ref());
        traces
    }

    /// Spans go there from now on; nowhere yet, where it is not known.
    fn send_to(&self, collector: Option<&Collector>) {
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        if target.collector.as_ref() != collector && collector.is_some() {
            *target = Target { collector: collector.cloned(), exporter: None };
        }
    }

    /// Makes spans of ours spans of OpenTelemetry's.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("mcp_core"))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(OurSpans)
    }

    /// Sends what is gathered.
    pub(super) async fn flush(&self) {
        // Somebody sends already, what is gathered now as well.
        let Ok(mut standing) = self.collector.try_lock() else { return };
        if self.gathered.is_empty() || standing.is_let_alone(self.clock.now()) {
            return;
        }
        let Some(exporter) = self.exporter() else { return };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let batch = self.gathered.take(BATCH);
            if batch.is_empty() {
                break;
            }
            let sent = timeout_at(deadline, exporter.export(batch.clone())).await;
            let error = match sent {
                Ok(Ok(())) => {
                    self.gathered.exported.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    *standing = Standing::default();
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {PATIENCE:?}"),
            };
            standing.failures = standing.failures.saturating_add(1);
            standing.failed = Some(self.clock.now());
            self.gathered.give_back(batch, standing.failures < TRIES);
            if self.outage.changed(true) {
                tracing::warn!(error, "traces cannot be sent; requests go on without");
            }
            return;
        }
        if self.outage.changed(false) {
            tracing::info!("traces can be sent again");
        }
    }

    fn exporter(&self) -> Option<Arc<SpanExporter>> {
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let Target { collector, exporter } = &mut *target;
        if exporter.is_none() {
            match self.make(collector.as_ref()?) {
                Ok(made) => *exporter = Some(Arc::new(made)),
                Err(error) if self.outage.changed(true) => tracing::error!(error, "traces cannot be sent"),
                Err(_) => {}
            }
        }
        exporter.clone()
    }

    fn make(&self, collector: &Collector) -> Result<SpanExporter, String> {
        let client = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            // A redirect could carry a key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let headers = collector.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector.url.as_str())
            .with_headers(headers.collect())
            .with_timeout(PATIENCE)
            .with_retry_policy(RetryPolicy::disabled())
            .build();
        // It may say where spans were to go, and with which key.
        let mut exporter = exporter.map_err(|_| "the exporter cannot be made".to_owned())?;
        exporter.set_resource(&self.resource);
        Ok(exporter)
    }
}

fn sampler(sampling: Sampling) -> Box<dyn ShouldSample> {
    let Sampling { by_parent, share } = sampling;
    let root = if share >= 1.0 {
        Sampler::AlwaysOn
    } else if share <= 0.0 {
        Sampler::AlwaysOff
    } else {
        Sampler::TraceIdRatioBased(share)
    };
    if by_parent { ParentBasedSampler::new(root).into() } else { root.into() }
}

/// Spans of this crate, whatever is logged. No events: what a line of the log says is for the log.
struct OurSpans;

impl OurSpans {
    fn takes(metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && *metadata.level() <= LevelFilter::INFO && metadata.target().starts_with("mcp_core")
    }
}

impl<S> Filter<S> for OurSpans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &LayerContext<'_, S>) -> bool {
        Self::takes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Spans that have ended and are not sent yet.
#[derive(Debug, Default)]
struct Gathered {
    spans: Mutex<Vec<SpanData>>,
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// As many as there is room for.
    fn add(&self, span: SpanData) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.len() < ROOM {
            spans.push(span);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The first `most`.
    fn take(&self, most: usize) -> Vec<SpanData> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let most = most.min(spans.len());
        spans.drain(..most).collect()
    }

    /// Spans that were not taken, to be sent `again` or not.
    fn give_back(&self, mut batch: Vec<SpanData>, again: bool) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if again { batch.len().min(ROOM - spans.len()) } else { 0 };
        self.dropped.fetch_add((batch.len() - kept) as u64, Ordering::Relaxed);
        batch.truncate(kept);
        spans.splice(..0, batch);
    }
}

impl Measured for Gathered {
    fn samples(&self) -> Vec<Sample> {
        let counter = |name, help, count: &AtomicU64| Sample::counter(name, help, count.load(Ordering::Relaxed));
        vec![
            counter("traces.exported", "Spans that a collector took", &self.exported),
            counter("traces.dropped", "Spans that no collector took in time", &self.dropped),
        ]
    }
}

/// Gathers spans when they end.
#[derive(Debug)]
struct Gatherer(Arc<Gathered>);

impl SpanProcessor for Gatherer {
    fn on_start(&self, _: &mut SdkSpan, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if span.span_context.is_sampled() {
            translate(&mut span);
            self.0.add(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "graphql")]
mod tests;
