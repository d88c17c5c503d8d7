//! Clients, events and answers for the tests of who tells them.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use futures_util::FutureExt;
use futures_util::future::ready;
use serde_json::{Value, json};

use super::{FanOut, Rendered, Renderer, Teller};
use crate::bus::event_message::to_message;
use crate::bus::{Message, Record, Topics as BusTopics};
use crate::domain::emotion::{Emotion, EmotionEvent, EmotionUpdated};
use crate::domain::price::{PriceEvent, Quote};
use crate::domain::{Metadata, NewEvent, RecordedEvent, StreamId};
use crate::platform::BoxFuture;
use crate::platform::auth::{Principal, Role};
use crate::platform::clock::{Clock, ManualClock, Timestamp};
use crate::push::memory::MemoryRegistry;
use crate::push::{
    Claimed, Close, Connection, ConnectionId, Operation, Outgoing, PostError, Poster, Registry, ServerMessage,
};
use crate::services::Error;
use crate::services::consume::{Handler, Outcome};
use crate::services::fake_store::FakeStore;
use crate::services::subscriptions::{Opened, Request, Since, Subscriptions, Topics};

pub(in crate::services) fn at(seconds: i64) -> Timestamp {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// Tokio's time, from the beginning of 1970 on.
struct TokioClock(tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        at(0) + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

/// What clients were sent, and how it goes wrong.
#[derive(Default)]
pub(in crate::services) struct FakePoster {
    sent: Mutex<Vec<(ConnectionId, ServerMessage)>>,
    closed: Mutex<Vec<(ConnectionId, u16)>>,
    faults: Mutex<HashMap<ConnectionId, VecDeque<PostError>>>,
    overtakes: bool,
    /// How many attempts to close fail.
    unclosed: AtomicUsize,
}

impl FakePoster {
    /// One for which frames of a connection may overtake each other, or not.
    pub(in crate::services) fn that_overtakes(overtakes: bool) -> Self {
        Self { overtakes, ..Self::default() }
    }
}

impl Poster for FakePoster {
    fn post<'a>(&'a self, to: &'a ConnectionId, outgoing: Outgoing) -> BoxFuture<'a, Result<(), PostError>> {
        let fault = self.faults.lock().unwrap().get_mut(to).and_then(VecDeque::pop_front);
        let outcome = fault.map_or(Ok(()), Err);
        if outcome.is_ok() {
            self.sent.lock().unwrap().push((to.clone(), outgoing.message));
        }
        ready(outcome).boxed()
    }

    fn close<'a>(&'a self, connection: &'a ConnectionId, close: Close) -> BoxFuture<'a, Result<(), PostError>> {
        let failed = self.unclosed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if failed {
            return ready(Err(PostError::Throttled)).boxed();
        }
        self.closed.lock().unwrap().push((connection.clone(), close.code));
        ready(Ok(())).boxed()
    }

    fn keeps_order(&self) -> bool {
        !self.overtakes
    }
}

/// Says the version of an event. The query `admin` is refused to others, `silent` says nothing, `long` too much.
#[derive(Default)]
pub(in crate::services) struct FakeRenderer {
    pub(in crate::services) executed: AtomicUsize,
}

impl Renderer for FakeRenderer {
    fn render<'a>(
        &'a self,
        operation: &'a Operation,
        role: Option<Role>,
        event: &'a Arc<RecordedEvent>,
    ) -> BoxFuture<'a, Rendered> {
        self.executed.fetch_add(1, Ordering::SeqCst);
        let said = match operation.query.as_str() {
            "admin" if role != Some(Role::Admin) => Rendered::Refused(Bytes::from_static(b"\"FORBIDDEN\"")),
            "silent" => Rendered::Nothing,
            "long" => Rendered::Answer(format!("\"{}\"", "x".repeat(128 * 1024)).into()),
            _ => Rendered::Answer(event.event_version.to_string().into()),
        };
        ready(said).boxed()
    }

    fn errors(&self, error: &Error) -> Bytes {
        json!(error.to_string()).to_string().into()
    }
}

/// A fan-out with its clients.
pub(in crate::services) struct Fixture {
    pub(in crate::services) clock: ManualClock,
    time: Arc<dyn Clock>,
    pub(in crate::services) poster: Arc<FakePoster>,
    pub(in crate::services) renderer: Arc<FakeRenderer>,
    pub(in crate::services) store: Arc<FakeStore>,
    pub(in crate::services) subscriptions: Subscriptions,
}

impl Fixture {
    pub(in crate::services) fn new() -> Self {
        Self::with(FakePoster::default())
    }

    /// One whose time passes as Tokio's does, which a test can pause.
    pub(in crate::services) fn ticking() -> Self {
        let clock = ManualClock::at(at(0));
        Self::at(clock, Arc::new(TokioClock(tokio::time::Instant::now())), FakePoster::default())
    }

    pub(in crate::services) fn with(poster: FakePoster) -> Self {
        let clock = ManualClock::at(at(0));
        Self::at(clock.clone(), Arc::new(clock), poster)
    }

    fn at(clock: ManualClock, time: Arc<dyn Clock>, poster: FakePoster) -> Self {
        let poster = Arc::new(poster);
        let (renderer, store) = (Arc::<FakeRenderer>::default(), Arc::<FakeStore>::default());
        let registry = Arc::new(MemoryRegistry::new(time.clone()));
        let teller = Arc::new(Teller::new(registry, poster.clone(), renderer.clone(), time.clone()));
        let (events, life) = (store.clone(), Duration::from_secs(7200));
        let subscriptions = Subscriptions { teller, events, clock: time.clone(), life };
        Self { clock, time, poster, renderer, store, subscriptions }
    }

    pub(in crate::services) fn now(&self) -> Timestamp {
        self.time.now()
    }

    pub(in crate::services) fn registry(&self) -> &dyn Registry {
        self.subscriptions.teller.registry.as_ref()
    }

    /// A client that has introduced itself.
    pub(in crate::services) async fn client(
        &self,
        name: &str,
        role: Role,
        expires_at: Option<Timestamp>,
    ) -> Connection {
        let id = ConnectionId::new(name);
        let principal = Principal { user_id: name.to_owned(), role, expires_at };
        self.subscriptions.connect(&id, None, IpAddr::V4(Ipv4Addr::LOCALHOST)).await.unwrap();
        let connection = self.subscriptions.connection(&id).await.unwrap().unwrap();
        self.subscriptions.initialise(&connection, Some(&principal)).await.unwrap();
        self.subscriptions.connection(&id).await.unwrap().unwrap()
    }

    /// Opens a subscription, and tells what was missed.
    pub(in crate::services) async fn subscribe(&self, client: &Connection, query: &str, topics: &[StreamId]) -> Opened {
        self.subscribe_since(client, query, topics, None).await.unwrap()
    }

    pub(in crate::services) async fn subscribe_since(
        &self,
        client: &Connection,
        query: &str,
        topics: &[StreamId],
        since: Option<Since>,
    ) -> Result<Opened, Error> {
        let operation = Operation { query: query.to_owned(), operation_name: None, variables: serde_json::Map::new() };
        let topics = Topics { streams: topics.to_vec(), since };
        let request = Request { id: "1".into(), subscription: Some((operation, topics)) };
        let (claimed, opened) = self.subscriptions.open(client, request).await?;
        assert_eq!(claimed, Claimed::Open);
        self.subscriptions.tell_missed(&opened).await?;
        Ok(opened)
    }

    /// Hands a batch to the fan-out.
    pub(in crate::services) async fn batch(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        self.records(&events.iter().map(record).collect::<Vec<_>>()).await
    }

    pub(in crate::services) async fn records(&self, records: &[Record]) -> Vec<Outcome> {
        FanOut { teller: self.subscriptions.teller.clone() }.handle(records).await
    }

    pub(in crate::services) fn fails(&self, name: &str, faults: impl IntoIterator<Item = PostError>) {
        self.poster.faults.lock().unwrap().insert(ConnectionId::new(name), faults.into_iter().collect());
    }

    /// So many attempts to end a connection fail.
    pub(in crate::services) fn cannot_close(&self, attempts: usize) {
        self.poster.unclosed.store(attempts, Ordering::SeqCst);
    }

    /// What a client was sent: versions, and what errors said.
    pub(in crate::services) fn heard(&self, name: &str) -> Vec<Value> {
        let sent = self.poster.sent.lock().unwrap();
        let own = sent.iter().filter(|(to, _)| to.as_str() == name).map(|(_, message)| match message {
            ServerMessage::Next(_, payload) | ServerMessage::Error(_, payload) => {
                serde_json::from_slice(payload).unwrap()
            }
            other => json!(format!("{other:?}")),
        });
        own.collect()
    }

    pub(in crate::services) fn closed(&self) -> Vec<(String, u16)> {
        self.poster.closed.lock().unwrap().iter().map(|(id, code)| (id.to_string(), *code)).collect()
    }
}

pub(in crate::services) fn bitcoin() -> StreamId {
    StreamId::of("price", "bitcoin")
}

pub(in crate::services) fn ada() -> StreamId {
    StreamId::of("emotion", "ada")
}

/// A change of the price of bitcoin, ten seconds a version.
pub(in crate::services) fn price(version: i32) -> RecordedEvent {
    let quote = Quote {
        coin: "bitcoin".parse().unwrap(),
        usd: version.into(),
        change24h: None,
        market_cap: None,
        updated_at: at(version.into()),
        source: "test".to_owned(),
    };
    recorded(bitcoin(), version, &NewEvent::from_domain(&PriceEvent::Updated(quote)).unwrap())
}

/// A change of Ada's emotion.
pub(in crate::services) fn emotion(version: i32) -> RecordedEvent {
    let (old_emotion, new_emotion) = (Emotion::Curious, Emotion::Happy);
    let updated = EmotionUpdated { old_emotion, new_emotion, points: 1, feedback: 1 };
    recorded(ada(), version, &NewEvent::from_domain(&EmotionEvent::Updated(updated)).unwrap())
}

fn recorded(stream: StreamId, version: i32, event: &NewEvent) -> RecordedEvent {
    RecordedEvent {
        id: event.id,
        stream,
        event_version: version,
        event_type: event.event_type.clone(),
        schema_version: event.schema_version,
        data: event.data.clone(),
        metadata: Metadata::of_schedule("test", at(i64::from(version) * 10)),
    }
}

pub(in crate::services) fn record(event: &RecordedEvent) -> Record {
    let Message { topic, key, value, headers } = to_message(event, &BusTopics::default()).unwrap();
    Record { topic, partition: 0, offset: event.event_version.into(), timestamp: None, key, value, headers }
}
