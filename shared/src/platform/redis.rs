//! A connection to Redis, single or cluster, that is there when it is needed and never in the way.
//!
//! It is opened by the first request and opened again after it broke; every request has a deadline. Opening is a task, as
//! the open connection has one of its own: a handshake may take longer than any one request waits. It only reads and writes
//! what opens the connection, and ends by itself. After [`FAILURES_UNTIL_DOWN`] failures in a row Redis counts as down:
//! requests fail at once, except for one every min(failures x 50 ms, 2 s) that tries again.
//!
//! Not guaranteed: that a command is executed once. One whose connection broke is sent again, so what is sent must
//! bear repetition.
//!
//! Where it leads may be known from the start, or be looked up at the first opening ([`Discovery`]).

mod connection;
mod discovery;
#[cfg(feature = "elasticache")]
pub(crate) mod elasticache;

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, Shared};
use redis::{Cmd, ErrorKind, FromRedisValue, ScriptInvocation, ServerErrorKind};
use tokio::time::{Instant, sleep, timeout};

use super::config::{ConfigError, RedisEndpoint};
use connection::{Connection, Server};

pub use discovery::{Discovery, Role};
pub use redis::RedisError;

/// How often a request is tried, within its deadline.
const TRIES: u32 = 3;
/// Failures in a row after which requests no longer wait to find out.
const FAILURES_UNTIL_DOWN: u32 = 3;

/// How long Redis may take.
#[derive(Debug, Clone, Copy)]
pub struct RedisOptions {
    /// For one request, all tries and the opening of a connection included.
    pub deadline: Duration,
    /// For opening a connection. Longer than the deadline, so that a slow handshake is finished by the next request.
    pub connect_timeout: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_millis(100), connect_timeout: Duration::from_secs(1) }
    }
}

/// A Redis. Shared by everything that uses it.
pub struct RedisClient {
    server: Server,
    options: RedisOptions,
    link: Mutex<Link>,
}

type Opening = Shared<BoxFuture<'static, Result<Connection, RedisError>>>;

/// The current connection, or the attempt at one, and whether it was open already.
struct Handed {
    number: u64,
    opening: Opening,
    was_open: bool,
}

#[derive(Default)]
struct Link {
    /// The connection or the attempt at one, and its number.
    current: Option<(u64, Opening)>,
    opened: u64,
    /// In a row.
    failures: u32,
    /// When down: until when requests fail at once.
    retry_at: Option<Instant>,
}

impl RedisClient {
    /// A Redis that nobody has spoken to yet.
    ///
    /// # Errors
    /// [`ConfigError`] where the URL cannot be read.
    pub fn new(endpoint: &RedisEndpoint, options: RedisOptions) -> Result<Self, ConfigError> {
        Ok(Self::of(Server::new(endpoint, options)?, options))
    }

    /// The same, its address to be looked up when the first connection is opened.
    pub fn discovered(discovery: &Arc<Discovery>, role: Role, options: RedisOptions) -> Self {
        Self::of(Server::Discovered(Arc::clone(discovery), role), options)
    }

    fn of(server: Server, options: RedisOptions) -> Self {
        Self { server, options, link: Mutex::default() }
    }

    /// Sends one command. On a cluster, one with keys of several shards (`MGET`, `DEL`) is split and joined again.
    ///
    /// # Errors
    /// Redis's own; a time-out; or at once, when Redis is known to be down.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        self.request(|mut connection| async move { command.query_async(&mut connection).await }).await
    }

    /// Sends independent commands with keys of any shard, in one round trip (one a shard, on a cluster): what each answers.
    ///
    /// # Errors
    /// As for [`query`](Self::query): the first.
    pub async fn all<T: FromRedisValue>(&self, commands: &[Cmd]) -> Result<Vec<T>, RedisError> {
        if commands.is_empty() {
            return Ok(vec![]);
        }
        self.request(|connection| connection.send_all(commands)).await
    }

    /// Runs a script, which is loaded where the server does not know it. On a cluster, all its keys must share a hash
    /// tag.
    ///
    /// # Errors
    /// As for [`query`](Self::query).
    pub async fn script<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, RedisError> {
        self.request(|mut connection| async move { script.invoke_async(&mut connection).await }).await
    }

    /// Makes a request on the current connection, within the deadline, again on a new one if it broke.
    async fn request<T, F>(&self, send: impl Fn(Connection) -> F) -> Result<T, RedisError>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        self.admit()?;
        let mut handed = None;
        let tries = async {
            let mut attempt = 1;
            loop {
                let Handed { number: current, opening, was_open } = self.connection();
                handed = Some((current, was_open));
                let (result, opened) = match opening.await {
                    Ok(connection) => (send(connection).await, true),
                    Err(error) => (Err(error), false),
                };
                match result {
                    Err(error) if !opened || is_broken(&error) => {
                        self.broke(current, &error);
                        if attempt == TRIES {
                            return Err(error);
                        }
                        sleep(retry_delay(attempt)).await;
                        attempt += 1;
                    }
                    // Anything else is an answer, of whatever kind: the connection is well.
                    answer => {
                        self.answered();
                        return answer;
                    }
                }
            }
        };
        let result = timeout(self.options.deadline, tries).await;
        result.unwrap_or_else(|_| {
            self.timed_out(handed);
            Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
        })
    }

    /// Lets a request through, unless Redis is down; then one that finds out for all of them.
    fn admit(&self) -> Result<(), RedisError> {
        let mut link = self.link();
        if let Some(retry_at) = link.retry_at {
            let now = Instant::now();
            if now < retry_at {
                return Err((redis::ErrorKind::Io, "known to be down").into());
            }
            link.retry_at = Some(now + self.options.deadline);
        }
        Ok(())
    }

    /// The current connection, or the attempt at a new one.
    fn connection(&self) -> Handed {
        let mut link = self.link();
        if let Some((number, opening)) = link.current.clone() {
            // One that could not be opened, which nobody waited to see, is no reason to wait now.
            let opened = opening.clone().now_or_never();
            if !matches!(opened, Some(Err(_))) {
                return Handed { number, opening, was_open: opened.is_some() };
            }
        }
        link.opened += 1;
        let opening = tokio::spawn(self.server.open(self.options));
        let gone = |_| Err((ErrorKind::Io, "the task that opens a connection ended").into());
        let opening = opening.map(move |opened| opened.unwrap_or_else(gone)).boxed();
        let (number, opening) = (link.opened, opening.shared());
        link.current = Some((number, opening.clone()));
        Handed { number, opening, was_open: false }
    }

    fn answered(&self) {
        let mut link = self.link();
        if link.retry_at.take().is_some() {
            tracing::info!("redis answers again");
        }
        link.failures = 0;
    }

    /// Drops connection `number`, which broke; whoever else noticed came to the same end.
    fn broke(&self, number: u64, error: &RedisError) {
        let mut link = self.link();
        if link.current.take_if(|(current, _)| *current == number).is_some() {
            link.fail(error);
        }
    }

    /// A request had no answer in time. A connection that is still being opened is left to be, and so is one that took most
    /// of that time to open; one that was open before may be half-open after a thaw, and is dropped.
    fn timed_out(&self, handed: Option<(u64, bool)>) {
        let mut link = self.link();
        match (&link.current, handed) {
            (Some((current, opening)), Some((number, was_open))) if *current == number => {
                let is_open = opening.peek().is_some();
                if was_open {
                    link.current = None;
                }
                if was_open || !is_open {
                    link.fail(&"no answer in time");
                }
            }
            // Another request noticed first.
            _ => {}
        }
    }

    fn link(&self) -> std::sync::MutexGuard<'_, Link> {
        // Each change is complete before anything can panic.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn fail(&mut self, error: &dyn Display) {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_UNTIL_DOWN {
            return;
        }
        if self.retry_at.replace(Instant::now() + retry_delay(self.failures)).is_none() {
            tracing::warn!(%error, "redis is down; requests go without it until it answers");
        }
    }
}

/// Whether the server said no, rather than nothing.
pub fn is_answer(error: &RedisError) -> bool {
    !is_broken(error) && !error.is_cluster_error()
}

/// Whether the connection is of no more use.
fn is_broken(error: &RedisError) -> bool {
    // A primary that was demoted keeps its connections; who is the new one is found by connecting again.
    let is_demoted = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    error.is_io_error() || error.is_unrecoverable_error() || is_demoted
}

/// How long to wait after so many failures.
fn retry_delay(failures: u32) -> Duration {
    (Duration::from_millis(50) * failures.min(40)).min(Duration::from_secs(2))
}
