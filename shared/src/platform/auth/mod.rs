//! Who the caller is. The faces call [`Verifier::verify`] with a bearer token, or [`principal_from_claims`] with what an
//! API Gateway authorizer verified.

mod claims;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod issue;
mod jwks;
mod keys;
pub(crate) mod local_secret;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod token;
mod verifier;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;

pub use claims::principal_from_claims;
pub use error::AuthError;
pub use issue::issue_local_token;
pub use jwks::KeySource;
pub use verifier::Verifier;

/// What a caller may do. `ADMIN` includes `USER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Role {
    /// Acts for one user: themself.
    User,
    /// May see what all users do.
    Admin,
}

/// A caller whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The subject of the token.
    pub user_id: String,
    /// Their highest role.
    pub role: Role,
    /// When the token ends, where it is known.
    pub expires_at: Option<Timestamp>,
}
