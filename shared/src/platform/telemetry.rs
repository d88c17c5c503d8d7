//! Logs: structured, one line an event, to standard error locally and as JSON on Lambda. `RUST_LOG` filters.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::TryInitError;

use super::config::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "LOG_FORMAT", meaning: "text or json", default: "text; json on Lambda" },
    Variable { name: "RUST_LOG", meaning: "what is logged, as in `info,mcp_core=debug`", default: "info" },
];

/// How to log.
#[derive(Debug)]
pub struct TelemetryConfig {
    json: bool,
    filter: EnvFilter,
}

impl TelemetryConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] for an unknown format or a filter that cannot be read.
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
        Ok(Self { json, filter })
    }
}

/// Starts logging in this process.
///
/// # Errors
/// If logging was started before.
pub fn start(config: TelemetryConfig) -> Result<(), TryInitError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let logs = tracing_subscriber::fmt().with_env_filter(config.filter).with_writer(std::io::stderr);
    if config.json {
        // With every span around a line: the request's has the correlation id, an upstream call's does not.
        logs.json().flatten_event(true).with_current_span(false).with_span_list(true).finish().try_init()
    } else {
        logs.with_ansi(std::io::stderr().is_terminal()).with_target(false).compact().finish().try_init()
    }
}
