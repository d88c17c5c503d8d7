//! Automatic persisted queries: a client sends the SHA-256 of a document first, and the document itself only where
//! the hash is not known. <https://www.apollographql.com/docs/apollo-server/performance/apq>

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, EntryOptions};
use crate::faces::error::{ApiError, Code};
use crate::faces::parameters::Parameters;

/// How long a document may be kept after it was last sent whole; the tiers of the cache have shorter limits.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// The document of an operation.
pub(super) struct Document {
    pub(super) text: String,
    /// Its hash, where the client wants it kept.
    hash: Option<String>,
}

/// The document that the parameters carry, or name.
///
/// # Errors
/// `BAD_USER_INPUT` without either, or where they do not agree; `PERSISTED_QUERY_NOT_FOUND` for an unknown hash.
pub(super) async fn document(cache: &Cache, parameters: &mut Parameters) -> Result<Document, ApiError> {
    let text = parameters.query.take();
    let Some(persisted) = parameters.extensions.get("persistedQuery") else {
        return match text {
            Some(text) => Ok(Document::whole(text)),
            None => Err(ApiError::bad_input("query is missing")),
        };
    };
    let hash = hash_of(persisted)
        .ok_or_else(|| ApiError::bad_input("extensions.persistedQuery needs version 1 and a sha256Hash"))?;
    match text {
        Some(text) if is_hash_of(&hash, &text) => Ok(Document { text, hash: Some(hash) }),
        Some(_) => Err(ApiError::bad_input("sha256Hash is not the hash of query")),
        None => match cache.get_cold_values::<String>(&[key(&hash)]).await.pop().flatten() {
            // Looked at again: others may write to what is shared.
            Some(cached) if is_hash_of(&hash, &cached.value) => Ok(Document::whole(cached.value.as_ref().clone())),
            _ => Err(ApiError::new(Code::PersistedQueryNotFound, "PersistedQueryNotFound")),
        },
    }
}

impl Document {
    /// One that nobody wants kept.
    pub(super) fn whole(text: String) -> Self {
        Self { text, hash: None }
    }

    /// Keeps the document under its hash, once it is known to be one that may run.
    pub(super) async fn keep(&self, cache: &Cache) {
        if let Some(hash) = &self.hash {
            let options = EntryOptions { cold: true, ..EntryOptions::lasting(KEPT, KEPT) };
            cache.put_values([(key(hash), &self.text)], &options).await;
        }
    }
}

fn key(hash: &str) -> String {
    format!("apq:1:{hash}")
}

fn is_hash_of(hash: &str, document: &str) -> bool {
    format!("{:x}", Sha256::digest(document)) == hash
}

fn hash_of(persisted: &Value) -> Option<String> {
    let hash = persisted.get("sha256Hash")?.as_str()?.to_ascii_lowercase();
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (persisted.get("version")?.as_u64() == Some(1) && is_hash).then_some(hash)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::cache::MemoryTier;
    use crate::platform::clock::SystemClock;

    #[tokio::test]
    async fn a_document_that_somebody_put_under_the_hash_of_another_is_not_run() {
        let clock = Arc::new(SystemClock);
        let cache = Cache::new(MemoryTier::new(1 << 20, clock.clone()), clock);
        let asked = "{ __typename }";
        let hash = format!("{:x}", Sha256::digest(asked));
        let named = || {
            let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
            Parameters::read(json!({ "extensions": extensions })).unwrap()
        };
        let options = EntryOptions { cold: true, ..EntryOptions::lasting(KEPT, KEPT) };
        cache.put_values([(key(&hash), &"{ emotion { points } }".to_owned())], &options).await;
        let refused = document(&cache, &mut named()).await.map(|document| document.text);
        assert_eq!(refused.unwrap_err().code, Code::PersistedQueryNotFound);
        cache.put_values([(key(&hash), &asked.to_owned())], &options).await;
        assert_eq!(document(&cache, &mut named()).await.map(|document| document.text).unwrap(), asked);
    }
}
