//! What Postgres's errors mean: the one place that decides. No text holds the URL or what was stored.

use sqlx::postgres::PgDatabaseError;

use crate::store::StoreError;

/// Classes and codes that may pass: connections lost (08), resources short (53), shut down or starting (57P), a disk
/// that does not answer (58), a statement cancelled or a lock not given (57014, 55P03), a race lost (40), a primary
/// that has become a replica (25006), and a prepared statement that the session has lost or the schema outgrown
/// (26000, 0A000: gone with a new connection).
const TRANSIENT: [&str; 10] = ["08", "53", "57P", "58", "57014", "55P03", "40", "25006", "26000", "0A000"];

/// The class that speaks of the data alone: a value that the database cannot hold. A constraint (23) that is not kept
/// says more of the schema than of the data.
const DATA: &str = "22";

/// The error as a store's.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            let problem = format!("{} (SQLSTATE {code})", error.message());
            if TRANSIENT.iter().any(|class| code.starts_with(class)) {
                StoreError::Unavailable(problem)
            } else if code.starts_with(DATA) {
                StoreError::Invalid(problem)
            } else {
                StoreError::Failed(problem)
            }
        }
        sqlx::Error::Io(error) => StoreError::Unavailable(format!("the connection: {}", error.kind())),
        sqlx::Error::Tls(_) => StoreError::Unavailable("no TLS connection".to_owned()),
        sqlx::Error::Protocol(problem) => StoreError::Unavailable(problem),
        sqlx::Error::BeginFailed => StoreError::Unavailable("no transaction could be begun".to_owned()),
        other => StoreError::Failed(other.to_string()),
    }
}

/// No connection came about: whatever the reason (a wrong password while it is rotated, a database that is being
/// restored), the database may be there later, and the call did nothing.
pub(super) fn unreachable(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default().into_owned();
            StoreError::Unavailable(format!("{} (SQLSTATE {code})", error.message()))
        }
        sqlx::Error::Configuration(_) => StoreError::Unavailable("the database URL does not work".to_owned()),
        error => match failure(error) {
            StoreError::Failed(problem) => StoreError::Unavailable(problem),
            other => other,
        },
    }
}

/// An error that our own functions raise: its code and the detail that comes with it.
pub(super) fn raised(error: &sqlx::Error) -> Option<(&str, &str)> {
    let error = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    error.code().starts_with("MC").then(|| (error.code(), error.detail().unwrap_or_default()))
}
