//! What may be asked of `/graphql`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "GRAPHQL_MAX_COST", meaning: "the most that an operation may cost", default: "20000" },
    Variable {
        name: "GRAPHQL_SAFELIST",
        meaning: "a persisted-query manifest: only its operations run",
        default: "(any operation)",
    },
    Variable { name: "GRAPHQL_RESPONSE_CACHE", meaning: "keep answers that are the same for everybody", default: "on" },
];

/// What may be asked of `/graphql`.
#[derive(Debug, Clone)]
pub struct GraphqlConfig {
    /// The most that an operation may cost: a field costs 1, and what lies below a list as often as the list is long.
    pub max_cost: NonZeroU64,
    /// Where the list of the only operations that run is.
    pub safelist: Option<PathBuf>,
    /// Whether answers that are the same for everybody are kept.
    pub response_cache: bool,
}

impl GraphqlConfig {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        const MAX_COST: NonZeroU64 = NonZeroU64::new(20_000).unwrap();
        Ok(Self {
            max_cost: vars.parse("GRAPHQL_MAX_COST", "a number, at least 1")?.unwrap_or(MAX_COST),
            safelist: vars.get("GRAPHQL_SAFELIST").map(PathBuf::from),
            response_cache: vars.switch("GRAPHQL_RESPONSE_CACHE", true)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_and_nonsense_is_refused_by_name() {
        let config = GraphqlConfig::from_vars(&Vars::default()).unwrap();
        assert_eq!((config.max_cost.get(), config.safelist, config.response_cache), (20_000, None, true));
        let vars = [("GRAPHQL_MAX_COST", "7"), ("GRAPHQL_SAFELIST", "a.json"), ("GRAPHQL_RESPONSE_CACHE", "off")];
        let config = GraphqlConfig::from_vars(&Vars::from_iter(vars)).unwrap();
        assert_eq!((config.max_cost.get(), config.response_cache), (7, false));
        assert_eq!(config.safelist, Some(PathBuf::from("a.json")));
        for (name, value) in [("GRAPHQL_MAX_COST", "0"), ("GRAPHQL_RESPONSE_CACHE", "maybe")] {
            assert_eq!(GraphqlConfig::from_vars(&Vars::from_iter([(name, value)])).unwrap_err().name, name);
        }
    }
}
