//! The tier that all processes share: Redis, single or cluster. Reads go to the reader endpoint where there is one. Beside
//! the entries lie the stamps and the leases.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, cmd};

use super::{CacheError, CacheTier, Entry, RefreshLeases, StampStore};
use crate::platform::BoxFuture;
use crate::platform::redis::{RedisClient, RedisError, is_answer};

const NAME: &str = "redis";
/// Longer than any entry lives: a stamp that is gone makes what carries it invalid.
const STAMP_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Deletes a lease, if it is the holder's.
const GIVE_BACK: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

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

    fn lease(&self, key: &str) -> String {
        format!("{}!lease:{key}", self.prefix)
    }

    fn stamp(&self, name: &str) -> String {
        format!("{}!stamp:{name}", self.prefix)
    }

    async fn get(&self, from: &RedisClient, keys: &[String]) -> Result<Vec<Option<Entry>>, RedisError> {
        let values: Vec<Option<Vec<u8>>> = many(from, "MGET", keys.iter().map(|key| self.key(key))).await?;
        Ok(values.into_iter().map(|value| Entry::decode(value?)).collect())
    }

    async fn stamps(&self, from: &RedisClient, names: &[String]) -> Result<Vec<Option<u64>>, CacheError> {
        let stamps = many(from, "MGET", names.iter().map(|name| self.stamp(name))).await;
        let stamps: Vec<Option<Vec<u8>>> = stamps.map_err(|error| failed(&error))?;
        Ok(stamps.into_iter().map(|stamp| number(&stamp?)).collect())
    }

    async fn put(&self, entries: &[(String, Entry)]) -> Result<(), RedisError> {
        let set = |(key, entry): &(String, Entry)| {
            // Redis refuses a time before 1970.
            let expires_at = entry.expires_at.timestamp_millis().max(1);
            Some(cmd("SET").arg(self.key(key)).arg(entry.encode()?).arg("PXAT").arg(expires_at).take())
        };
        self.writer.all::<()>(&entries.iter().filter_map(set).collect::<Vec<_>>()).await.map(drop)
    }

    async fn remove(&self, keys: &[String]) -> Result<(), RedisError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut command = cmd("DEL");
        for key in keys {
            command.arg(self.key(key));
        }
        self.writer.query(&command).await
    }
}

/// A command that takes keys and answers for each; none is none.
async fn many<T: ::redis::FromRedisValue>(
    client: &RedisClient,
    name: &str,
    keys: impl ExactSizeIterator<Item = String>,
) -> Result<Vec<T>, RedisError> {
    if keys.len() == 0 {
        return Ok(vec![]);
    }
    let mut command = cmd(name);
    for key in keys {
        command.arg(key);
    }
    client.query(&command).await
}

impl CacheTier for RedisTier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        Box::pin(async move { self.get(&self.reader, keys).await.map_err(|error| failed(&error)) })
    }

    fn get_newest<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<Entry>>, CacheError>> {
        Box::pin(async move { self.get(&self.writer, keys).await.map_err(|error| failed(&error)) })
    }

    fn put_many<'a>(&'a self, entries: &'a [(String, Entry)]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { self.put(entries).await.map_err(|error| failed(&error)) })
    }

    fn remove_many<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Result<(), CacheError>> {
        Box::pin(async move { self.remove(keys).await.map_err(|error| failed(&error)) })
    }
}

impl StampStore for RedisTier {
    /// From the reader, as entries are: a replica that knows the new stamp has also done what was done before it.
    fn read<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<u64>>, CacheError>> {
        Box::pin(self.stamps(&self.reader, names))
    }

    fn read_newest<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<u64>>, CacheError>> {
        Box::pin(self.stamps(&self.writer, names))
    }

    fn ensure<'a>(&'a self, names: &'a [String], new: u64) -> BoxFuture<'a, Result<Vec<u64>, CacheError>> {
        // With GET, SET answers with what was there before.
        let ensure = |name: &String| {
            let life = STAMP_LIFE.as_secs();
            cmd("SET").arg(self.stamp(name)).arg(new).arg("NX").arg("GET").arg("EX").arg(life).take()
        };
        let commands: Vec<_> = names.iter().map(ensure).collect();
        Box::pin(async move {
            let before: Vec<Option<Vec<u8>>> = self.writer.all(&commands).await.map_err(|error| failed(&error))?;
            // What is no number is none that anything carries.
            Ok(before.into_iter().map(|before| before.map_or(new, |before| number(&before).unwrap_or(new))).collect())
        })
    }

    fn write<'a>(&'a self, names: &'a [String], stamp: u64) -> BoxFuture<'a, Result<(), CacheError>> {
        let set =
            |name: &String| cmd("SET").arg(self.stamp(name)).arg(stamp).arg("EX").arg(STAMP_LIFE.as_secs()).take();
        let commands: Vec<_> = names.iter().map(set).collect();
        Box::pin(async move { self.writer.all::<()>(&commands).await.map(drop).map_err(|error| failed(&error)) })
    }
}

impl RefreshLeases for RedisTier {
    fn take<'a>(
        &'a self,
        keys: &'a [String],
        holder: &'a str,
        lease: Duration,
    ) -> BoxFuture<'a, Result<Vec<bool>, CacheError>> {
        // With GET, SET answers with what was there before: nothing, or the holder.
        let take = |key: &String| -> Cmd {
            let millis = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1);
            cmd("SET").arg(self.lease(key)).arg(holder).arg("NX").arg("GET").arg("PX").arg(millis).take()
        };
        let commands: Vec<_> = keys.iter().map(take).collect();
        Box::pin(async move {
            let before: Vec<Option<String>> = self.writer.all(&commands).await.map_err(|error| failed(&error))?;
            Ok(before.into_iter().map(|before| before.is_none_or(|before| before == holder)).collect())
        })
    }

    fn give_back<'a>(&'a self, keys: &'a [String], holder: &'a str) -> BoxFuture<'a, Result<(), CacheError>> {
        let give_back = |key: &String| cmd("EVAL").arg(GIVE_BACK).arg(1).arg(self.lease(key)).arg(holder).take();
        let commands: Vec<_> = keys.iter().map(give_back).collect();
        Box::pin(async move { self.writer.all::<i64>(&commands).await.map(drop).map_err(|error| failed(&error)) })
    }
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The kind of an error: its text may name an address.
fn failed(error: &RedisError) -> CacheError {
    CacheError { tier: NAME, problem: error.category().to_owned(), answered: is_answer(error) }
}
