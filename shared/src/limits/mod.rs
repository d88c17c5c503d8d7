//! Rate limits: how many requests a caller may make. One check a request, atomic over all limits that it touches.
//!
//! The arithmetic is in `sliding_window.rs`; around it [`MemoryLimiter`] counts in one process, `RedisLimiter` for
//! all of them, and [`FallbackLimiter`] puts the first behind the second, and [`MeteredLimiter`] counts what is refused. The faces call [`RateLimiter::check`] with the
//! caller's [`principal_key`].

mod fallback;
mod memory;
mod metered;
mod principal;
#[cfg(feature = "redis")]
mod redis;
mod sliding_window;

use std::time::Duration;

use crate::platform::BoxFuture;
use crate::platform::clock::Timestamp;
use crate::platform::config::LimitsConfig;

#[cfg(feature = "redis")]
pub use self::redis::RedisLimiter;
pub use fallback::FallbackLimiter;
pub use memory::MemoryLimiter;
pub use metered::MeteredLimiter;
pub use principal::principal_key;

/// So many units in any window of this length.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quota {
    /// What is limited: `request`, or a field such as `Query.cryptoPrices`.
    pub name: String,
    /// Units a window; at least 1.
    pub limit: u32,
    /// The window; at least a second.
    pub window: Duration,
}

impl Quota {
    /// What every request is charged to: the users' quota, or that of an address for who has no token.
    pub fn request(config: &LimitsConfig, authenticated: bool) -> Self {
        let limit = if authenticated { config.per_user } else { config.per_address };
        Self { name: "request".to_owned(), limit: limit.get(), window: config.window }
    }
}

/// What a request takes from a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The quota.
    pub quota: Quota,
    /// Units; 0 only looks.
    pub cost: u32,
}

/// The answer: of all quotas touched, the state of the tightest one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether all charges were made; otherwise none was.
    pub allowed: bool,
    /// The quota with the least left, or the one that refused.
    pub quota: Quota,
    /// Units left in it now.
    pub remaining: u32,
    /// Until it is whole again.
    pub reset_after: Duration,
    /// When refused: until the same request would pass. `None` if it never can (cost above the limit).
    pub retry_after: Option<Duration>,
}

/// Counts what callers take.
pub trait RateLimiter: Send + Sync {
    /// Makes all `charges` (at least one) to `principal` (`user:ID` or `addr:IP`), or none of them.
    fn check<'a>(
        &'a self,
        principal: &'a str,
        charges: &'a [Charge],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Decision, LimitError>>;
}

/// The shared counter cannot be reached, or refuses.
#[derive(Debug, Clone, thiserror::Error)]
#[error("rate limit: {problem}")]
pub struct LimitError {
    problem: String,
    /// It did answer, and refused.
    answered: bool,
}

impl LimitError {
    /// Nothing was heard.
    pub fn unanswered(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), answered: false }
    }

    /// There is nothing to charge.
    pub fn no_charges() -> Self {
        Self { problem: "nothing to charge".to_owned(), answered: true }
    }
}
