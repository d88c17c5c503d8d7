//! Telling the listeners of a topic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::{
    Arc, Bytes, Clock, Duration, Error, Measured, POSTS, Poster, RecordedEvent, Registry, RegistryError, Rendered,
    Renderer, Role, SHARDS, Sample, Semaphore, StreamExt, TRYING, TryStreamExt, Uuid, after, only_newest, stream,
};
use crate::platform::clock::Timestamp;
use crate::platform::ids::jitter;
use crate::push::{Close, ConnectionId, Listener, MAX_MESSAGE, OperationHash, Outgoing, PostError, ServerMessage};

/// The first pause before a message that was throttled is sent again; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
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

/// What became of messages.
#[derive(Debug, Default)]
pub struct Tally {
    delivered: AtomicU64,
    gone: AtomicU64,
    throttled: AtomicU64,
    given_up: AtomicU64,
}

impl Measured for Teller {
    fn samples(&self) -> Vec<Sample> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Tally { delivered, gone, throttled, given_up } = &self.tally;
        vec![
            Sample::counter("push.delivered", "Messages of subscriptions that were sent", count(delivered)),
            Sample::counter("push.gone", "Connections that were found gone", count(gone)),
            Sample::counter("push.throttled", "Messages that had to be sent again", count(throttled)),
            Sample::counter("push.given_up", "Messages that could not be sent in time", count(given_up)),
        ]
    }
}

/// What is said of each of some events, by operation and role: executed once, whoever asks first.
#[derive(Default)]
struct Answers(Mutex<HashMap<(OperationHash, Option<Role>), Arc<OnceCell<Vec<Answer>>>>>);

impl Answers {
    fn of(&self, listener: &Listener) -> Arc<OnceCell<Vec<Answer>>> {
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
    /// The registry's; then some may be told.
    pub(super) async fn topic(&self, topic: Uuid, events: &[Arc<RecordedEvent>]) -> Result<(), RegistryError> {
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
        self.registry.finish(topic, last.event_version, listeners).await
    }

    /// Tells the listeners in one part of a topic: how many there are.
    async fn shard(
        &self,
        topic: Uuid,
        shard: u32,
        events: &[Arc<RecordedEvent>],
        answers: &Answers,
        deadline: Timestamp,
    ) -> Result<u64, RegistryError> {
        let (mut count, mut from) = (0, None);
        loop {
            let page = self.registry.listeners(topic, shard, from.as_deref()).await?;
            count += page.listeners.len() as u64;
            stream::iter(&page.listeners)
                .map(Ok)
                .try_for_each_concurrent(POSTS, |listener| async move {
                    let answers = answers.of(listener);
                    let answers = answers.get_or_try_init(|| self.render(listener, events)).await?;
                    self.listener(listener, answers, deadline).await;
                    Ok(())
                })
                .await?;
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// Executes a listener's operation for events.
    async fn render(&self, listener: &Listener, events: &[Arc<RecordedEvent>]) -> Result<Vec<Answer>, RegistryError> {
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
    async fn listener(&self, listener: &Listener, answers: &[Answer], deadline: Timestamp) {
        // Nobody closes it.
        let _turn = self.posts.acquire().await.ok();
        for answer in answers.iter().filter(|answer| answer.version > listener.after) {
            if listener.expires_at.is_some_and(|end| end <= self.clock.now()) {
                let errors = self.renderer.errors(&Error::TokenExpired);
                return self.end(&listener.connection, &listener.id, errors, deadline).await;
            }
            match tell(self, &listener.connection, &listener.id, answer, deadline).await {
                Told::Yes => {}
                Told::Ended | Told::Gone => return,
            }
        }
    }

    /// Ends an operation with errors.
    pub(in crate::services) async fn end(
        &self,
        connection: &ConnectionId,
        id: &Arc<str>,
        errors: Bytes,
        deadline: Timestamp,
    ) {
        let released = self.registry.release(connection, id, None).await;
        if let Err(error) = released {
            tracing::warn!(%error, "an operation that ended is still listed");
        }
        let message = ServerMessage::Error(id.clone(), errors);
        // A client that is not reached finds out when it connects again.
        let _ = self.post(connection, message.into(), deadline).await;
    }

    /// Sends a message, again and again while there are too many at once.
    pub(in crate::services) async fn post(
        &self,
        connection: &ConnectionId,
        outgoing: Outgoing,
        deadline: Timestamp,
    ) -> Result<(), PostError> {
        let mut pause = PAUSE;
        loop {
            let outcome = self.poster.post(connection, outgoing.clone()).await;
            match outcome {
                Ok(()) => {
                    self.tally.delivered.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(PostError::Gone) => {
                    self.tally.gone.fetch_add(1, Ordering::Relaxed);
                    self.forget(connection).await;
                    return Err(PostError::Gone);
                }
                Err(PostError::Throttled) if after(self.clock.now(), pause) < deadline => {
                    self.tally.throttled.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(pause / 2 + jitter(pause / 2)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => {
                    self.tally.given_up.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    }

    /// Disconnects a client that would miss something.
    async fn drop_client(&self, connection: &ConnectionId, error: &PostError) {
        tracing::warn!(%error, %connection, "a client misses an update: it is disconnected");
        let close = Close { code: TRY_AGAIN, reason: "an update could not be sent".to_owned() };
        if let Err(error) = self.poster.close(connection, close).await {
            tracing::warn!(%error, %connection, "a client cannot be disconnected");
        }
        self.forget(connection).await;
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

/// Tells a client what is said of an event.
pub(in crate::services) async fn tell(
    teller: &Teller,
    connection: &ConnectionId,
    id: &Arc<str>,
    answer: &Answer,
    deadline: Timestamp,
) -> Told {
    let payload = match &answer.rendered {
        Rendered::Nothing => return Told::Yes,
        Rendered::Refused(errors) => {
            teller.end(connection, id, errors.clone(), deadline).await;
            return Told::Ended;
        }
        Rendered::Answer(payload) => payload.clone(),
    };
    let message = ServerMessage::Next(id.clone(), payload);
    if message.len_bound() > MAX_MESSAGE && message.to_text().len() > MAX_MESSAGE {
        let errors = teller.renderer.errors(&Error::AnswerTooLarge);
        teller.end(connection, id, errors, deadline).await;
        return Told::Ended;
    }
    match teller.post(connection, Outgoing { message, supersedes: answer.supersedes }, deadline).await {
        Ok(()) => Told::Yes,
        Err(PostError::Gone) => Told::Gone,
        // A newer one will come.
        Err(error) if answer.supersedes.is_some() => {
            tracing::debug!(%error, %connection, "a client is not told a price");
            Told::Yes
        }
        Err(error) => {
            teller.drop_client(connection, &error).await;
            Told::Gone
        }
    }
}
