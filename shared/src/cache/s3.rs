//! The cold tier: S3, one object an entry, named by the SHA-256 of its key. For what is worth keeping when Redis is empty
//! or away. S3 itself deletes what is old, by the bucket's lifecycle; an entry that expired before is a miss.

use std::sync::Arc;

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::{CacheError, CacheTier, Entry, TierOptions};
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;

const NAME: &str = "s3";
/// Calls that one request makes at once.
const AT_ONCE: usize = 32;
/// The most that one `DeleteObjects` takes.
const DELETED_AT_ONCE: usize = 1000;

/// Entries in a bucket, as objects whose names begin with a common prefix.
pub struct S3Tier {
    bucket: String,
    prefix: String,
    /// Made at the first use: loading credentials takes a while.
    client: OnceCell<Client>,
    clock: Arc<dyn Clock>,
}

impl S3Tier {
    /// The objects in `bucket` whose names begin with `prefix`.
    pub fn new(bucket: impl Into<String>, prefix: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { bucket: bucket.into(), prefix: prefix.into(), client: OnceCell::new(), clock }
    }

    /// The same, through a client that is there.
    #[must_use]
    pub fn through(self, client: Client) -> Self {
        Self { client: OnceCell::new_with(Some(client)), ..self }
    }

    async fn client(&self) -> &Client {
        let make = || async {
            // One try, and no longer than its breaker waits: a cache is not worth more.
            let timeouts = TimeoutConfig::builder().operation_timeout(TierOptions::s3().breaker.timeout).build();
            let once = RetryConfig::standard().with_max_attempts(1);
            Client::new(
                &aws_config::defaults(BehaviorVersion::latest())
                    .retry_config(once)
                    .timeout_config(timeouts)
                    .load()
                    .await,
            )
        };
        self.client.get_or_init(make).await
    }

    fn object(&self, key: &str) -> String {
        format!("{}{:x}", self.prefix, Sha256::digest(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Entry>, CacheError> {
        let answer = self.client().await.get_object().bucket(&self.bucket).key(self.object(key)).send().await;
        match answer {
            Ok(object) => {
                let body = object.body.collect().await.map_err(|_| problem("the body broke off"))?;
                Ok(Entry::decode(body.to_vec()).filter(|entry| entry.expires_at > self.clock.now()))
            }
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn put(&self, key: &str, entry: &Entry) -> Result<(), CacheError> {
        let Some(body) = entry.encode() else { return Ok(()) };
        let request = self.client().await.put_object().bucket(&self.bucket).key(self.object(key));
        request.body(Bytes::from(body).into()).send().await.map(drop).map_err(|error| failed(&error))
    }

    async fn remove(&self, keys: &[String]) -> Result<(), CacheError> {
        let object = |key: &String| ObjectIdentifier::builder().key(self.object(key)).build();
        let objects =
            keys.iter().map(object).collect::<Result<Vec<_>, _>>().map_err(|_| problem("a name is missing"))?;
        for objects in objects.chunks(DELETED_AT_ONCE) {
            let delete = Delete::builder().set_objects(Some(objects.to_vec())).quiet(true).build();
            let delete = delete.map_err(|_| problem("no names"))?;
            let request = self.client().await.delete_objects().bucket(&self.bucket).delete(delete);
            request.send().await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

impl CacheTier for S3Tier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        Box::pin(iter(keys).map(|key| self.get(key)).buffered(AT_ONCE).try_collect())
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        let put = |(key, entry): &'a (String, Entry)| self.put(key, entry);
        Box::pin(iter(entries).map(put).buffer_unordered(AT_ONCE).try_collect())
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(self.remove(keys))
    }
}

fn problem(text: &str) -> CacheError {
    CacheError::unanswered(NAME, text)
}

/// What S3 calls the error, or what kind it is: the text may name the bucket and more.
fn failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> CacheError {
    let kind = match error {
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "it cannot be reached",
        _ => "an answer that cannot be used",
    };
    CacheError { answered: matches!(error, SdkError::ServiceError(_)), ..problem(error.code().unwrap_or(kind)) }
}
