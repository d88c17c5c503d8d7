//! What a function runs, constructed anew when a secret that its variables refer to has changed.
//!
//! Nothing runs between two invocations, so it is at the beginning of one that secrets are asked for again, when the last
//! answer is older than `SECRETS_TTL_SECONDS`. An invocation waits [`LOOK`] for it at most, and one look is for all that wait.
//! A secret for which there is no answer is what it was, until another look; where nothing can be constructed from what they
//! all are now, everything is. An invocation that runs goes on with what it began with.
//!
//! A flag that is a reference, as `GRAPHQL_ENABLED` may be, is changed so without a deployment.
//!
//! Where no variable is a reference, nobody is ever asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::{StartError, begin};
use crate::platform::BoxFuture;
use crate::platform::clock::{Clock, SystemClock, Timestamp, after};
use crate::platform::config::Vars;
use crate::platform::ids::jitter;
use crate::platform::secrets::{AwsVault, References, Resolved, Vault, life};

/// How long the start waits for secrets: Lambda gives it ten seconds in all.
const START: Duration = Duration::from_secs(8);
/// How long an invocation waits for them.
const LOOK: Duration = Duration::from_secs(2);
/// How long after a look that failed comes the next one; at random up to a half more.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A constructor: an `async fn(&Vars) -> Result<T, StartError>`.
pub trait Construct<'a, T>: Send + Sync {
    /// Constructs it.
    fn construct(&self, vars: &'a Vars) -> BoxFuture<'a, Result<T, StartError>>;
}

impl<'a, T, C, F> Construct<'a, T> for C
where
    C: Fn(&'a Vars) -> F + Send + Sync,
    F: Future<Output = Result<T, StartError>> + Send + 'a,
{
    fn construct(&self, vars: &'a Vars) -> BoxFuture<'a, Result<T, StartError>> {
        Box::pin(self(vars))
    }
}

/// What a function runs, and how to construct it anew.
pub struct Renewed<T> {
    construct: Box<dyn for<'a> Construct<'a, T>>,
    /// As they were given, with references.
    vars: Vars,
    references: References,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    life: Duration,
    /// Locked while secrets are asked for: who comes meanwhile waits for that answer.
    state: Mutex<State<T>>,
}

struct State<T> {
    current: Arc<T>,
    secrets: Resolved,
    looked: Timestamp,
    /// When to look again; never where there are no references.
    look_at: Option<Timestamp>,
    /// Why some of them are not what they should be, as it was told last.
    trouble: Option<Trouble>,
}

/// Why secrets are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Some cannot be read.
    Unread,
    /// They are nothing that can be used.
    Unusable,
}

impl<T: Send + Sync + 'static> Renewed<T> {
    /// Constructs it for the first time, once all secrets are there.
    ///
    /// # Errors
    /// A variable that is invalid or refers to what cannot be read, named.
    pub async fn start(vars: Vars, construct: impl for<'a> Construct<'a, T> + 'static) -> Result<Self, StartError> {
        Self::with(vars, construct, Arc::new(AwsVault), Arc::new(SystemClock)).await
    }

    async fn with(
        vars: Vars,
        construct: impl for<'a> Construct<'a, T> + 'static,
        vault: Arc<dyn Vault>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        begin(&vars)?;
        let (life, references) = (life(&vars)?, References::of(&vars)?);
        let secrets = if references.is_empty() { Resolved::new() } else { references.resolve(&*vault, START).await? };
        let current = Arc::new(construct.construct(&resolved(&vars, &secrets)).await?);
        let looked = clock.now();
        let look_at = (!references.is_empty()).then(|| next(looked, life));
        let state = Mutex::new(State { current, secrets, looked, look_at, trouble: None });
        Ok(Self { construct: Box::new(construct), vars, references, vault, clock, life, state })
    }

    /// What to run now. To be called at the beginning of an invocation.
    pub async fn current(&self) -> Arc<T> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        // A clock that was set back says nothing about the last look.
        if state.look_at.is_some_and(|time| now >= time || now < state.looked) {
            self.look(&mut state, now).await;
        }
        state.current.clone()
    }

    async fn look(&self, state: &mut State<T>, now: Timestamp) {
        state.looked = now;
        let (secrets, unread) = self.references.renew(&*self.vault, LOOK, &state.secrets).await;
        let unusable = match self.construct_unless(&state.secrets, &secrets).await {
            Ok(None) => None,
            Ok(Some(new)) => {
                state.secrets = secrets;
                let old = std::mem::replace(&mut state.current, Arc::new(new));
                // To end clients may take a moment, and a thread.
                let _ = tokio::task::spawn_blocking(move || drop(old)).await;
                tracing::info!("secrets have changed, and are used from now on");
                None
            }
            Err(error) => Some(error),
        };
        // Each trouble is told when it begins.
        let trouble = match (&unusable, &unread) {
            (Some(error), _) => {
                if state.trouble != Some(Trouble::Unusable) {
                    tracing::error!(%error, "what secrets hold now cannot be used: those that are known are used");
                }
                Some(Trouble::Unusable)
            }
            (None, Some(error)) => {
                if state.trouble != Some(Trouble::Unread) {
                    tracing::error!(%error, "secrets cannot be read: those that are known are used");
                }
                Some(Trouble::Unread)
            }
            (None, None) => None,
        };
        if state.trouble.is_some() && trouble.is_none() {
            tracing::info!("secrets can be read again");
        }
        state.trouble = trouble;
        state.look_at = Some(match trouble {
            None => next(now, self.life),
            Some(_) => after(now, LOOK_AGAIN + jitter(LOOK_AGAIN / 2)),
        });
    }

    /// What is constructed from `secrets`, if they are others than those `known`.
    async fn construct_unless(&self, known: &Resolved, secrets: &Resolved) -> Result<Option<T>, StartError> {
        if secrets == known {
            return Ok(None);
        }
        self.construct.construct(&resolved(&self.vars, secrets)).await.map(Some)
    }
}

/// The variables with what they refer to.
fn resolved(vars: &Vars, secrets: &Resolved) -> Vars {
    vars.with(secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())))
}

/// When a life that begins now ends: up to a tenth sooner, so that sandboxes that started together do not ask together.
fn next(now: Timestamp, life: Duration) -> Timestamp {
    after(now, life.saturating_sub(jitter(life / 10)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Mutex as StdMutex;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use chrono::TimeDelta;

    use super::*;
    use crate::platform::clock::ManualClock;
    use crate::platform::secret::Secret;
    use crate::platform::secrets::{Opened, SecretId};

    /// One answer to everything, or none; and how often it was asked.
    #[derive(Default)]
    struct OneAnswer {
        held: StdMutex<Option<&'static str>>,
        asked: AtomicUsize,
    }

    impl OneAnswer {
        fn holds(&self, held: impl Into<Option<&'static str>>) {
            *self.held.lock().unwrap() = held.into();
        }
    }

    impl Vault for OneAnswer {
        fn open(&self, wanted: BTreeSet<SecretId>, _: Duration) -> BoxFuture<'_, Opened> {
            Box::pin(async move {
                self.asked.fetch_add(1, SeqCst);
                tokio::task::yield_now().await;
                let held = *self.held.lock().unwrap();
                let held = held.map(Secret::new).ok_or_else(|| "throttled".to_owned());
                wanted.into_iter().map(|id| (id, held.clone())).collect()
            })
        }
    }

    /// Constructs a number from a variable.
    async fn number(vars: &Vars) -> Result<u32, StartError> {
        let expected = || StartError::Failed("NUMBER: expected a number".to_owned());
        vars.get("NUMBER").and_then(|text| text.parse().ok()).ok_or_else(expected)
    }

    struct Scene {
        vault: Arc<OneAnswer>,
        clock: ManualClock,
        number: Renewed<u32>,
    }

    impl Scene {
        async fn new(variable: &str, held: Option<&'static str>) -> Result<Self, StartError> {
            let (vault, clock) = (Arc::new(OneAnswer::default()), ManualClock::at(Timestamp::UNIX_EPOCH));
            vault.holds(held);
            let vars = Vars::from_iter([("NUMBER", variable)]);
            let number = Renewed::with(vars, number, vault.clone(), Arc::new(clock.clone())).await?;
            Ok(Self { vault, clock, number })
        }

        async fn referring() -> Self {
            Self::new("ssm:/number", Some("1")).await.unwrap()
        }

        async fn at(&self, seconds: i64) -> u32 {
            self.clock.advance(Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds) - self.clock.now());
            *self.number.current().await
        }

        fn asked(&self) -> usize {
            self.vault.asked.load(SeqCst)
        }
    }

    #[tokio::test]
    async fn without_references_nobody_is_asked() {
        let scene = Scene::new("7", None).await.unwrap();
        assert_eq!((scene.at(0).await, scene.at(1_000_000).await, scene.asked()), (7, 7, 0));
    }

    #[tokio::test]
    async fn a_secret_that_changed_is_used_once_its_life_is_over() {
        let scene = Scene::referring().await;
        assert_eq!((scene.at(0).await, scene.asked()), (1, 1));
        scene.vault.holds("2");
        assert_eq!((scene.at(269).await, scene.asked()), (1, 1));
        assert_eq!((scene.at(301).await, scene.asked()), (2, 2));
        assert_eq!((scene.at(570).await, scene.asked()), (2, 2));
    }

    #[tokio::test]
    async fn what_is_the_same_is_not_constructed_anew() {
        let scene = Scene::referring().await;
        let before = scene.number.current().await;
        assert_eq!((scene.at(301).await, scene.asked()), (1, 2));
        assert!(Arc::ptr_eq(&before, &scene.number.current().await));
    }

    #[tokio::test]
    async fn who_runs_goes_on_with_what_it_began_with() {
        let scene = Scene::referring().await;
        let before = scene.number.current().await;
        scene.vault.holds("2");
        assert_eq!((scene.at(301).await, *before), (2, 1));
    }

    #[tokio::test]
    async fn one_look_is_for_all_who_wait() {
        let scene = Scene::referring().await;
        scene.vault.holds("2");
        scene.clock.advance(TimeDelta::seconds(301));
        let all = futures_util::future::join_all((0..10).map(|_| scene.number.current())).await;
        assert!(all.iter().all(|number| **number == 2));
        assert_eq!(scene.asked(), 2);
    }

    #[tokio::test]
    async fn an_outage_keeps_what_is_known_and_is_looked_through_now_and_then() {
        let scene = Scene::referring().await;
        scene.vault.holds(None);
        assert_eq!((scene.at(301).await, scene.asked()), (1, 2));
        assert_eq!((scene.at(330).await, scene.asked()), (1, 2));
        assert_eq!((scene.at(347).await, scene.asked()), (1, 3));
        scene.vault.holds("2");
        assert_eq!((scene.at(393).await, scene.asked()), (2, 4));
    }

    #[tokio::test]
    async fn a_secret_that_is_of_no_use_changes_nothing() {
        let scene = Scene::referring().await;
        scene.vault.holds("nonsense");
        assert_eq!(scene.at(301).await, 1);
        scene.vault.holds("3");
        assert_eq!(scene.at(350).await, 3);
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_holds_up_no_other() {
        /// Holds numbers by their names.
        #[derive(Default)]
        struct Numbers(StdMutex<BTreeMap<&'static str, &'static str>>);

        impl Vault for Numbers {
            fn open(&self, wanted: BTreeSet<SecretId>, _: Duration) -> BoxFuture<'_, Opened> {
                let held = self.0.lock().unwrap();
                let value = |id: &SecretId| held.get(id.to_string().as_str()).copied().map(Secret::new);
                let opened =
                    wanted.into_iter().map(|id| (id.clone(), value(&id).ok_or_else(|| "throttled".to_owned())));
                let opened = opened.collect();
                Box::pin(async move { opened })
            }
        }

        async fn both(vars: &Vars) -> Result<(u32, u32), StartError> {
            let number = |name| vars.parse(name, "a number").map(Option::unwrap_or_default);
            Ok((number("A")?, number("B")?))
        }

        let (vault, clock) = (Arc::new(Numbers::default()), ManualClock::at(Timestamp::UNIX_EPOCH));
        vault.0.lock().unwrap().extend([("ssm:/a", "1"), ("ssm:/b", "1")]);
        let vars = Vars::from_iter([("A", "ssm:/a"), ("B", "ssm:/b")]);
        let numbers = Renewed::with(vars, both, vault.clone(), Arc::new(clock.clone())).await.unwrap();
        let after_a_while = async || {
            clock.advance(TimeDelta::seconds(301));
            *numbers.current().await
        };
        vault.0.lock().unwrap().remove("ssm:/a");
        vault.0.lock().unwrap().insert("ssm:/b", "2");
        assert_eq!(after_a_while().await, (1, 2));
        vault.0.lock().unwrap().extend([("ssm:/a", "3"), ("ssm:/b", "nonsense")]);
        assert_eq!(after_a_while().await, (1, 2));
        vault.0.lock().unwrap().insert("ssm:/b", "4");
        assert_eq!(after_a_while().await, (3, 4));
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_is_no_reason_to_wait() {
        let scene = Scene::referring().await;
        scene.vault.holds("2");
        assert_eq!(scene.at(-1_000_000).await, 2);
    }

    #[tokio::test]
    async fn without_its_secrets_it_does_not_start() {
        let error = Scene::new("ssm:/number", None).await.err().unwrap();
        assert_eq!(error.to_string(), "NUMBER: ssm:/number cannot be read: throttled");
        let error = Scene::new("ssm:", Some("1")).await.err().unwrap();
        assert!(error.to_string().starts_with("NUMBER: expected "), "{error}");
    }

    #[tokio::test]
    async fn what_the_constructor_asks_for_is_known() {
        let scene = Scene::referring().await;
        assert!(scene.number.vars.asked().contains("NUMBER"));
    }
}
