//! What the cache has beside Redis.

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "CACHE_S3_BUCKET",
    meaning: "cold tier of the cache: a bucket's name; credentials and region are AWS's usual variables",
    default: "unset",
}];

/// The bucket of the cold tier, if there is one.
///
/// # Errors
/// [`ConfigError`] for what is no bucket's name.
pub fn cold_bucket(vars: &Vars) -> Result<Option<&str>, ConfigError> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    match vars.get("CACHE_S3_BUCKET") {
        Some(name) if !(3..=63).contains(&name.len()) || !name.bytes().all(legal) => {
            Err(ConfigError::invalid("CACHE_S3_BUCKET", name, "3 to 63 lower-case letters, digits, dots or dashes"))
        }
        name => Ok(name),
    }
}
