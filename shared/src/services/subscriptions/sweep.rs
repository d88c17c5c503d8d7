//! What is done about connections when their time has come: those that never introduced themselves, and those whose token
//! has ended.

use futures_util::future::join_all;
use serde::Serialize;

use super::Subscriptions;
use crate::platform::clock::Timestamp;
use crate::push::{Close, Due, RegistryError};
use crate::services::Error;

/// How many connections are looked at at once.
const AT_ONCE: usize = 50;

/// What a sweep did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Connections that were looked at.
    pub looked_at: usize,
    /// Those of them that were ended.
    pub ended: usize,
}

/// What came of a look.
struct Looked {
    /// The connection was ended.
    ended: bool,
    /// There is nothing left to do about it.
    done: bool,
}

impl Subscriptions {
    /// Looks at every connection whose time has come.
    ///
    /// # Errors
    /// The registry's; the next sweep goes on.
    pub async fn sweep(&self, deadline: Timestamp) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        while self.clock.now() < deadline {
            let due = self.teller.registry.due(self.clock.now(), AT_ONCE).await?;
            let looked = join_all(due.iter().map(|due| self.look(due))).await;
            let mut left = due.len();
            for (due, looked) in due.iter().zip(looked) {
                match looked {
                    Ok(looked) => {
                        left -= usize::from(looked.done);
                        swept.looked_at += 1;
                        swept.ended += usize::from(looked.ended);
                    }
                    Err(error) => {
                        tracing::warn!(%error, connection = %due.connection, "a connection cannot be looked at");
                    }
                }
            }
            // What is left comes first again: the next sweep tries it.
            if due.len() < AT_ONCE || left > 0 {
                break;
            }
        }
        Ok(swept)
    }

    /// Looks at a connection.
    async fn look(&self, due: &Due) -> Result<Looked, RegistryError> {
        let registry = &self.teller.registry;
        let now = self.clock.now();
        let close = match registry.connection(&due.connection).await? {
            // It ended by itself; or it is later than any connection lives, or it could not be ended before.
            None => Some(Close { code: 1013, reason: "the connection is not known any more".to_owned() }),
            Some(connection) if !connection.initialised => {
                Some(Close { code: 4408, reason: "Connection initialisation timeout".to_owned() })
            }
            Some(connection) => {
                let expired = connection.principal.and_then(|principal| principal.expires_at).filter(|end| *end <= now);
                expired.map(|_| Close { code: 4403, reason: "Forbidden: the token has expired".to_owned() })
            }
        };
        let mut looked = Looked { ended: false, done: true };
        if let Some(close) = close {
            if close.code == 4403 {
                self.end_all(due).await?;
            }
            looked.ended = self.teller.close(&due.connection, close).await;
            looked.done = looked.ended;
        }
        if looked.done {
            registry.looked_at(due).await?;
        }
        Ok(looked)
    }

    /// Tells a client that each of its operations has ended, because its token has.
    async fn end_all(&self, due: &Due) -> Result<(), RegistryError> {
        let errors = self.teller.renderer.errors(&Error::TokenExpired);
        for id in self.teller.registry.open(&due.connection).await? {
            self.teller.end(&due.connection, &id, errors.clone()).await;
        }
        Ok(())
    }
}
