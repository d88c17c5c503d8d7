//! The tier that all processes share: Redis, single or cluster. Reads go to the reader endpoint where there is one.
//!
//! An entry is stored as one version byte, `fresh_until` and `expires_at` (milliseconds since 1970, 8 bytes each, big
//! endian), then the value. What has another version or cannot be read is a miss.

use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;

use super::{CacheError, CacheTier, Entry};
use crate::platform::BoxFuture;
use crate::platform::redis::{RedisClient, RedisError};

const NAME: &str = "redis";
const VERSION: u8 = 1;
const HEADER: usize = 17;

/// Entries in a Redis, under keys with a common prefix.
pub struct RedisTier {
    writer: Arc<RedisClient>,
    reader: Arc<RedisClient>,
    prefix: String,
}

impl RedisTier {
    /// The entries whose keys begin with `prefix`, which may be empty.
    pub fn new(writer: Arc<RedisClient>, reader: Option<Arc<RedisClient>>, prefix: impl Into<String>) -> Self {
        Self { reader: reader.unwrap_or_else(|| Arc::clone(&writer)), writer, prefix: prefix.into() }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, RedisError> {
        if keys.is_empty() {
            return Ok(vec![]);
        }
        let mut command = redis::cmd("MGET");
        for key in keys {
            command.arg(self.key(key));
        }
        let values: Vec<Option<Vec<u8>>> = self.reader.query(&command).await?;
        Ok(values.into_iter().map(|value| decode(value?)).collect())
    }

    async fn put(&self, entries: &[(String, Entry)]) -> Result<(), RedisError> {
        let set = |(key, entry): &(String, Entry)| {
            // Redis refuses a time before 1970.
            let expires_at = entry.expires_at.timestamp_millis().max(1);
            redis::cmd("SET").arg(self.key(key)).arg(encode(entry)).arg("PXAT").arg(expires_at).take()
        };
        let commands: Vec<_> = entries.iter().map(set).collect();
        if commands.is_empty() { Ok(()) } else { self.writer.all(&commands).await }
    }

    async fn remove(&self, keys: &[String]) -> Result<(), RedisError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("DEL");
        for key in keys {
            command.arg(self.key(key));
        }
        self.writer.query(&command).await
    }
}

impl CacheTier for RedisTier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        Box::pin(async move { self.get(keys).await.map_err(|error| failed(&error)) })
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { self.put(entries).await.map_err(|error| failed(&error)) })
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { self.remove(keys).await.map_err(|error| failed(&error)) })
    }
}

/// The kind of an error: its text may name an address.
fn failed(error: &RedisError) -> CacheError {
    CacheError { tier: NAME, problem: error.category().to_owned() }
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + entry.value.len());
    bytes.push(VERSION);
    bytes.extend(entry.fresh_until.timestamp_millis().to_be_bytes());
    bytes.extend(entry.expires_at.timestamp_millis().to_be_bytes());
    bytes.extend_from_slice(&entry.value);
    bytes
}

fn decode(bytes: Vec<u8>) -> Option<Entry> {
    let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
    let (fresh_until, rest) = rest.split_first_chunk()?;
    let (expires_at, _) = rest.split_first_chunk()?;
    let time = |bytes: &[u8; 8]| DateTime::from_timestamp_millis(i64::from_be_bytes(*bytes));
    let (fresh_until, expires_at) = (time(fresh_until)?, time(expires_at)?);
    Some(Entry { value: Bytes::from(bytes).split_off(HEADER), fresh_until, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &'static [u8]) -> Entry {
        let time = |millis| DateTime::from_timestamp_millis(millis).unwrap();
        Entry { value: Bytes::from_static(value), fresh_until: time(1_000), expires_at: time(2_500) }
    }

    #[test]
    fn an_entry_survives_its_encoding_even_if_empty() {
        for value in [&b"quote"[..], b""] {
            assert_eq!(decode(encode(&entry(value))), Some(entry(value)));
        }
    }

    #[test]
    fn what_is_foreign_or_cut_off_is_a_miss() {
        let good = encode(&entry(b""));
        assert_eq!(decode(good[..16].to_vec()), None);
        assert_eq!(decode(vec![]), None);
        assert_eq!(decode([&[2], &good[1..]].concat()), None);
        assert_eq!(decode([&[VERSION], &[0xff_u8 >> 1; 16][..]].concat()), None);
    }
}
