//! A pool for a process that may be frozen between two requests. It has no task of its own: nothing runs after a
//! response, and no statement is spent on a connection but those of the call that holds it.
//!
//! - A connection goes back only from a call that came to its end and left it in order. One whose call failed or was
//!   given up is closed: its server side may be anywhere.
//! - One that was idle for a while, or lay idle while the process was frozen or while another broke, is tried with a
//!   ping before it is used. Where one ping fails, all that are idle are closed: what ended one has ended the others.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::unreachable;
use crate::store::StoreError;

/// How long a call waits for a connection, a new one included.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long a connection may have been idle and still be used without a ping.
const FRESH: Duration = Duration::from_secs(1);
/// How long a ping may take: an answer comes at once, or the other side is gone.
const PING: Duration = Duration::from_millis(500);

pub(super) struct Pool {
    options: PgConnectOptions,
    /// Where the passwords of connections are from, if it is not the options.
    #[cfg(feature = "rds-iam")]
    tokens: Option<super::iam::Tokens>,
    slots: Semaphore,
    /// A stack: what is used most stays fresh. The lock is never held across an await.
    idle: Mutex<Vec<Idle>>,
    doubt: Mutex<Doubt>,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(options: PgConnectOptions, max_connections: u32) -> Self {
        Self {
            options: options.disable_statement_logging(),
            #[cfg(feature = "rds-iam")]
            tokens: None,
            slots: Semaphore::new(usize::try_from(max_connections.max(1)).unwrap_or(1)),
            idle: Mutex::default(),
            doubt: Mutex::new(Doubt::new(Instant::now(), SystemTime::now())),
        }
    }

    /// The same with a token for each connection.
    #[cfg(feature = "rds-iam")]
    pub(super) fn with_tokens(self, tokens: super::iam::Tokens) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// A connection that works, within [`ACQUIRE`].
    pub(super) async fn acquire(&self) -> Result<Held<'_>, StoreError> {
        timeout(ACQUIRE, async {
            let slot = self.slots.acquire().await.map_err(|_| unavailable("it is closed"))?;
            let connection = match self.working_idle().await {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            Ok(Held { connection, pool: self, _slot: slot })
        })
        .await
        .unwrap_or_else(|_| Err(unavailable("no connection within 3 s")))
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        #[cfg(feature = "rds-iam")]
        if let Some(tokens) = &self.tokens {
            // Boxed: asking for credentials is a large future, in every call's.
            let token = Box::pin(tokens.next(&self.options)).await?;
            return self.options.clone().password(token.expose()).connect().await.map_err(unreachable);
        }
        self.options.connect().await.map_err(unreachable)
    }

    async fn working_idle(&self) -> Option<PgConnection> {
        let Idle { mut connection, since } = self.idle().pop()?;
        if !self.is_doubtful(since) || matches!(timeout(PING, connection.ping()).await, Ok(Ok(()))) {
            return Some(connection);
        }
        tracing::debug!("an idle connection to the database was dead");
        self.idle().clear();
        None
    }

    fn is_doubtful(&self, idle_since: Instant) -> bool {
        let now = Instant::now();
        let doubt = self.doubt().look(now, SystemTime::now());
        now.duration_since(idle_since) > FRESH || idle_since <= doubt
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doubt(&self) -> MutexGuard<'_, Doubt> {
        self.doubt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(problem: &str) -> StoreError {
    StoreError::Unavailable(problem.to_owned())
}

/// A connection in use. Closed when dropped, unless it is given back.
pub(super) struct Held<'a> {
    connection: PgConnection,
    pool: &'a Pool,
    _slot: SemaphorePermit<'a>,
}

impl Held<'_> {
    /// Ends the use with its result. The connection is kept where the database answered, be it with an error; what
    /// it answered with must have ended any transaction.
    pub(super) fn give_back<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let now = Instant::now();
        if matches!(result, Err(StoreError::Unavailable(_))) {
            self.pool.doubt().since = now;
        } else {
            self.pool.idle().push(Idle { connection: self.connection, since: now });
        }
        result
    }
}

impl Deref for Held<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Since when idle connections are to be tried first. Notices that the process was frozen: the steady clock may stand
/// still meanwhile, the clock on the wall does not.
#[derive(Debug)]
struct Doubt {
    steady: Instant,
    wall: SystemTime,
    since: Instant,
}

impl Doubt {
    fn new(steady: Instant, wall: SystemTime) -> Self {
        Self { steady, wall, since: steady }
    }

    /// Connections that are idle since this moment, or longer, are in doubt.
    fn look(&mut self, steady: Instant, wall: SystemTime) -> Instant {
        let lived = steady.saturating_duration_since(self.steady);
        // A wall clock that was set back tells nothing.
        let passed = wall.duration_since(self.wall).unwrap_or(lived);
        if passed > lived + FRESH {
            self.since = steady;
        }
        (self.steady, self.wall) = (steady, wall);
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_is_noticed_by_the_wall_clock() {
        let (steady, wall) = (Instant::now(), SystemTime::now());
        let at = |seconds| steady + Duration::from_secs(seconds);
        let wall_at = |seconds| wall + Duration::from_secs(seconds);
        let mut doubt = Doubt::new(steady, wall);
        assert_eq!(doubt.look(at(60), wall_at(60)), steady, "a quiet minute is no freeze");
        assert_eq!(doubt.look(at(61), wall_at(361)), at(61), "five minutes were slept through");
        assert_eq!(doubt.look(at(62), wall_at(362)), at(61), "and are remembered");
        assert_eq!(doubt.look(at(63), wall_at(60)), at(61), "a clock set back is no freeze");
    }
}
