//! One call of a use case: who makes it and what it belongs to.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Error;
use crate::domain::Metadata;
use crate::platform::auth::Principal;
use crate::platform::clock::Timestamp;
use crate::store::IdempotencyKey;

/// Who calls, and the request that the call belongs to.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// The caller, if a token was verified.
    pub principal: Option<Principal>,
    /// The request's correlation id.
    pub correlation_id: String,
    /// The W3C trace context that came with the request.
    pub traceparent: Option<String>,
    /// The request's `Idempotency-Key`, as given.
    pub idempotency_key: Option<String>,
    /// Which of the request's operations it belongs to, counted from 0.
    pub place: usize,
}

impl Call {
    /// The caller's user id.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for an anonymous caller.
    pub fn user_id(&self) -> Result<&str, Error> {
        self.principal.as_ref().map(|principal| principal.user_id.as_str()).ok_or(Error::Unauthenticated)
    }

    /// What is stored beside events that happen now.
    pub(crate) fn metadata(&self, occurred_at: Timestamp) -> Metadata {
        Metadata {
            user_id: self.principal.as_ref().map(|principal| principal.user_id.clone()),
            correlation_id: self.correlation_id.clone(),
            causation_id: None,
            traceparent: self.traceparent.clone(),
            idempotency_key: self.idempotency_key.clone(),
            occurred_at,
        }
    }

    /// The key of one use of `operation` with `input`: of this caller, and of this place in the request, so that two
    /// mutations in one request have two keys.
    pub(crate) fn idempotency(
        &self,
        operation: &str,
        place: &str,
        input: &impl Serialize,
    ) -> Result<Option<IdempotencyKey>, Error> {
        let Some(key) = &self.idempotency_key else { return Ok(None) };
        let input = serde_json::to_vec(input).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Some(IdempotencyKey {
            key: digest(&[self.user_id()?.as_bytes(), place.as_bytes(), key.as_bytes()]),
            fingerprint: digest(&[operation.as_bytes(), &input]),
        }))
    }
}

/// SHA-256 in hexadecimal of the parts, each with its length before it.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::auth::Role;

    fn call(user_id: &str) -> Call {
        Call {
            principal: Some(Principal { user_id: user_id.into(), role: Role::User, expires_at: None }),
            idempotency_key: Some("k".into()),
            ..Call::default()
        }
    }

    #[test]
    fn keys_of_two_users_or_two_places_never_meet() {
        let key = |user, place| call(user).idempotency("op", place, &1).unwrap().unwrap();
        assert_eq!(key("ada", "a"), key("ada", "a"));
        assert_ne!(key("ada", "a").key, key("bob", "a").key);
        assert_ne!(key("ada", "a").key, key("ada", "b").key);
        assert_ne!(key("ada", "ab").key, key("adaa", "b").key);
    }

    #[test]
    fn another_input_has_another_fingerprint() {
        let fingerprint = |input| call("ada").idempotency("op", "a", &input).unwrap().unwrap().fingerprint;
        assert_ne!(fingerprint(1), fingerprint(2));
    }
}
