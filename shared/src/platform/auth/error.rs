//! Why a token is not believed.

/// Why a token is not believed. The text is made for the caller: it holds nothing of the token, the keys or their
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It is longer than any honest token.
    #[error("the token is too long")]
    TooLong,
    /// It is not three parts of base64url with JSON in two of them, or demands extensions.
    #[error("the token is malformed")]
    Malformed,
    /// It is unsigned, or its algorithm is not that of the key.
    #[error("the token's algorithm is not accepted")]
    WrongAlgorithm,
    /// It is signed by a key that the issuer does not have, or does not say by which of several.
    #[error("the token's key is unknown")]
    UnknownKey,
    /// Its signature does not fit.
    #[error("the token's signature is invalid")]
    BadSignature,
    /// A claim is missing or makes no sense.
    #[error("the token's claim {0} is missing or invalid")]
    InvalidClaim(&'static str),
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It is someone else's.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// It is for someone else.
    #[error("the token is for another audience")]
    WrongAudience,
    /// It cannot be verified now: the issuer's keys were never fetched, or too long ago.
    #[error("the issuer's keys are unavailable; try again")]
    KeysUnavailable,
}

impl AuthError {
    /// Whether the same token may be believed later: 503 rather than 401.
    pub fn is_transient(self) -> bool {
        self == Self::KeysUnavailable
    }
}
