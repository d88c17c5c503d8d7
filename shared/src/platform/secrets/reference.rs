//! A variable's value that names a secret.

use std::fmt;

use serde_json::Value;

use crate::platform::secret::Secret;

const SECRETS_MANAGER: &str = "secretsmanager:";
const SSM: &str = "ssm:";

/// Which secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretId {
    /// One of AWS Secrets Manager, by its name or ARN.
    SecretsManager(String),
    /// A parameter of AWS Systems Manager, by its name or ARN; `:VERSION` or `:LABEL` may follow.
    Ssm(String),
}

/// A secret, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The secret.
    pub secret: SecretId,
    /// Which member, where it is a JSON object and only that is meant.
    pub key: Option<String>,
}

impl Reference {
    /// What `value` refers to; `None` where it does not begin as a reference does. `Err` is what was expected.
    pub fn parse(value: &str) -> Option<Result<Self, &'static str>> {
        let (kind, rest): (fn(String) -> SecretId, _) = match value.strip_prefix(SECRETS_MANAGER) {
            Some(rest) => (SecretId::SecretsManager, rest),
            None => (SecretId::Ssm, value.strip_prefix(SSM)?),
        };
        let (name, key) = rest.split_once('#').map_or((rest, None), |(name, key)| (name, Some(key)));
        if name.is_empty() || name.contains(char::is_whitespace) || key.is_some_and(str::is_empty) {
            return Some(Err("secretsmanager:NAME-OR-ARN, secretsmanager:NAME-OR-ARN#KEY or ssm:/NAME"));
        }
        Some(Ok(Self { secret: kind(name.to_owned()), key: key.map(str::to_owned) }))
    }

    /// What is meant of what the secret holds. `Err` is why there is no such thing, without what it holds.
    pub(super) fn pick(&self, held: &Secret) -> Result<Secret, String> {
        let Some(key) = &self.key else { return Ok(held.clone()) };
        let Ok(Value::Object(mut members)) = serde_json::from_str(held.expose()) else {
            return Err("it is no JSON object".to_owned());
        };
        match members.remove(key) {
            Some(Value::String(text)) => Ok(Secret::new(text)),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Secret::new(value.to_string())),
            Some(_) => Err("that member is no text".to_owned()),
            None => Err("it has no such member".to_owned()),
        }
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretsManager(id) => write!(f, "{SECRETS_MANAGER}{id}"),
            Self::Ssm(name) => write!(f, "{SSM}{name}"),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secret)?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "#{key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_prints_as_it_is_written() {
        for text in [
            "secretsmanager:mcp/jwt",
            "secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:mcp/db-AbCdEf#url",
            "ssm:/mcp/jwt",
            "ssm:/mcp/jwt:3",
        ] {
            assert_eq!(Reference::parse(text).unwrap().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_values_are_no_references() {
        for text in ["", "postgres://x", "secretsmanager", "ssm", "SSM:/x", "https://ssm:x@y"] {
            assert!(Reference::parse(text).is_none(), "{text}");
        }
    }
}
