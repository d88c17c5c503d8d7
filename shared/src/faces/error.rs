//! The one table from errors to codes, HTTP statuses and what a caller is told. GraphQL and HTTP both read it.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::limits::Decision;
use crate::platform::auth::AuthError;
use crate::services::Error;

/// The codes that a caller can meet: `extensions.code` in GraphQL, `code` in problem+json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Code {
    Unauthenticated,
    Forbidden,
    RateLimited,
    BadUserInput,
    NotFound,
    Conflict,
    QueryTooComplex,
    UpstreamUnavailable,
    Timeout,
    Internal,
    /// A client sent a document's hash alone, and the document is not known: it will send both.
    PersistedQueryNotFound,
    /// Only listed operations run here, and this is none.
    PersistedQueryNotInList,
}

impl Code {
    /// Every code.
    pub(in crate::faces) const ALL: [Self; 12] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::RateLimited,
        Self::BadUserInput,
        Self::NotFound,
        Self::Conflict,
        Self::QueryTooComplex,
        Self::UpstreamUnavailable,
        Self::Timeout,
        Self::Internal,
        Self::PersistedQueryNotFound,
        Self::PersistedQueryNotInList,
    ];

    /// The code that callers see as `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code as callers see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::UpstreamUnavailable => "UPSTREAM_UNAVAILABLE",
            Self::Timeout => "TIMEOUT",
            Self::Internal => "INTERNAL",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotInList => "PERSISTED_QUERY_NOT_IN_LIST",
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::PersistedQueryNotInList => StatusCode::FORBIDDEN,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::BadUserInput | Self::QueryTooComplex => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::PersistedQueryNotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::UpstreamUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error as a caller is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// Its code.
    pub code: Code,
    /// A sentence for a person. Holds nothing that the caller may not know.
    pub message: String,
    /// More for a machine: `coins`, `service`, `retryAfterSeconds`.
    pub details: Map<String, Value>,
}

impl ApiError {
    /// An error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new() }
    }

    /// What a caller sent makes no sense.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Code::BadUserInput, message)
    }

    /// GraphQL is not there for a caller.
    pub(super) fn no_graphql() -> Self {
        Self::new(Code::NotFound, "GraphQL is not served to you here; REST is, at /v1")
    }

    /// The seconds after which another try makes sense, for `Retry-After`.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.details.get("retryAfterSeconds").and_then(Value::as_u64)
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.details.insert(name.to_owned(), value);
        self
    }

    fn with_retry_after(self, after: Option<Duration>) -> Self {
        match after {
            Some(after) => self.with("retryAfterSeconds", json!(whole_seconds(after))),
            None => self,
        }
    }
}

/// A time in seconds, rounded up: at least as long as it is.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

impl From<&Error> for ApiError {
    fn from(error: &Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Invalid(_) => Self::bad_input(message),
            Error::Unauthenticated | Error::TokenExpired => Self::new(Code::Unauthenticated, message),
            Error::Forbidden(_) => Self::new(Code::Forbidden, message),
            Error::AnswerTooLarge => Self::new(Code::QueryTooComplex, message),
            Error::NotFound(_) => Self::new(Code::NotFound, message),
            Error::UnknownCoins(coins) => Self::new(Code::NotFound, message).with("coins", json!(coins)),
            Error::Conflict | Error::Busy(_) => Self::new(Code::Conflict, message),
            Error::Unavailable { service, retry_after } => Self::new(Code::UpstreamUnavailable, message)
                .with("service", json!(service))
                .with_retry_after(*retry_after),
            Error::Timeout | Error::TooShort(_) => Self::new(Code::Timeout, message),
            Error::Internal(problem) => {
                tracing::error!(problem, "a request failed");
                Self::new(Code::Internal, "something went wrong on our side; the correlation id finds it in our logs")
            }
        }
    }
}

impl From<&AuthError> for ApiError {
    fn from(error: &AuthError) -> Self {
        if error.is_transient() {
            return Self::new(Code::UpstreamUnavailable, error.to_string())
                .with("service", json!("jwks"))
                .with_retry_after(Some(Duration::from_secs(5)));
        }
        Self::new(Code::Unauthenticated, error.to_string())
    }
}

impl From<&Decision> for ApiError {
    /// What a refused request is told.
    fn from(decision: &Decision) -> Self {
        let quota = &decision.quota;
        let message = format!("rate limit: {} {} per {} s", quota.limit, quota.name, quota.window.as_secs());
        Self::new(Code::RateLimited, message).with_retry_after(decision.retry_after)
    }
}
