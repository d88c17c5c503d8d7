//! The use cases, one file each. Faces and triggers call them; they call capabilities. What a service refuses, it says
//! in [`Error`], which the faces map to codes in one place.

pub mod admin;
mod call;
pub mod catalogue;
pub mod chains;
pub mod consume;
pub mod context;
pub mod emotion;
#[cfg(test)]
pub(crate) mod fake_store;
pub mod fan_out;
pub mod memory;
pub mod page;
pub mod poll;
pub mod prices;
pub mod project;
pub mod quotes;
pub mod rebuild;
pub mod relay;
pub mod remote_tools;
pub mod replay;
pub mod subscriptions;
pub mod transactions;
pub mod watch;

use std::convert::Infallible;
use std::time::Duration;

use crate::domain::DecodeError;
use crate::domain::coin::Coin;
use crate::sources::chains::ChainError;
use crate::store::StoreError;
use crate::store::repository::CommandError;

pub use call::Call;

/// Why a use case was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller asked for what makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The caller must show a token.
    #[error("this needs a token: send `Authorization: Bearer ...`")]
    Unauthenticated,
    /// The caller may not have what they asked for.
    #[error("{0}")]
    Forbidden(String),
    /// What the caller asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// These coins are known to no source.
    #[error("unknown coin{}: {}", if .0.len() == 1 { "" } else { "s" }, join(.0))]
    UnknownCoins(Vec<Coin>),
    /// Other writers were faster, again and again.
    #[error("the state changed at the same time; try again")]
    Conflict,
    /// Another process does this already.
    #[error("{0}")]
    Busy(String),
    /// Something that this depends on does not answer.
    #[error("{service} is unavailable")]
    Unavailable {
        /// What: a source's name, `database`, ...
        service: String,
        /// Until it is worth another try, where that is known.
        retry_after: Option<Duration>,
    },
    /// The time for the request was used up.
    #[error("the request took too long")]
    Timeout,
    /// The time that is left is less than what even the smallest piece of the work may take.
    #[error("there is no time to begin: a piece of this work may take {} s", .0.as_secs())]
    TooShort(Duration),
    /// The token that was good when an operation began is not any more.
    #[error("the token has expired")]
    TokenExpired,
    /// An answer that is too large for one message.
    #[error("the answer has more than {} KiB: ask for fewer fields or items", crate::push::MAX_MESSAGE / 1024)]
    AnswerTooLarge,
    /// A fault of ours. The text is for the log, never for the caller.
    #[error("internal: {0}")]
    Internal(String),
}

fn join(coins: &[Coin]) -> String {
    coins.iter().map(Coin::as_str).collect::<Vec<_>>().join(", ")
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { .. } => Self::Conflict,
            StoreError::KeyReused => Self::Invalid("the Idempotency-Key was used for another request".to_owned()),
            StoreError::Unavailable(problem) => {
                tracing::warn!(problem, "the store is unavailable");
                Self::Unavailable { service: "database".to_owned(), retry_after: Some(Duration::from_secs(1)) }
            }
            StoreError::Invalid(_) | StoreError::Failed(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<ChainError> for Error {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Invalid(problem) | ChainError::Refused(problem) => Self::Invalid(problem),
            ChainError::Unavailable { chain, source } => {
                tracing::warn!(chain, error = %source, "a chain is unavailable");
                Self::Unavailable { service: chain, retry_after: source.retry_after() }
            }
        }
    }
}

/// Of aggregates that refuse nothing.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl<E: Into<Error>> From<CommandError<E>> for Error {
    fn from(error: CommandError<E>) -> Self {
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::Store(error) => error.into(),
            CommandError::Decode(error) => error.into(),
        }
    }
}
