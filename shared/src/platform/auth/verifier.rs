//! Believes a token, or says why not.

use std::sync::Arc;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::Url;
use serde_json::{Map, Value};

use crate::platform::clock::Clock;
use crate::platform::config::{AuthConfig, AuthMode, ConfigError};

use super::claims::principal;
use super::jwks::{Jwks, KeySource};
use super::token::Token;
use super::{AuthError, Principal};

/// By how much clocks may differ.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Verifies bearer tokens. Built once a process and shared: it holds the issuer's keys.
///
/// The algorithm is decided by the key: HS256 for a secret; RS256 or ES256 for an issuer's keys, by the kind of each.
/// What the token's header says must agree with that and decides nothing (RFC 8725, section 3.1), so neither an unsigned
/// token nor a public key used as a secret gets in.
pub struct Verifier {
    keys: Keys,
    issuer: Option<String>,
    audience: Vec<String>,
    clock: Arc<dyn Clock>,
}

enum Keys {
    Secret(DecodingKey),
    Issuer(Box<Jwks>),
}

impl Verifier {
    /// A verifier, whose keys, where they are an issuer's, come from what `source` makes of their URL. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`ConfigError`] for [`AuthMode::LocalSecret`]: see [`AuthConfig::with_local_secret`]; that of `source`.
    pub fn new<E: From<ConfigError>>(
        config: &AuthConfig,
        clock: Arc<dyn Clock>,
        source: impl FnOnce(&Url) -> Result<Arc<dyn KeySource>, E>,
    ) -> Result<Self, E> {
        let keys = match &config.mode {
            AuthMode::Secret(secret) => Keys::Secret(DecodingKey::from_secret(secret.expose().as_bytes())),
            AuthMode::Jwks(url) => Keys::Issuer(Box::new(Jwks::new(source(url)?, clock.clone()))),
            AuthMode::LocalSecret => return Err(ConfigError::expected("JWT_SECRET", "a secret of this machine").into()),
        };
        Ok(Self { keys, issuer: config.issuer.clone(), audience: config.audience.clone(), clock })
    }

    /// Who a token's bearer is.
    ///
    /// # Errors
    /// [`AuthError`]; of these only [`AuthError::KeysUnavailable`] is not the caller's fault.
    pub async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let token = Token::parse(token)?;
        let claims = match &self.keys {
            Keys::Secret(key) if token.header.alg == "HS256" => token.claims(key, Algorithm::HS256)?,
            Keys::Secret(_) => return Err(AuthError::WrongAlgorithm),
            Keys::Issuer(_) if !matches!(token.header.alg.as_str(), "RS256" | "ES256") => {
                return Err(AuthError::WrongAlgorithm);
            }
            Keys::Issuer(keys) => {
                let key = keys.key(token.header.kid.as_deref(), &token.header.alg).await?;
                token.claims(&key.decoding, key.algorithm)?
            }
        };
        self.check_origin(&claims)?;
        self.check_time(&claims)?;
        principal(&claims).ok_or(AuthError::InvalidClaim("sub"))
    }

    /// Who the bearer of an `Authorization` value is: `Bearer`, in any case, and a token.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify).
    pub async fn verify_authorization(&self, value: &[u8]) -> Result<Principal, AuthError> {
        let (scheme, token) =
            std::str::from_utf8(value).ok().and_then(|text| text.trim().split_once(' ')).ok_or(AuthError::Malformed)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Malformed);
        }
        self.verify(token.trim()).await
    }

    /// `iss` must be ours. One of the names in `aud` must be ours; `client_id` stands in where an issuer omits `aud`, as
    /// Cognito does in access tokens.
    fn check_origin(&self, claims: &Map<String, Value>) -> Result<(), AuthError> {
        let issuer = claims.get("iss").and_then(Value::as_str);
        if self.issuer.is_some() && self.issuer.as_deref() != issuer {
            return Err(AuthError::WrongIssuer);
        }
        let ours = |name: &Value| name.as_str().is_some_and(|name| self.audience.iter().any(|ours| ours == name));
        let for_us = match claims.get("aud").or_else(|| claims.get("client_id")) {
            _ if self.audience.is_empty() => true,
            Some(Value::Array(names)) => names.iter().any(ours),
            Some(name) => ours(name),
            None => false,
        };
        if for_us { Ok(()) } else { Err(AuthError::WrongAudience) }
    }

    /// Compared with our own clock, so that a test can stand still in time.
    fn check_time(&self, claims: &Map<String, Value>) -> Result<(), AuthError> {
        let seconds = |name: &'static str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(AuthError::InvalidClaim(name)),
        };
        let expires = seconds("exp")?.ok_or(AuthError::InvalidClaim("exp"))?;
        let starts = seconds("nbf")?;
        let now = self.clock.now();
        if as_seconds((now - LEEWAY).timestamp_millis()) >= expires {
            return Err(AuthError::Expired);
        }
        if starts.is_some_and(|starts| as_seconds((now + LEEWAY).timestamp_millis()) < starts) {
            return Err(AuthError::NotYetValid);
        }
        Ok(())
    }
}

/// A `NumericDate` (RFC 7519) may have a fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of any date fit a double's 53 bits")]
fn as_seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
