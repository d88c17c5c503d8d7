//! Whose tokens are believed.

use std::path::Path;

use reqwest::Url;

use crate::platform::auth::local_secret;
use crate::platform::secret::Secret;

use super::{ConfigError, Variable, Vars, is_loopback};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "JWT_SECRET",
        meaning: "secret of HS256 tokens, at least 32 bytes",
        default: "one kept in .local/jwt-secret",
    },
    Variable { name: "JWKS_URL", meaning: "keys of an issuer of RS256 or ES256 tokens, instead", default: "unset" },
    Variable { name: "JWT_ISSUER", meaning: "what iss must be; required with JWKS_URL", default: "unset: not checked" },
    Variable {
        name: "JWT_AUDIENCE",
        meaning: "what aud (else client_id) must name; several: with commas",
        default: "unset: not checked",
    },
];

/// As long as the hash of HS256, as RFC 7518, section 3.2 asks.
const SHORTEST_SECRET_BYTES: usize = 32;

/// Where the keys are that verify tokens.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// A shared secret: HS256.
    Secret(Secret),
    /// The keys that an issuer publishes: RS256 and ES256.
    Jwks(Url),
    /// A secret of this machine, made at the first start; see [`AuthConfig::with_local_secret`].
    LocalSecret,
}

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Where the keys are.
    pub mode: AuthMode,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What `aud` must name, one of them; empty: not checked. Leave it empty only if the issuer serves no one else.
    pub audience: Vec<String>,
}

impl AuthConfig {
    /// Reads the variables. Without a secret or keys the local process makes its own secret; a Lambda function has
    /// none.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is invalid, without its value.
    pub fn from_vars(vars: &Vars) -> Result<Self, ConfigError> {
        let issuer = vars.get("JWT_ISSUER").map(str::to_owned);
        let mode = match (vars.secret("JWT_SECRET"), vars.get("JWKS_URL")) {
            (Some(_), Some(_)) => return Err(ConfigError::expected("JWKS_URL", "to be unset where JWT_SECRET is set")),
            (Some(secret), None) => AuthMode::Secret(long_enough(secret)?),
            (None, Some(_)) if issuer.is_none() => {
                return Err(ConfigError::expected("JWT_ISSUER", "the issuer whose keys JWKS_URL names"));
            }
            (None, Some(url)) => AuthMode::Jwks(jwks_url(url)?),
            (None, None) if vars.on_lambda() => {
                return Err(ConfigError::expected("JWKS_URL", "the URL of an issuer's keys, or JWT_SECRET to be set"));
            }
            (None, None) => AuthMode::LocalSecret,
        };
        let audience = vars.get("JWT_AUDIENCE").unwrap_or_default().split(',');
        let audience = audience.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Ok(Self { mode, issuer, audience })
    }

    /// Replaces [`AuthMode::LocalSecret`] by the secret in `folder/jwt-secret`, made at the first start and readable by
    /// its owner alone. Leaves any other mode as it is.
    ///
    /// # Errors
    /// [`ConfigError`] if the file can neither be read nor made.
    pub fn with_local_secret(mut self, folder: &Path) -> Result<Self, ConfigError> {
        if matches!(self.mode, AuthMode::LocalSecret) {
            let secret = local_secret::read_or_create(folder).map_err(|problem| ConfigError {
                name: "JWT_SECRET",
                problem: format!("is unset, and the secret of this machine cannot be used: {problem}"),
            })?;
            self.mode = AuthMode::Secret(long_enough(secret)?);
        }
        Ok(self)
    }
}

fn long_enough(secret: Secret) -> Result<Secret, ConfigError> {
    if secret.expose().len() < SHORTEST_SECRET_BYTES {
        return Err(ConfigError::expected("JWT_SECRET", "at least 32 bytes, such as `openssl rand -base64 48` prints"));
    }
    Ok(secret)
}

/// Keys that came over a line anyone can write to would be anyone's keys: https, unless they stay on this machine.
fn jwks_url(text: &str) -> Result<Url, ConfigError> {
    let invalid = || ConfigError::expected("JWKS_URL", "an https:// URL without user and password");
    let url: Url = text.parse().map_err(|_| invalid())?;
    let trusted = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !trusted || !url.has_host() || !url.username().is_empty() || url.password().is_some() {
        return Err(invalid());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const KEYS: &str = "https://issuer.example/.well-known/jwks.json";
    const ISSUER: (&str, &str) = ("JWT_ISSUER", "https://issuer.example/");
    const LAMBDA: (&str, &str) = ("AWS_LAMBDA_FUNCTION_NAME", "graphql");

    fn read<const N: usize>(vars: [(&str, &str); N]) -> Result<AuthConfig, ConfigError> {
        AuthConfig::from_vars(&Vars::from_iter(vars))
    }

    #[test]
    fn a_secret_must_be_long_and_is_never_shown() {
        let config = read([("JWT_SECRET", SECRET)]).unwrap();
        assert!(matches!(&config.mode, AuthMode::Secret(secret) if secret.expose() == SECRET));
        assert!(!format!("{config:?}").contains(SECRET));
        let error = read([("JWT_SECRET", "hunter2-hunter2-hunter2")]).unwrap_err();
        assert_eq!(error.name, "JWT_SECRET");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn keys_need_an_issuer_and_a_line_that_can_be_trusted() {
        assert!(matches!(read([("JWKS_URL", KEYS), ISSUER]).unwrap().mode, AuthMode::Jwks(_)));
        assert_eq!(read([("JWKS_URL", KEYS)]).unwrap_err().name, "JWT_ISSUER");
        for loopback in ["http://localhost:8080/k", "http://127.0.0.1/k", "http://[::1]:1/k"] {
            assert!(read([("JWKS_URL", loopback), ISSUER]).is_ok(), "{loopback}");
        }
        for bad in [
            "http://issuer.example/k",
            "http://127.0.0.1.example/k",
            "ftp://localhost/k",
            "file:///etc/passwd",
            "https://me:hunter2@issuer.example/k",
            "issuer.example",
        ] {
            let error = read([("JWKS_URL", bad), ISSUER]).unwrap_err();
            assert_eq!(error.name, "JWKS_URL");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn there_is_one_source_of_keys() {
        assert_eq!(read([("JWT_SECRET", SECRET), ("JWKS_URL", KEYS), ISSUER]).unwrap_err().name, "JWKS_URL");
    }

    #[test]
    fn only_the_local_process_makes_its_own_secret() {
        assert!(matches!(read([]).unwrap().mode, AuthMode::LocalSecret));
        assert_eq!(read([LAMBDA]).unwrap_err().name, "JWKS_URL");
        assert!(read([LAMBDA, ("JWT_SECRET", SECRET)]).is_ok());
    }

    #[test]
    fn several_audiences_are_separated_by_commas() {
        assert_eq!(read([("JWT_AUDIENCE", "web, agent,")]).unwrap().audience, ["web", "agent"]);
        assert!(read([]).unwrap().audience.is_empty());
    }
}
