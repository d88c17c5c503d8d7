//! Why a connection is ended: the protocol's codes, and 1013 ("try again later"), after which clients connect again.

use crate::platform::auth::AuthError;
use crate::push::{Close, RegistryError};

pub(super) fn close(code: u16, reason: &str) -> Close {
    Close { code, reason: reason.to_owned() }
}

pub(super) fn invalid(problem: &str) -> Close {
    close(4400, &format!("Invalid message received: {problem}"))
}

pub(super) fn refused(error: &AuthError) -> Close {
    if error.is_transient() { close(1013, "the token cannot be checked now") } else { close(4403, "Forbidden") }
}

/// No connection of that name is listed: it was ended, or is older than any may be.
pub(super) fn unknown() -> Close {
    close(1013, "the connection is not known any more")
}

pub(super) fn failed(error: RegistryError) -> Close {
    match error {
        RegistryError::Unavailable(problem) => {
            tracing::warn!(problem, "a frame cannot be handled: the registry is unavailable");
            close(1013, "try again later")
        }
        RegistryError::Failed(problem) => {
            tracing::error!(problem, "a frame cannot be handled: the registry failed");
            close(4500, "Internal server error")
        }
    }
}

/// An id in a reason to close, which has at most 123 bytes.
pub(super) fn short(id: &str) -> String {
    id.chars().take(20).collect()
}
