//! Tokens of our own: for the banner of the local process, and for tests.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::platform::clock::Timestamp;
use crate::platform::config::{AuthConfig, AuthMode};

use super::Role;

/// An HS256 token that a [`Verifier`](super::Verifier) of the same configuration believes from `now` for `ttl`. `None`
/// where this process holds no secret: an issuer's private keys are never here.
pub fn issue_local_token(
    config: &AuthConfig,
    subject: &str,
    role: Role,
    ttl: Duration,
    now: Timestamp,
) -> Option<String> {
    #[derive(Serialize)]
    struct Claims<'a> {
        sub: &'a str,
        role: Role,
        iat: i64,
        exp: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        iss: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        aud: Option<&'a str>,
    }
    let AuthMode::Secret(secret) = &config.mode else { return None };
    let issued = now.timestamp();
    let claims = Claims {
        sub: subject,
        role,
        iat: issued,
        exp: issued.saturating_add_unsigned(ttl.as_secs()),
        iss: config.issuer.as_deref(),
        aud: config.audience.first().map(String::as_str),
    };
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.expose().as_bytes())).ok()
}
