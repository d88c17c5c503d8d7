//! How many requests a caller may make.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "RATE_LIMITS", meaning: "count requests and refuse those over a limit", default: "on" },
    Variable {
        name: "RATE_LIMIT_PER_ADDRESS",
        meaning: "requests a minute of an address without token",
        default: "100",
    },
    Variable { name: "RATE_LIMIT_PER_USER", meaning: "requests a minute of a user", default: "500" },
];

/// How many requests a caller may make in any window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Whether requests are counted at all: off for benchmarks.
    pub enabled: bool,
    /// Requests a window of an address, for callers without a token.
    pub per_address: NonZeroU32,
    /// Requests a window of a user.
    pub per_user: NonZeroU32,
    /// The window: a minute.
    pub window: Duration,
}

impl LimitsConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "a number of requests a minute, at least 1";
        const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(100).unwrap();
        const PER_USER: NonZeroU32 = NonZeroU32::new(500).unwrap();
        Ok(Self {
            enabled: vars.switch("RATE_LIMITS", true)?,
            per_address: vars.parse("RATE_LIMIT_PER_ADDRESS", EXPECTED)?.unwrap_or(PER_ADDRESS),
            per_user: vars.parse("RATE_LIMIT_PER_USER", EXPECTED)?.unwrap_or(PER_USER),
            window: Duration::from_secs(60),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_service_levels() {
        let config = LimitsConfig::from_vars(&Vars::default()).unwrap();
        assert!(config.enabled);
        assert_eq!((config.per_address.get(), config.per_user.get()), (100, 500));
        assert_eq!(config.window, Duration::from_secs(60));
    }

    #[test]
    fn limits_can_be_switched_off_and_moved() {
        let vars = Vars::from_iter([("RATE_LIMITS", "off"), ("RATE_LIMIT_PER_USER", "7")]);
        let config = LimitsConfig::from_vars(&vars).unwrap();
        assert_eq!((config.enabled, config.per_user.get()), (false, 7));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for (name, value) in [("RATE_LIMITS", "maybe"), ("RATE_LIMIT_PER_USER", "0"), ("RATE_LIMIT_PER_ADDRESS", "-1")]
        {
            assert_eq!(LimitsConfig::from_vars(&Vars::from_iter([(name, value)])).unwrap_err().name, name);
        }
    }
}
