//! The shape of a token, before anything in it is believed: RFC 7515, compact serialisation.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use super::AuthError;

/// Longest token, in bytes: API Gateway allows 10 KB for all headers together.
const LONGEST: usize = 8 * 1024;

/// A token taken apart. Its header is what the sender says, nothing more.
pub(super) struct Token<'a> {
    /// Which algorithm and key the sender says it used.
    pub(super) header: Header,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

/// What is read of a header. Keys and addresses of keys in it (`jwk`, `jku`, `x5u`) are not even looked at.
#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'a str) -> Result<Self, AuthError> {
        if token.len() > LONGEST {
            return Err(AuthError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(AuthError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(AuthError::Malformed)?;
        if payload.contains('.') {
            return Err(AuthError::Malformed);
        }
        let header: Header = json(header)?;
        // Who does not understand a critical extension must refuse the token (section 4.1.11); none is understood here.
        if header.crit.is_some() {
            return Err(AuthError::Malformed);
        }
        Ok(Self { header, signed, payload, signature })
    }

    /// Verifies the signature with a key and *its* algorithm, and hands out the claims, which are then the key owner's.
    pub(super) fn claims(&self, key: &DecodingKey, algorithm: Algorithm) -> Result<Map<String, Value>, AuthError> {
        match jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), key, algorithm) {
            Ok(true) => json(self.payload),
            Ok(false) | Err(_) => Err(AuthError::BadSignature),
        }
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, AuthError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| AuthError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| AuthError::Malformed)
}
