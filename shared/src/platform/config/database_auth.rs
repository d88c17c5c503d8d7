//! How a Postgres is got into.

use super::{ConfigError, Variable, Vars};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "DATABASE_AUTH",
    meaning: "how Postgres is got into: password (in DATABASE_URL), or iam (RDS and its proxy; over TLS)",
    default: "password",
}];

/// How a Postgres is got into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseAuth {
    /// With the password in the URL, if it has one.
    Password,
    /// With tokens of Amazon RDS, signed by the function's IAM role.
    Iam {
        /// The region that they are signed for.
        region: String,
    },
}

impl DatabaseAuth {
    /// Reads the variables.
    ///
    /// # Errors
    /// [`ConfigError`] for an unknown way in, or where the region is not known.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        match vars.get("DATABASE_AUTH") {
            None | Some("password") => Ok(Self::Password),
            Some("iam") => match vars.get("AWS_REGION") {
                Some(region) => Ok(Self::Iam { region: region.to_owned() }),
                None => Err(ConfigError::expected("AWS_REGION", "the region of the database, for DATABASE_AUTH=iam")),
            },
            Some(other) => Err(ConfigError::invalid("DATABASE_AUTH", other, "password or iam")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_need_a_region() {
        let read = |pairs: &[(&str, &str)]| DatabaseAuth::from_vars(&pairs.iter().copied().collect());
        let iam = ("DATABASE_AUTH", "iam");
        assert_eq!(read(&[]), Ok(DatabaseAuth::Password));
        assert_eq!(read(&[iam]).unwrap_err().name, "AWS_REGION");
        let signed = read(&[iam, ("AWS_REGION", "eu-west-1")]);
        assert_eq!(signed, Ok(DatabaseAuth::Iam { region: "eu-west-1".to_owned() }));
        assert_eq!(read(&[("DATABASE_AUTH", "kerberos")]).unwrap_err().name, "DATABASE_AUTH");
    }
}
