//! What callers say of who they are, as any bytes.

use std::sync::{Arc, LazyLock};

use chrono::DateTime;
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::keys::KeySet;
use super::{AuthError, Principal, Verifier, principal_from_claims};
use crate::platform::clock::ManualClock;
use crate::platform::config::{AuthConfig, AuthMode, ConfigError};
use crate::platform::secret::Secret;

const SECRET: &str = "the secret of a verifier that any bytes are put to";

/// Whoever is let in has a token that was signed with the secret.
pub(crate) fn authorization(bytes: &[u8]) -> bool {
    static VERIFIER: LazyLock<Option<Verifier>> = LazyLock::new(|| {
        let mode = AuthMode::Secret(Secret::new(SECRET));
        let config = AuthConfig { mode, issuer: Some("issuer".to_owned()), audience: vec!["mcp".to_owned()] };
        // 2025-06-15, whenever this runs.
        let clock = Arc::new(ManualClock::at(DateTime::from_timestamp(1_750_000_000, 0).unwrap_or_default()));
        Verifier::new(&config, clock, |_| Err(ConfigError::expected("JWKS_URL", "to be unset"))).ok()
    });
    let verdict = VERIFIER.as_ref().map(|verifier| verifier.verify_authorization(bytes).now_or_never());
    // Nothing is fetched: the answer is there at once.
    let Some(Some(verdict)) = verdict else { unreachable!("a verifier with a secret waits for nobody") };
    let principal = match verdict {
        Ok(principal) => principal,
        Err(error) => {
            assert!(!error.is_transient() && !matches!(error, AuthError::KeysUnavailable), "{error:?}");
            return false;
        }
    };
    check(&principal);
    let text = String::from_utf8_lossy(bytes);
    let parts = text.trim().split_once(' ').and_then(|(_, token)| token.trim().rsplit_once('.'));
    let signed = parts.map(|(signed, signature)| {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        (jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).ok(), signature.to_owned())
    });
    assert!(matches!(signed, Some((Some(right), shown)) if right == shown));
    true
}

/// What API Gateway's authorizer passes on.
pub(crate) fn claims(bytes: &[u8]) -> bool {
    let Ok(Value::Object(authorizer)) = serde_json::from_slice(bytes) else { return false };
    let principal = principal_from_claims(&authorizer);
    principal.iter().for_each(check);
    principal.is_some()
}

/// The keys that an issuer publishes: there are some, and no more than it said.
pub(crate) fn key_set(bytes: &[u8]) -> bool {
    let Some(keys) = KeySet::parse(bytes) else { return false };
    assert!((1..=bytes.len()).contains(&keys.len()));
    true
}

fn check(principal: &Principal) {
    let id = &principal.user_id;
    assert!((1..=256).contains(&id.chars().count()) && !id.chars().any(char::is_control), "{id:?}");
}
