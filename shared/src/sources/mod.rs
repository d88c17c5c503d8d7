//! The world outside: whoever is asked for prices, quotes and chains. Each call has a deadline and a breaker.

pub mod chains;
pub mod http;
pub mod issuer;
pub mod prices;
pub mod quotes;
pub mod tool_servers;

use std::time::Duration;

use crate::breaker::BreakerError;

/// Why a source gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// It answered 429, or its own budget is used up.
    #[error("rate limited")]
    RateLimited {
        /// What its `Retry-After` said.
        retry_after: Option<Duration>,
    },
    /// It could not be reached, or answered with an error.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// Its breaker is open, or lets no more calls through at once: it was not asked.
    #[error("not asked: its circuit breaker is open")]
    CircuitOpen {
        /// Until the breaker lets a call through.
        retry_after: Duration,
    },
    /// It answered more than is read, in bytes: less should be asked for.
    #[error("more than {0} bytes")]
    TooLong(usize),
    /// It refused the request for good (401, 403, 400) or answered what cannot be read.
    #[error("unusable answer: {0}")]
    Malformed(String),
}

impl From<BreakerError<SourceError>> for SourceError {
    fn from(error: BreakerError<SourceError>) -> Self {
        behind_breaker(error)
    }
}

/// What came of a call behind a breaker: the call's own error, or why there was none.
pub(crate) fn behind_breaker<E: From<SourceError>>(error: BreakerError<E>) -> E {
    match error {
        BreakerError::Failed(error) => error,
        BreakerError::Open { retry_after } => SourceError::CircuitOpen { retry_after }.into(),
        BreakerError::Busy => SourceError::CircuitOpen { retry_after: Duration::from_secs(1) }.into(),
        BreakerError::TimedOut(limit) => SourceError::TimedOut(limit).into(),
    }
}

impl SourceError {
    /// Whether the same call may succeed later without a change on either side.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Malformed(_) | Self::TooLong(_))
    }

    /// How long to wait before asking again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            Self::CircuitOpen { retry_after } => Some(*retry_after),
            Self::Unavailable(_) | Self::TimedOut(_) | Self::TooLong(_) | Self::Malformed(_) => None,
        }
    }
}
