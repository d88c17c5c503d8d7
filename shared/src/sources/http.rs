//! The one HTTP client that every source shares: deadlines, a bound on what is read, a span per call, and no secret in
//! any log or error.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Url;
use tracing::{Instrument, Span, field};

use super::SourceError;
use crate::platform::clock::{Clock, Timestamp};
use crate::platform::secret::Secret;

/// How patient the client is, and how much it reads.
#[derive(Debug, Clone, Copy)]
pub struct HttpOptions {
    /// For the connection.
    pub connect_timeout: Duration,
    /// For the whole call. A breaker's is usually shorter.
    pub timeout: Duration,
    /// A longer answer is not read to its end.
    pub max_bytes: usize,
    /// Whether a connection is kept for the next call.
    pub keeps_connections: bool,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            max_bytes: 4 * 1024 * 1024,
            keeps_connections: true,
        }
    }
}

/// A client with a pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    options: HttpOptions,
    clock: Arc<dyn Clock>,
}

/// A GET.
pub(crate) struct Get<'a> {
    /// The name of the source.
    pub(crate) service: &'static str,
    /// The base, and what is appended to its path.
    pub(crate) base: &'a Url,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// A header with a key.
    pub(crate) key: Option<(&'static str, &'a Secret)>,
}

impl HttpClient {
    /// A client that has not spoken to anybody yet.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] where TLS cannot be set up.
    pub fn new(options: HttpOptions, clock: Arc<dyn Clock>) -> Result<Self, SourceError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("mcp-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            // A redirect could carry a key to another host.
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(if options.keeps_connections { usize::MAX } else { 0 })
            .build()
            .map_err(|error| SourceError::Unavailable(format!("no HTTP client: {}", cause(&error))))?;
        Ok(Self { client, options, clock })
    }

    /// The time by which `Retry-After` dates are read.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The body of a successful answer.
    pub(crate) async fn get(&self, get: Get<'_>) -> Result<Bytes, SourceError> {
        let mut url = get.base.clone();
        url.set_path(&format!("{}{}", get.base.path().trim_end_matches('/'), get.path));
        if !get.query.is_empty() {
            url.query_pairs_mut().extend_pairs(get.query);
        }
        let span = tracing::info_span!(
            "upstream",
            service = get.service,
            method = "GET",
            path = url.path(),
            status = field::Empty,
            elapsed_ms = field::Empty,
        );
        let started = tokio::time::Instant::now();
        let mut request = self.client.get(url);
        if let Some((name, key)) = get.key {
            let mut value = HeaderValue::from_str(key.expose())
                .map_err(|_| SourceError::Malformed("its key holds characters that no header can".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let result = self.send(request).instrument(span.clone()).await;
        span.record("elapsed_ms", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        if let Err(error) = &result {
            span.in_scope(|| tracing::debug!(%error, "no usable answer"));
        }
        result
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Bytes, SourceError> {
        let failed = |error: reqwest::Error| self.failed(&error);
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        Span::current().record("status", status.as_u16());
        if !status.is_success() {
            return Err(refused(status, response.headers(), self.clock.now()));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.options.max_bytes {
                return Err(SourceError::Malformed(format!("more than {} bytes", self.options.max_bytes)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn failed(&self, error: &reqwest::Error) -> SourceError {
        if error.is_timeout() {
            SourceError::TimedOut(self.options.timeout)
        } else {
            SourceError::Unavailable(cause(error))
        }
    }
}

/// What went wrong, without the URL, which may carry a secret.
fn cause(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut deepest = None;
    while let Some(error) = source {
        deepest = Some(error.to_string());
        source = error.source();
    }
    let kind = if error.is_connect() { "cannot connect" } else { "the exchange failed" };
    deepest.map_or_else(|| kind.to_owned(), |deepest| format!("{kind}: {deepest}"))
}

fn refused(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> SourceError {
    match status {
        StatusCode::TOO_MANY_REQUESTS => SourceError::RateLimited { retry_after: retry_after(headers, now) },
        StatusCode::REQUEST_TIMEOUT => SourceError::Unavailable("HTTP 408".to_owned()),
        _ if status.is_server_error() => SourceError::Unavailable(format!("HTTP {}", status.as_u16())),
        _ => SourceError::Malformed(format!("HTTP {}", status.as_u16())),
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); a past date is now.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
