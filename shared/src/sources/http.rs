//! The one HTTP client that every source shares: deadlines, a bound on what is read, a span per call, and no secret in
//! any log or error.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
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

/// A GET, or a POST where there is something to send.
pub(crate) struct Exchange<'a> {
    /// The name of the source.
    pub(crate) service: &'a str,
    /// The base, whose path and query may hold a key, and what is appended to its path.
    pub(crate) base: &'a Url,
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Keys and what else a source wants to see.
    pub(crate) headers: &'a [(&'static str, &'a Secret)],
    /// What to send, as JSON.
    pub(crate) json: Option<Bytes>,
}

/// What came back, where somebody answered who is neither broken nor wants to be left alone.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
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
        let Get { service, base, path, query, key } = get;
        let answered =
            self.exchange(Exchange { service, base, path, query, headers: key.as_slice(), json: None }).await?;
        if answered.status.is_success() {
            Ok(answered.body)
        } else {
            Err(SourceError::Malformed(format!("HTTP {}", answered.status.as_u16())))
        }
    }

    /// An answer of any status but those that say to come again later: 408, 429 and 5xx are errors.
    pub(crate) async fn exchange(&self, exchange: Exchange<'_>) -> Result<Answered, SourceError> {
        let mut url = exchange.base.clone();
        if !exchange.path.is_empty() {
            url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), exchange.path));
        }
        if !exchange.query.is_empty() {
            url.query_pairs_mut().extend_pairs(exchange.query);
        }
        let method = if exchange.json.is_some() { Method::POST } else { Method::GET };
        let span = tracing::info_span!(
            "upstream",
            service = exchange.service,
            %method,
            // Not that of the base: it may hold a key.
            path = exchange.path,
            status = field::Empty,
            elapsed_ms = field::Empty,
        );
        let started = tokio::time::Instant::now();
        let mut request = self.client.request(method, url);
        for (name, key) in exchange.headers {
            let mut value = HeaderValue::from_str(key.expose())
                .map_err(|_| SourceError::Malformed("its key holds characters that no header can".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        if let Some(json) = exchange.json {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(json);
        }
        let result = self.send(request).instrument(span.clone()).await;
        span.record("elapsed_ms", u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        if let Err(error) = &result {
            span.in_scope(|| tracing::debug!(%error, "no usable answer"));
        }
        result
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answered, SourceError> {
        let failed = |error: reqwest::Error| self.failed(&error);
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        Span::current().record("status", status.as_u16());
        if let Some(refusal) = refused(status, response.headers(), self.clock.now()) {
            return Err(refusal);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > self.options.max_bytes {
                return Err(SourceError::TooLong(self.options.max_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answered { status, body: body.freeze() })
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

/// Why to come again later, where the status says so.
fn refused(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Option<SourceError> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(SourceError::RateLimited { retry_after: retry_after(headers, now) }),
        StatusCode::REQUEST_TIMEOUT => Some(SourceError::Unavailable("HTTP 408".to_owned())),
        _ if status.is_server_error() => Some(SourceError::Unavailable(format!("HTTP {}", status.as_u16()))),
        _ => None,
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
