//! Logs, and traces. Logs are structured, one line an event, to standard error locally and as JSON on Lambda; `RUST_LOG` filters them.
//! Traces are spans of the same code, sent to a collector where `OTEL_EXPORTER_OTLP_ENDPOINT` names one.
//! `docs/OBSERVABILITY.md` lists the fields of both.

mod otlp;
#[cfg(feature = "otel")]
mod semantics;
#[cfg(feature = "otel")]
pub(super) mod traces;

use std::io::IsTerminal;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use self::otlp::OtlpConfig;
use super::clock::{Clock, SystemClock};
use super::config::{ConfigError, Variable, Vars};
use super::metrics::{Measured, emf};

pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "LOG_FORMAT", meaning: "text or json", default: "text; json on Lambda" },
    Variable { name: "RUST_LOG", meaning: "what is logged, as in `info,mcp_core=debug`", default: "info" },
];
pub(super) use self::otlp::VARIABLES as OTLP_VARIABLES;

/// What to log, and where traces go.
#[derive(Debug)]
pub struct TelemetryConfig {
    json: bool,
    filter: EnvFilter,
    otlp: Option<OtlpConfig>,
}

impl TelemetryConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] for an unknown format, a filter that cannot be read, or a collector that cannot be sent to.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let json = match vars.get("LOG_FORMAT") {
            None => vars.on_lambda(),
            Some("json") => true,
            Some("text") => false,
            Some(other) => return Err(ConfigError::invalid("LOG_FORMAT", other, "text or json")),
        };
        let filter = vars.get("RUST_LOG").unwrap_or("info");
        let filter = EnvFilter::try_new(filter)
            .map_err(|_| ConfigError::invalid("RUST_LOG", filter, "a filter such as info,mcp_core=debug"))?;
        Ok(Self { json, filter, otlp: OtlpConfig::from_vars(vars)? })
    }

    /// Whether traces are to be sent somewhere.
    pub fn has_traces(&self) -> bool {
        self.otlp.is_some()
    }
}

/// Starts logging in this process, and tracing. To be called again once references to secrets are resolved: from then on traces go where
/// these variables say.
///
/// # Errors
/// If logging was started before.
pub fn start(config: TelemetryConfig) -> Result<(), TryInitError> {
    #[cfg(feature = "otel")]
    if let Some(otlp) = &config.otlp {
        return traces::start(otlp, |traces| {
            use tracing_subscriber::layer::SubscriberExt;
            use tracing_subscriber::util::SubscriberInitExt;

            tracing_subscriber::registry().with(logs(config.json, config.filter)).with(traces.layer()).try_init()
        });
    }
    start_logs(config)
}

/// Logs alone: what the filter lets out costs nothing.
fn start_logs(config: TelemetryConfig) -> Result<(), TryInitError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let logs = tracing_subscriber::fmt().with_env_filter(config.filter).with_writer(std::io::stderr);
    if config.json {
        // With every span around a line: the request's has the correlation id, an upstream call's does not.
        logs.json().flatten_event(true).with_current_span(false).with_span_list(true).finish().try_init()
    } else {
        logs.with_ansi(std::io::stderr().is_terminal()).with_target(false).compact().finish().try_init()
    }
}

/// The same logs beside something else, which hears of what the filter lets out.
#[cfg(feature = "otel")]
fn logs<S>(json: bool, filter: EnvFilter) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    use tracing_subscriber::Layer;

    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = if json {
        logs.json().flatten_event(true).with_current_span(false).with_span_list(true).boxed()
    } else {
        logs.with_ansi(std::io::stderr().is_terminal()).with_target(false).compact().boxed()
    };
    logs.with_filter(filter)
}

/// Hands over what an invocation of a function measured and traced. To be called at its end, before its answer is handed over: nothing
/// runs after that.
pub async fn hand_over() {
    emf::write(SystemClock.now());
    flush().await;
}

/// Sends the spans that have ended to the collector, if there is one and it is not out of order. Takes no longer than a moment.
pub async fn flush() {
    #[cfg(feature = "otel")]
    traces::flush().await;
    #[cfg(not(feature = "otel"))]
    std::future::ready(()).await;
}

/// What is measured of traces themselves, where there are any.
pub fn measured() -> Option<Arc<dyn Measured>> {
    #[cfg(feature = "otel")]
    return traces::measured();
    #[cfg(not(feature = "otel"))]
    None
}
