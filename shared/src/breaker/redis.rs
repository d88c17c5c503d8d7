//! What is shared, in Redis: a hash a circuit, and a key with a short life for whoever tries the service. One atomic script
//! (`circuit.lua`) an operation; time is the server's, so sandboxes whose clocks differ agree.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;

use super::shared::{Election, SharedCircuits, SharedError, SharedState, Verdict};
use super::{BreakerError, CircuitBreaker};
use crate::platform::BoxFuture;
use crate::platform::clock::Clock;
use crate::platform::redis::{RedisClient, RedisError, is_answer};

/// Circuits in a Redis, under keys with a common prefix.
pub struct RedisCircuits {
    client: Arc<RedisClient>,
    /// That of the Redis, for all who use it.
    breaker: Option<Arc<CircuitBreaker>>,
    script: Script,
    prefix: String,
    /// Only in tests, which move it.
    clock: Option<Arc<dyn Clock>>,
}

/// Elected, state, epoch, microseconds that remain, openings.
type Answer = (u8, String, i64, u64, u32);

impl RedisCircuits {
    /// The circuits whose keys begin with `prefix`.
    pub fn new(client: Arc<RedisClient>, prefix: impl Into<String>) -> Self {
        let script = Script::new(include_str!("circuit.lua"));
        Self { client, breaker: None, script, prefix: prefix.into(), clock: None }
    }

    /// The same, behind the breaker of the Redis.
    #[must_use]
    pub fn behind(self, breaker: Arc<CircuitBreaker>) -> Self {
        Self { breaker: Some(breaker), ..self }
    }

    /// The same, by `clock` in place of the server's: for tests. How long a trial may take is the server's all the same.
    #[must_use]
    pub fn timed_by(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    async fn run(&self, name: &str, operation: &str, holder: &str, more: [i64; 2]) -> Result<Answer, SharedError> {
        let mut script = self.script.prepare_invoke();
        script.key(format!("{}{{{name}}}", self.prefix)).key(format!("{}{{{name}}}:trial", self.prefix));
        let now = self.clock.as_ref().map(|clock| clock.micros().to_string());
        script.arg(now.unwrap_or_default()).arg(operation).arg(holder).arg(more[0]).arg(more[1]);
        // The kind of an error: its text may name an address.
        let told =
            |error: RedisError| SharedError { problem: error.category().to_owned(), answered: is_answer(&error) };
        let run = async { self.client.script(&script).await.map_err(told) };
        // One that refused is there.
        let refused =
            |error: &BreakerError<SharedError>| matches!(error, BreakerError::Failed(error) if error.answered);
        match &self.breaker {
            // Boxed: a breaker's call holds a future of this very kind, for the breaker that is shared.
            Some(breaker) => breaker.call_filtered(Box::pin(run), refused).await.map_err(|error| match error {
                BreakerError::Failed(error) => error,
                other => SharedError { problem: other.to_string(), answered: false },
            }),
            None => run.await,
        }
    }

    async fn verdict(&self, name: &str, operation: &str, holder: &str, more: [i64; 2]) -> Result<Verdict, SharedError> {
        verdict(&self.run(name, operation, holder, more).await?)
    }
}

impl SharedCircuits for RedisCircuits {
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        Box::pin(self.verdict(name, "read", "", [0; 2]))
    }

    fn opened<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        reset: Duration,
        trial: bool,
    ) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        let reset = i64::try_from(reset.as_micros()).unwrap_or(i64::MAX >> 8);
        Box::pin(self.verdict(name, "opened", holder, [reset, i64::from(trial)]))
    }

    fn closed<'a>(&'a self, name: &'a str, holder: &'a str, seen: i64) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        Box::pin(self.verdict(name, "closed", holder, [seen, 0]))
    }

    fn elect<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        lease: Duration,
        seen: i64,
    ) -> BoxFuture<'a, Result<Election, SharedError>> {
        Box::pin(async move {
            let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX).max(1);
            let answer = self.run(name, "elect", holder, [lease, seen]).await?;
            match &answer {
                (1, ..) => Ok(Election::Elected),
                (_, state, _, remaining, _) if state == "tried" => {
                    Ok(Election::Another(Duration::from_micros(*remaining)))
                }
                _ => verdict(&answer).map(Election::Decided),
            }
        })
    }

    fn isolate<'a>(&'a self, name: &'a str, isolated: bool) -> BoxFuture<'a, Result<Verdict, SharedError>> {
        Box::pin(self.verdict(name, "isolate", "", [i64::from(isolated), 0]))
    }
}

fn verdict((_, state, epoch, remaining, openings): &Answer) -> Result<Verdict, SharedError> {
    let state = match state.as_str() {
        "unknown" => SharedState::Unknown,
        "closed" => SharedState::Closed,
        "open" => SharedState::Open { remaining: Duration::from_micros(*remaining), openings: *openings },
        "isolated" => SharedState::Isolated,
        _ => return Err(SharedError { problem: "a state that this code does not know".to_owned(), answered: true }),
    };
    Ok(Verdict { state, epoch: *epoch })
}
