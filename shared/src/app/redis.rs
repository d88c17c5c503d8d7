//! Redis, where it is configured: behind the cache in this process, and before its limiter.

use std::sync::Arc;
use std::time::Duration;

use crate::cache::CacheTier;
#[cfg(feature = "graphql")]
use crate::limits::RateLimiter;
use crate::platform::config::{ConfigError, RedisConfig, Vars};
#[cfg(feature = "redis")]
use crate::platform::redis::{RedisClient, RedisOptions};

/// The connections of one process.
#[cfg(feature = "redis")]
pub(super) struct Redis {
    primary: Arc<RedisClient>,
    reader: Option<Arc<RedisClient>>,
}

/// Nothing: this build has no Redis.
#[cfg(not(feature = "redis"))]
pub(super) enum Redis {}

#[cfg(feature = "redis")]
impl Redis {
    /// The Redis that the variables name; `None` where they name none.
    pub(super) fn from_vars(vars: &Vars) -> Result<Option<Self>, ConfigError> {
        let Some(config) = RedisConfig::from_vars(vars)? else { return Ok(None) };
        let open = |endpoint| RedisClient::new(endpoint, RedisOptions::default()).map(Arc::new);
        Ok(Some(Self { primary: open(&config.primary)?, reader: config.reader.as_ref().map(open).transpose()? }))
    }

    /// Its tier of the cache, and the longest that an entry stays there.
    pub(super) fn tier(&self) -> (Arc<dyn CacheTier>, Duration) {
        use crate::cache::{REDIS_LIFE, RedisTier};

        (Arc::new(RedisTier::new(self.primary.clone(), self.reader.clone(), "cache:")), REDIS_LIFE)
    }

    /// Its limiter.
    #[cfg(feature = "graphql")]
    pub(super) fn limiter(&self) -> Arc<dyn RateLimiter> {
        Arc::new(crate::limits::RedisLimiter::new(self.primary.clone()))
    }
}

#[cfg(not(feature = "redis"))]
impl Redis {
    /// `None` where the variables name no Redis; where they do, that this build has none.
    pub(super) fn from_vars(vars: &Vars) -> Result<Option<Self>, ConfigError> {
        match RedisConfig::from_vars(vars)? {
            None => Ok(None),
            Some(config) => Err(super::not_built(config.primary.variable, "Redis")),
        }
    }

    pub(super) fn tier(&self) -> (Arc<dyn CacheTier>, Duration) {
        match *self {}
    }

    #[cfg(feature = "graphql")]
    pub(super) fn limiter(&self) -> Arc<dyn RateLimiter> {
        match *self {}
    }
}
