//! Telling the listeners of a topic.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::future::try_join;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;

use super::tally::Tally;
use super::{
    Arc, Bytes, Clock, Duration, Error, POSTS, Poster, RecordedEvent, Registry, Rendered, Renderer, Role, SHARDS,
    Semaphore, StreamExt, TRYING, Uuid, after, only_newest, stream,
};
use crate::platform::clock::Timestamp;
use crate::platform::ids::jitter;
use crate::push::{Close, ConnectionId, Due, Listener, OperationHash, Outgoing, PostError, ServerMessage};

/// How long a message is tried, from its turn on: one that a newer one will make pointless; one that the client must not
/// miss, longer than API Gateway's limit is exceeded now and then; and a word to one client that waits for it.
const PRICE_PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
const WORD_PATIENCE: Duration = Duration::from_secs(3);
/// The first pause before a message that was not taken is sent again; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// "Try again later", where the transport can say it.
const TRY_AGAIN: u16 = 1013;

/// What it takes to tell clients.
pub struct Teller {
    /// Who listens.
    pub registry: Arc<dyn Registry>,
    /// How they are reached.
    pub poster: Arc<dyn Poster>,
    /// What they are told.
    pub renderer: Arc<dyn Renderer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What became of messages.
    pub tally: Tally,
    posts: Semaphore,
}

/// What is said of each of some events, by operation and role: executed once, whoever asks first.
#[derive(Default)]
struct Answers(Mutex<HashMap<(OperationHash, Option<Role>), Said>>);

type Said = Arc<OnceCell<Vec<Answer>>>;

impl Answers {
    fn of(&self, listener: &Listener) -> Said {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.entry((listener.operation.clone(), listener.role)).or_default().clone()
    }
}

/// What is said of an event.
pub(in crate::services) struct Answer {
    version: i32,
    rendered: Rendered,
    /// What newer events make pointless.
    supersedes: Option<Uuid>,
}

impl Answer {
    pub(in crate::services) fn new(event: &RecordedEvent, rendered: Rendered) -> Self {
        let supersedes = only_newest(&event.stream).then_some(event.stream.aggregate_id);
        Self { version: event.event_version, rendered, supersedes }
    }
}

impl Teller {
    /// One that tells what `renderer` makes of events.
    pub fn new(
        registry: Arc<dyn Registry>,
        poster: Arc<dyn Poster>,
        renderer: Arc<dyn Renderer>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { registry, poster, renderer, clock, tally: Tally::default(), posts: Semaphore::new(POSTS) }
    }

    /// Tells everybody who listens to a topic of events, the oldest first.
    ///
    /// # Errors
    /// The registry's, or where no client can be told; then some may be told.
    pub(super) async fn topic(&self, topic: Uuid, events: &[Arc<RecordedEvent>]) -> Result<(), Error> {
        let Some(last) = events.last() else { return Ok(()) };
        let begun = self.registry.begin(topic, last.event_version, only_newest(&last.stream)).await?;
        let Some(begun) = begun else { return Ok(()) };
        let events: Vec<_> = events.iter().filter(|event| event.event_version > begun.finished).cloned().collect();
        let deadline = after(self.clock.now(), TRYING);
        let (answers, mut listeners) = (Answers::default(), 0);
        let mut parts = stream::iter(0..begun.shards)
            .map(|shard| self.shard(topic, shard, &events, &answers, deadline))
            .buffer_unordered(SHARDS);
        while let Some(told) = parts.next().await {
            listeners += told?;
        }
        crate::platform::crash::point("fanout.told");
        Ok(self.registry.finish(topic, last.event_version, listeners).await?)
    }

    /// Tells the listeners in one part of a topic: how many there are. While those of one page are told, the next is read.
    async fn shard(
        &self,
        topic: Uuid,
        shard: u32,
        events: &[Arc<RecordedEvent>],
        answers: &Answers,
        deadline: Timestamp,
    ) -> Result<u64, Error> {
        let mut count = 0;
        let mut page = self.registry.listeners(topic, shard, None).await?;
        loop {
            count += page.listeners.len() as u64;
            let next = async {
                match &page.next {
                    Some(next) => Ok(Some(self.registry.listeners(topic, shard, Some(next)).await?)),
                    None => Ok(None),
                }
            };
            let ((), next) = try_join(self.page(&page.listeners, events, answers, deadline), next).await?;
            match next {
                Some(next) => page = next,
                None => return Ok(count),
            }
        }
    }

    /// Tells the listeners of a page, all at once; how many posts are under way is bounded for all together.
    async fn page(
        &self,
        listeners: &[Arc<Listener>],
        events: &[Arc<RecordedEvent>],
        answers: &Answers,
        deadline: Timestamp,
    ) -> Result<(), Error> {
        let mut told = FuturesUnordered::new();
        for listener in listeners {
            told.push(self.listener(listener, events, answers, deadline));
        }
        while let Some(told) = told.next().await {
            told?;
        }
        Ok(())
    }

    /// Executes a listener's operation for events.
    async fn render(&self, listener: &Listener, events: &[Arc<RecordedEvent>]) -> Result<Vec<Answer>, Error> {
        let mut answers = vec![];
        // One that is not kept any more has no listeners worth telling: they ended with it.
        if let Some(operation) = self.registry.operation(&listener.operation).await? {
            for event in events {
                answers.push(Answer::new(event, self.renderer.render(&operation, listener.role, event).await));
            }
        }
        Ok(answers)
    }

    /// Tells one listener, in order.
    ///
    /// # Errors
    /// Where no client can be told, through no fault of theirs.
    async fn listener(
        &self,
        listener: &Listener,
        events: &[Arc<RecordedEvent>],
        answers: &Answers,
        deadline: Timestamp,
    ) -> Result<(), Error> {
        let answers = answers.of(listener);
        let answers = answers.get_or_try_init(|| self.render(listener, events)).await?;
        for answer in answers.iter().filter(|answer| answer.version > listener.after) {
            if listener.expires_at.is_some_and(|end| end <= self.clock.now()) {
                let errors = self.renderer.errors(&Error::TokenExpired);
                self.end(&listener.connection, &listener.id, errors).await;
                return Ok(());
            }
            match self.tell(&listener.connection, &listener.id, answer, deadline).await? {
                Told::Yes => {}
                Told::Ended | Told::Gone => return Ok(()),
            }
        }
        Ok(())
    }

    /// Tells a client what is said of an event.
    ///
    /// # Errors
    /// Where no client can be told, through no fault of theirs.
    pub(in crate::services) async fn tell(
        &self,
        connection: &ConnectionId,
        id: &Arc<str>,
        answer: &Answer,
        deadline: Timestamp,
    ) -> Result<Told, Error> {
        let payload = match &answer.rendered {
            Rendered::Nothing => return Ok(Told::Yes),
            Rendered::Refused(errors) => {
                self.end(connection, id, errors.clone()).await;
                return Ok(Told::Ended);
            }
            Rendered::Answer(payload) => payload.clone(),
        };
        let message = ServerMessage::Next(id.clone(), payload);
        if message.is_too_long() {
            self.end(connection, id, self.renderer.errors(&Error::AnswerTooLarge)).await;
            return Ok(Told::Ended);
        }
        let superseded = answer.supersedes.is_some();
        let patience = if superseded { PRICE_PATIENCE } else { PATIENCE };
        let outgoing = Outgoing { message, supersedes: answer.supersedes };
        match self.post_within(connection, outgoing, patience, deadline).await {
            Ok(()) => Ok(Told::Yes),
            Err(PostError::Gone) => Ok(Told::Gone),
            Err(PostError::Refused(problem)) => Err(Error::Internal(format!("clients cannot be told: {problem}"))),
            // A newer one will come.
            Err(error) if superseded => {
                tracing::debug!(%error, %connection, "a client is not told a price");
                Ok(Told::Yes)
            }
            Err(error) => {
                tracing::warn!(%error, %connection, "a client misses an update: it is disconnected");
                let reason = "an update could not be sent".to_owned();
                self.close(connection, Close { code: TRY_AGAIN, reason }).await;
                Ok(Told::Gone)
            }
        }
    }

    /// Ends an operation with errors, unless it has ended.
    pub(in crate::services) async fn end(&self, connection: &ConnectionId, id: &Arc<str>, errors: Bytes) {
        match self.registry.release(connection, id, None).await {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => tracing::warn!(%error, "an operation that ended is still listed"),
        }
        // A client that is not reached finds out when it connects again.
        let _ = self.post(connection, ServerMessage::Error(id.clone(), errors).into()).await;
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Why it could not be sent, once it was tried for a few seconds. A connection that is gone is forgotten.
    pub(in crate::services) async fn post(
        &self,
        connection: &ConnectionId,
        outgoing: Outgoing,
    ) -> Result<(), PostError> {
        self.post_within(connection, outgoing, WORD_PATIENCE, DateTime::<Utc>::MAX_UTC).await
    }

    async fn post_within(
        &self,
        connection: &ConnectionId,
        outgoing: Outgoing,
        patience: Duration,
        deadline: Timestamp,
    ) -> Result<(), PostError> {
        let (mut pause, mut until) = (PAUSE, None);
        loop {
            let outcome = {
                // Nobody closes it. Nobody else waits while this one pauses.
                let _turn = self.posts.acquire().await.ok();
                until = until.or_else(|| Some(after(self.clock.now(), patience).min(deadline)));
                self.poster.post(connection, outgoing.clone()).await
            };
            let tally = &self.tally;
            match outcome {
                Ok(()) => {
                    tally.delivered.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(PostError::Gone) => {
                    tally.gone.fetch_add(1, Ordering::Relaxed);
                    self.forget(connection).await;
                    return Err(PostError::Gone);
                }
                Err(error) if error.is_transient() && until.is_some_and(|end| after(self.clock.now(), pause) < end) => {
                    tally.repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(pause / 2 + jitter(pause / 2)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => {
                    tally.given_up.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    }

    /// Ends a connection and forgets it: whether it is ended. One that could not be ended now is put on the list of those
    /// to be looked at, where it is ended because it is not known.
    pub(in crate::services) async fn close(&self, connection: &ConnectionId, close: Close) -> bool {
        let ended = self.poster.close(connection, close).await;
        if let Err(error) = &ended {
            tracing::warn!(%error, %connection, "a connection cannot be ended now");
            let due = Due { at: self.clock.now(), connection: connection.clone() };
            if let Err(error) = self.registry.look_at(&due).await {
                // It stays listed, and so hears of what it subscribed to.
                tracing::warn!(%error, %connection, "nor can it be ended later");
                return false;
            }
        }
        self.forget(connection).await;
        ended.is_ok()
    }

    pub(in crate::services) async fn forget(&self, connection: &ConnectionId) {
        if let Err(error) = self.registry.disconnect(connection).await {
            tracing::warn!(%error, %connection, "a connection that is gone is still listed");
        }
    }
}

/// What became of telling a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services) enum Told {
    /// It was told, or there was nothing to tell.
    Yes,
    /// Its operation ended.
    Ended,
    /// It is gone.
    Gone,
}
