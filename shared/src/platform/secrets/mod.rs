//! Secrets that variables refer to, so that they are in no template, state file or console: the value of any variable may
//! be `secretsmanager:NAME-OR-ARN`, `secretsmanager:NAME-OR-ARN#KEY` (a member of the JSON object that the secret is) or
//! `ssm:/NAME` (encrypted or not). What a reference names is asked for, once for all that name it, before a function is
//! constructed.

#[cfg(feature = "aws")]
mod aws;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::BoxFuture;
use super::config::{ConfigError, Variable, Vars};
use super::secret::Secret;

#[cfg(feature = "aws")]
pub(crate) use aws::AwsVault;
pub use reference::{Reference, SecretId};

pub(super) const VARIABLES: &[Variable] = &[Variable {
    name: "SECRETS_TTL_SECONDS",
    meaning: "on Lambda: after so long, secrets that variables refer to are asked for again",
    default: "300",
}];

/// How long secrets are used before they are asked for again.
///
/// # Errors
/// [`ConfigError`] for what is no number of seconds, or more than a day.
pub fn life(vars: &Vars) -> Result<Duration, ConfigError> {
    const EXPECTED: &str = "a number of seconds from 1 to 86400";
    let seconds = vars.parse("SECRETS_TTL_SECONDS", EXPECTED)?.unwrap_or(300);
    if !(1..=86_400).contains(&seconds) {
        return Err(ConfigError::invalid("SECRETS_TTL_SECONDS", seconds, EXPECTED));
    }
    Ok(Duration::from_secs(seconds))
}

/// Where secrets are kept.
pub trait Vault: Send + Sync {
    /// What each of `wanted` holds, or why that cannot be told, which is said without it. An answer for each, by `deadline`.
    fn open(&self, wanted: BTreeSet<SecretId>, deadline: Duration) -> BoxFuture<'_, Opened>;
}

/// What secrets hold, or why that cannot be told.
pub type Opened = BTreeMap<SecretId, Result<Secret, String>>;

/// The values of variables that were references.
pub type Resolved = BTreeMap<String, Secret>;

/// The variables that are references.
#[derive(Debug, Clone, Default)]
pub struct References(BTreeMap<String, Reference>);

/// Why references cannot be resolved: a line that names each variable, and no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretsError(String);

impl References {
    /// Those of a process.
    ///
    /// # Errors
    /// [`SecretsError`] naming the variables that begin as a reference does and are none.
    pub fn of(vars: &Vars) -> Result<Self, SecretsError> {
        let (mut found, mut wrong) = (BTreeMap::new(), vec![]);
        for (name, value) in vars.iter() {
            match Reference::parse(value) {
                None => {}
                Some(Ok(reference)) => _ = found.insert(name.to_owned(), reference),
                Some(Err(expected)) => wrong.push(format!("{name}: expected {expected}")),
            }
        }
        if wrong.is_empty() { Ok(Self(found)) } else { Err(SecretsError(wrong.join("; "))) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they refer to.
    ///
    /// # Errors
    /// [`SecretsError`] naming each variable whose value cannot be had.
    pub async fn resolve(&self, vault: &dyn Vault, deadline: Duration) -> Result<Resolved, SecretsError> {
        let (resolved, missing) = self.renew(vault, deadline, &Resolved::new()).await;
        missing.map_or(Ok(resolved), Err)
    }

    /// What they refer to now; what is `known`, of those whose value cannot be had, and why not.
    pub async fn renew(
        &self,
        vault: &dyn Vault,
        deadline: Duration,
        known: &Resolved,
    ) -> (Resolved, Option<SecretsError>) {
        let wanted = self.0.values().map(|reference| reference.secret.clone()).collect();
        let opened = vault.open(wanted, deadline).await;
        let (mut resolved, mut wrong) = (Resolved::new(), vec![]);
        for (name, reference) in &self.0 {
            let held = opened.get(&reference.secret).map_or_else(|| Err("no answer".to_owned()), Clone::clone);
            match held.and_then(|secret| reference.pick(&secret)) {
                Ok(value) => _ = resolved.insert(name.clone(), value),
                Err(reason) => {
                    wrong.push(format!("{name}: {reference} cannot be read: {reason}"));
                    resolved.extend(known.get(name).map(|value| (name.clone(), value.clone())));
                }
            }
        }
        (resolved, (!wrong.is_empty()).then(|| SecretsError(wrong.join("; "))))
    }

    /// That there must be none, where nothing resolves them.
    ///
    /// # Errors
    /// [`SecretsError`] naming the first.
    pub fn refuse(&self) -> Result<(), SecretsError> {
        let refused = |name| SecretsError(format!("{name}: references to secrets are resolved on Lambda alone"));
        self.0.keys().next().map_or(Ok(()), |name| Err(refused(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the same whatever is asked for, except of `missing`; and notes what that was.
    struct OneAnswer(&'static str, std::sync::Mutex<Vec<BTreeSet<SecretId>>>);

    impl Vault for OneAnswer {
        fn open(&self, wanted: BTreeSet<SecretId>, _: Duration) -> BoxFuture<'_, Opened> {
            self.1.lock().unwrap().push(wanted.clone());
            let hold = |id: SecretId| {
                let missing = id.to_string().contains("missing");
                (id, if missing { Err("no such secret".to_owned()) } else { Ok(Secret::new(self.0)) })
            };
            Box::pin(async move { wanted.into_iter().map(hold).collect() })
        }
    }

    async fn resolve(answer: &'static str, vars: &[(&str, &str)]) -> (Result<Resolved, SecretsError>, OneAnswer) {
        let vault = OneAnswer(answer, std::sync::Mutex::default());
        let references = References::of(&vars.iter().copied().collect()).unwrap();
        (references.resolve(&vault, Duration::from_secs(1)).await, vault)
    }

    #[tokio::test]
    async fn what_several_variables_name_is_asked_for_once() {
        let vars = [
            ("DATABASE_URL", "secretsmanager:app#url"),
            ("REDIS_PASSWORD", " secretsmanager:app#token "),
            ("JWT_SECRET", "ssm:/app/jwt"),
            ("HTTP_ADDR", "127.0.0.1:80"),
        ];
        let (resolved, vault) = resolve(r#"{"url": "postgres://x", "token": 7}"#, &vars).await;
        let shown: Vec<_> = resolved.as_ref().unwrap().iter().map(|(name, it)| (name.as_str(), it.expose())).collect();
        let whole = r#"{"url": "postgres://x", "token": 7}"#;
        assert_eq!(shown, [("DATABASE_URL", "postgres://x"), ("JWT_SECRET", whole), ("REDIS_PASSWORD", "7")]);
        let asked = vault.1.into_inner().unwrap();
        assert_eq!(asked.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn each_variable_that_cannot_be_resolved_is_named_and_no_value_is_shown() {
        let vars = [
            ("A", "secretsmanager:app#url"),
            ("B", "secretsmanager:missing"),
            ("C", "ssm:/missing"),
            ("D", "secretsmanager:app#nested"),
            ("E", "secretsmanager:app"),
        ];
        let error = resolve(r#"{"hunter2": 1, "nested": {"hunter2": 1}}"#, &vars).await.0.unwrap_err().to_string();
        for part in ["A: ", "B: secretsmanager:missing cannot be read: no such secret", "C: ssm:/missing", "D: "] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("hunter2") && !error.contains("E: "), "{error}");
        let error = resolve("hunter2", &[("A", "secretsmanager:app#url")]).await.0.unwrap_err().to_string();
        assert!(error.contains("no JSON object") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn what_only_begins_as_a_reference_is_refused_by_name() {
        let vars = [("A", "secretsmanager:"), ("B", "ssm:#x"), ("C", "secretsmanager:app#")];
        let error = References::of(&vars.into_iter().collect()).unwrap_err().to_string();
        assert!(["A: ", "B: ", "C: "].iter().all(|name| error.contains(name)), "{error}");
    }

    #[test]
    fn where_nothing_resolves_them_references_are_refused() {
        let references = |value| References::of(&[("JWT_SECRET", value)].into_iter().collect()).unwrap();
        assert!(references("ssm:/jwt").refuse().unwrap_err().to_string().starts_with("JWT_SECRET: "));
        assert!(references("plain").refuse().is_ok());
    }

    #[test]
    fn a_life_is_bounded() {
        let read = |text| life(&[("SECRETS_TTL_SECONDS", text)].into_iter().collect());
        assert_eq!(read("").unwrap(), Duration::from_secs(300));
        assert_eq!(read("1").unwrap(), Duration::from_secs(1));
        for wrong in ["0", "86401", "-1", "soon"] {
            assert_eq!(read(wrong).unwrap_err().name, "SECRETS_TTL_SECONDS");
        }
    }
}
