//! Clients that are connected to this process: each has a queue of what it is to be sent, which its own task empties.
//!
//! Nobody waits for a client. Of what a newer message supersedes only the newest is kept; a client that lets too much of the
//! rest wait is disconnected, so that it knows that it missed something.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::ready;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Close, ConnectionId, Outgoing, PostError, Poster, ServerMessage};
use crate::platform::BoxFuture;

/// How many bytes may wait for a client.
const MAX_WAITING: usize = 1024 * 1024;
/// "Try again later" (RFC 6455's registry): clients connect again.
const TOO_SLOW: u16 = 1013;

/// The clients of one process.
#[derive(Default)]
pub struct InProcessPoster {
    queues: Mutex<HashMap<ConnectionId, Arc<Queue>>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Outgoing>,
    bytes: usize,
    close: Option<Close>,
}

/// What a client is to be sent. The client is gone once this is dropped.
pub struct Outbox {
    poster: Arc<InProcessPoster>,
    connection: ConnectionId,
    queue: Arc<Queue>,
}

/// What is to be done next for a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Send it this.
    Message(ServerMessage),
    /// End the connection.
    Close(Close),
}

impl InProcessPoster {
    /// The queue of a client that is connected from now on.
    pub fn attach(self: &Arc<Self>, connection: &ConnectionId) -> Outbox {
        let queue = Arc::new(Queue::default());
        self.queues().insert(connection.clone(), queue.clone());
        Outbox { poster: self.clone(), connection: connection.clone(), queue }
    }

    /// Ends all connections.
    pub fn close_all(&self, close: &Close) {
        let all: Vec<_> = self.queues().keys().cloned().collect();
        for connection in all {
            // One that is gone is ended.
            let _ = self.with(&connection, |waiting| {
                waiting.close = Some(close.clone());
                Ok(())
            });
        }
    }

    /// How many clients are connected.
    pub fn connected(&self) -> usize {
        self.queues().len()
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<ConnectionId, Arc<Queue>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(
        &self,
        connection: &ConnectionId,
        change: impl FnOnce(&mut Waiting) -> Result<(), PostError>,
    ) -> Result<(), PostError> {
        let Some(queue) = self.queues().get(connection).cloned() else { return Err(PostError::Gone) };
        let mut waiting = queue.waiting();
        if waiting.close.is_some() {
            return Err(PostError::Gone);
        }
        let changed = change(&mut waiting);
        drop(waiting);
        queue.changed.notify_one();
        changed
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, outgoing: Outgoing) -> Result<(), PostError> {
        self.bytes += outgoing.message.len_bound();
        match outgoing.supersedes.and_then(|topic| self.older(topic, &outgoing.message)) {
            // In its place: what waits behind it came later, and is about something else.
            Some(place) => {
                if let Some(older) = self.messages.get_mut(place) {
                    self.bytes -= older.message.len_bound();
                    *older = outgoing;
                }
            }
            None => self.messages.push_back(outgoing),
        }
        if self.bytes > MAX_WAITING {
            self.messages.clear();
            self.close = Some(Close { code: TOO_SLOW, reason: "too slow: too much waits to be read".to_owned() });
            return Err(PostError::Gone);
        }
        Ok(())
    }

    /// Where a message waits that tells the same operation of the same thing.
    fn older(&self, topic: Uuid, message: &ServerMessage) -> Option<usize> {
        let ServerMessage::Next(id, _) = message else { return None };
        self.messages.iter().position(|older| {
            older.supersedes == Some(topic) && matches!(&older.message, ServerMessage::Next(other, _) if other == id)
        })
    }
}

impl Outbox {
    /// What is next, once there is something. May be given up at any time; nothing is lost.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.queue.changed.notified().await;
        }
    }

    /// What is next, if there is something.
    pub fn take(&self) -> Option<Next> {
        let mut waiting = self.queue.waiting();
        if let Some(Outgoing { message, .. }) = waiting.messages.pop_front() {
            waiting.bytes -= message.len_bound();
            return Some(Next::Message(message));
        }
        waiting.close.clone().map(Next::Close)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.poster.queues().remove(&self.connection);
    }
}

impl Poster for InProcessPoster {
    fn post<'a>(&'a self, to: &'a ConnectionId, outgoing: Outgoing) -> BoxFuture<'a, Result<(), PostError>> {
        ready(self.with(to, |waiting| waiting.add(outgoing))).boxed()
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId, close: Close) -> BoxFuture<'a, Result<(), PostError>> {
        let closed = self.with(connection, |waiting| {
            waiting.close = Some(close);
            Ok(())
        });
        // One that is gone is ended.
        ready(closed.or(Ok(()))).boxed()
    }

    fn keeps_order(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn next(id: &str, payload: &'static str, supersedes: Option<u128>) -> Outgoing {
        let message = ServerMessage::Next(id.into(), Bytes::from_static(payload.as_bytes()));
        Outgoing { message, supersedes: supersedes.map(Uuid::from_u128) }
    }

    fn taken(outbox: &Outbox) -> Vec<ServerMessage> {
        std::iter::from_fn(|| outbox.take())
            .take_while(|next| matches!(next, Next::Message(_)))
            .map(|next| match next {
                Next::Message(message) => message,
                Next::Close(_) => unreachable!(),
            })
            .collect()
    }

    #[tokio::test]
    async fn of_what_is_superseded_only_the_newest_waits() {
        let poster = Arc::new(InProcessPoster::default());
        let id = ConnectionId::new("a");
        let outbox = poster.attach(&id);
        for outgoing in [
            next("1", "1", Some(1)),
            next("1", "2", Some(2)),
            next("2", "3", Some(1)),
            next("1", "4", None),
            next("1", "5", Some(1)),
            next("1", "6", None),
        ] {
            poster.post(&id, outgoing).await.unwrap();
        }
        let expected = [("1", "5"), ("1", "2"), ("2", "3"), ("1", "4"), ("1", "6")];
        assert_eq!(taken(&outbox), expected.map(|(id, payload)| next(id, payload, None).message));
        assert_eq!(outbox.queue.waiting().bytes, 0);
    }

    #[tokio::test]
    async fn a_client_that_never_reads_is_disconnected_and_takes_no_memory() {
        let poster = Arc::new(InProcessPoster::default());
        let id = ConnectionId::new("a");
        let outbox = poster.attach(&id);
        let mut taken = 0;
        while poster.post(&id, next("1", "xxxxxxxxxxxxxxxxxxxx", None)).await.is_ok() {
            taken += 1;
        }
        assert!((1000..40_000).contains(&taken), "{taken}");
        assert!(matches!(outbox.take(), Some(Next::Close(Close { code: TOO_SLOW, .. }))));
        assert_eq!(poster.post(&id, next("1", "x", None)).await, Err(PostError::Gone));
        // Prices never fill it.
        let other = ConnectionId::new("b");
        let _outbox = poster.attach(&other);
        for _ in 0..40_000 {
            poster.post(&other, next("1", "xxxxxxxxxxxxxxxxxxxx", Some(1))).await.unwrap();
        }
        drop(outbox);
        assert_eq!(poster.connected(), 1);
    }

    #[tokio::test]
    async fn what_waited_is_sent_before_the_connection_ends() {
        let poster = Arc::new(InProcessPoster::default());
        let id = ConnectionId::new("a");
        let outbox = poster.attach(&id);
        poster.post(&id, next("1", "1", None)).await.unwrap();
        let close = Close { code: 4400, reason: "no".to_owned() };
        poster.close(&id, close.clone()).await.unwrap();
        assert_eq!(poster.post(&id, next("1", "2", None)).await, Err(PostError::Gone));
        assert_eq!(outbox.next().await, Next::Message(next("1", "1", None).message));
        assert_eq!(outbox.next().await, Next::Close(close));
        assert_eq!(poster.close(&ConnectionId::new("nobody"), Close { code: 1, reason: String::new() }).await, Ok(()));
    }
}
