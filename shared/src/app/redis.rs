//! Redis, where it is configured: behind the cache in this process, and before its limiter.

use std::sync::Arc;

use crate::breaker::{Breakers, SharedCircuits};
#[cfg(feature = "redis")]
use crate::breaker::{Options, RedisCircuits};
use crate::cache::Cache;
#[cfg(feature = "redis")]
use crate::cache::{Companion, RedisTier, TierOptions};
#[cfg(feature = "graphql")]
use crate::limits::RateLimiter;
use crate::platform::config::{ConfigError, RedisServers, Vars};
#[cfg(feature = "redis")]
use crate::platform::{
    config::RedisEndpoint,
    redis::{RedisClient, RedisOptions},
};

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
        match RedisServers::from_vars(vars)? {
            None => Ok(None),
            Some(RedisServers::Listed(config)) => {
                let reader = config.reader.as_ref().map(client).transpose()?;
                Ok(Some(Self { primary: client(&config.primary)?, reader }))
            }
            #[cfg(feature = "elasticache")]
            Some(RedisServers::ReplicationGroup(group)) => Self::of_group(group).map(Some),
            #[cfg(not(feature = "elasticache"))]
            Some(servers @ RedisServers::ReplicationGroup(_)) => {
                Err(super::not_built(servers.variable(), "asking ElastiCache for endpoints"))
            }
        }
    }

    /// A group of ElastiCache. AWS is asked when the first connection is opened, not by a process that starts.
    #[cfg(feature = "elasticache")]
    fn of_group(group: crate::platform::config::ReplicationGroup) -> Result<Self, ConfigError> {
        use crate::platform::redis::{Role, elasticache};

        let reader = group.reader.as_ref().map(client).transpose()?;
        let discovery = elasticache::discovery(group);
        let found = |role| Arc::new(RedisClient::discovered(&discovery, role, RedisOptions::default()));
        Ok(Self { primary: found(Role::Primary), reader: Some(reader.unwrap_or_else(|| found(Role::Reader))) })
    }

    /// The cache with Redis behind it.
    pub(super) fn behind(&self, cache: Cache, breakers: &Breakers) -> Cache {
        let tier = Arc::new(RedisTier::new(self.primary.clone(), self.reader.clone(), "cache:"));
        let options = if self.reader.is_some() { TierOptions::redis_with_reader() } else { TierOptions::redis() };
        let beside = Companion::new(tier.clone(), tier.clone(), &options, breakers);
        cache.before(tier, options, breakers).beside(beside)
    }

    /// Where breakers share their state.
    pub(super) fn circuits(&self, breakers: &Breakers) -> Arc<dyn SharedCircuits> {
        let circuits = RedisCircuits::new(self.primary.clone(), "circuit:");
        Arc::new(circuits.behind(breakers.get(&Options::redis())))
    }

    /// Its limiter.
    #[cfg(feature = "graphql")]
    pub(super) fn limiter(&self) -> Arc<dyn RateLimiter> {
        Arc::new(crate::limits::RedisLimiter::new(self.primary.clone()))
    }
}

#[cfg(feature = "redis")]
fn client(endpoint: &RedisEndpoint) -> Result<Arc<RedisClient>, ConfigError> {
    RedisClient::new(endpoint, RedisOptions::default()).map(Arc::new)
}

#[cfg(not(feature = "redis"))]
impl Redis {
    /// `None` where the variables name no Redis; where they do, that this build has none.
    pub(super) fn from_vars(vars: &Vars) -> Result<Option<Self>, ConfigError> {
        match RedisServers::from_vars(vars)? {
            None => Ok(None),
            Some(servers) => Err(super::not_built(servers.variable(), "Redis")),
        }
    }

    pub(super) fn behind(&self, _: Cache, _: &Breakers) -> Cache {
        match *self {}
    }

    pub(super) fn circuits(&self, _: &Breakers) -> Arc<dyn SharedCircuits> {
        match *self {}
    }

    #[cfg(feature = "graphql")]
    pub(super) fn limiter(&self) -> Arc<dyn RateLimiter> {
        match *self {}
    }
}
