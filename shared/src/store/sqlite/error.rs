//! What SQLite's errors mean: the one place that decides.

use crate::store::StoreError;

/// Primary result codes that may pass: the file is busy or locked, memory or disk is short, the disk does not answer,
/// the file cannot be opened.
const TRANSIENT: [i32; 6] = [5, 6, 7, 10, 13, 14];

/// Primary result codes that speak of the data alone: it is too big, or has the wrong type.
const DATA: [i32; 2] = [18, 20];

/// The error as a store's. Its text never holds what was stored.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => {
            let code: Option<i32> = error.code().and_then(|code| code.parse().ok());
            // The low byte of an extended code is the primary one.
            let problem = format!("{} (SQLite {})", error.message(), code.unwrap_or_default());
            let primary = code.unwrap_or_default() & 0xff;
            if TRANSIENT.contains(&primary) {
                StoreError::Unavailable(problem)
            } else if DATA.contains(&primary) {
                StoreError::Invalid(problem)
            } else {
                StoreError::Failed(problem)
            }
        }
        sqlx::Error::PoolTimedOut => StoreError::Unavailable("every connection is busy".to_owned()),
        sqlx::Error::Io(error) => StoreError::Unavailable(error.to_string()),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => StoreError::Unavailable("it is closed".to_owned()),
        other => StoreError::Failed(other.to_string()),
    }
}
