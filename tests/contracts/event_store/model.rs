//! The store beside a Vec that does the same: long random sequences of operations, each compared at once.
//!
//! A failure prints the shortest sequence that still fails. `MODEL_SEED` (printed at the start) repeats a run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mcp_core::domain::{RecordedEvent, StreamId};
use mcp_core::store::{Append, Cursor, Expected, Head, Page, ReadOrder, Snapshot, Store, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::contracts::Fixture;
use crate::contracts::build::{a_stream, as_promised, events, given, idempotency_key, keyed, part, tail, together};

const STREAMS: usize = 4;

#[test]
fn sqlite_follows_the_model() {
    follow(24, 100, Fixture::sqlite);
}

#[test]
fn postgres_follows_the_model() {
    follow(6, 100, Fixture::postgres);
}

#[test]
fn dynamodb_follows_the_model() {
    follow(4, 100, Fixture::dynamodb);
}

#[derive(Debug, Clone)]
enum Operation {
    /// Parts (a stream, how far the expected version is off or `None` for any, how many events), a key and what for.
    Append(Vec<(usize, Option<i32>, usize)>, Option<(u8, u8)>),
    Load(usize, Option<i32>),
    SaveSnapshot(usize, i32, i32),
    ReadOn(u32),
    AskKey(u8, u8),
    Head(usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    // Mostly the right version, sometimes a stale or a future one.
    let expected = prop_oneof![3 => Just(Some(0)), 1 => Just(None), 1 => (-2..=2_i32).prop_map(Some)];
    let parts = prop::collection::vec((0..STREAMS, expected, 1..4_usize), 1..STREAMS);
    let key = prop::option::weighted(0.3, (0..6_u8, prop_oneof![5 => Just(0_u8), 1 => Just(1)]));
    prop_oneof![
        6 => (parts, key).prop_map(|(parts, key)| Operation::Append(parts, key)),
        2 => (0..STREAMS, prop::option::of(1..3)).prop_map(|(stream, schema)| Operation::Load(stream, schema)),
        1 => (0..STREAMS, 1..8, 1..3).prop_map(|(stream, back, schema)| Operation::SaveSnapshot(stream, back, schema)),
        2 => (1..9_u32).prop_map(Operation::ReadOn),
        1 => (0..6_u8, 0..2_u8).prop_map(|(key, what)| Operation::AskKey(key, what)),
        1 => (0..STREAMS).prop_map(Operation::Head),
    ]
}

fn follow<F: Future<Output = Fixture>>(cases: u32, length: usize, fixture: impl Fn() -> F) {
    let seed = std::env::var("MODEL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 =
        seed.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, Uuid::now_v7().as_bytes()).as_u64_pair().0);
    println!("MODEL_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let runtime = Runtime::new().unwrap();
    let sequences = prop::collection::vec(operation(), length / 2..length);
    let checked = runner.run(&sequences, |operations| {
        runtime.block_on(async {
            let fixture = fixture().await;
            let mut model = Model::new(fixture);
            for operation in &operations {
                model.compare(operation).await?;
            }
            model.read_to_the_end().await
        })
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

struct Model {
    fixture: Fixture,
    store: Arc<dyn Store>,
    streams: Vec<StreamId>,
    log: Vec<RecordedEvent>,
    keys: HashMap<u8, (u8, Vec<RecordedEvent>)>,
    snapshots: HashMap<(usize, i32), Snapshot>,
    cursor: Option<Cursor>,
    read: usize,
    pass: HashSet<Uuid>,
}

impl Model {
    fn new(fixture: Fixture) -> Self {
        let store = fixture.store.clone();
        let streams = (0..STREAMS).map(|_| a_stream()).collect();
        let (log, keys, snapshots) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { fixture, store, streams, log, keys, snapshots, cursor: None, read: 0, pass: HashSet::new() }
    }

    fn of(&self, stream: usize) -> impl Iterator<Item = &RecordedEvent> {
        self.log.iter().filter(move |event| event.stream == self.streams[stream])
    }

    fn version(&self, stream: usize) -> i32 {
        i32::try_from(self.of(stream).count()).unwrap()
    }

    async fn compare(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Append(parts, key) => self.compare_append(parts, *key).await?,
            Operation::Load(stream, schema) => {
                let loaded = self.store.load(&self.streams[*stream], *schema).await.unwrap();
                let snapshot = schema.and_then(|schema| self.snapshots.get(&(*stream, schema)));
                let after = snapshot.map_or(0, |snapshot| usize::try_from(snapshot.version).unwrap());
                prop_assert_eq!(loaded.snapshot.as_ref(), snapshot);
                prop_assert_eq!(loaded.events, self.of(*stream).skip(after).cloned().collect::<Vec<_>>());
            }
            Operation::SaveSnapshot(stream, back, schema) => {
                let version = (self.version(*stream) - back).max(0);
                let snapshot = Snapshot { version, schema_version: *schema, state: json!([version]) };
                self.store.save_snapshot(&self.streams[*stream], &snapshot).await.unwrap();
                let kept = self.snapshots.entry((*stream, *schema)).or_insert_with(|| snapshot.clone());
                if kept.version < version {
                    *kept = snapshot;
                }
            }
            Operation::ReadOn(limit) => {
                // Other tests on the server may hold the newest events back, so fewer may come, never others.
                let page = self.store.read_all(self.cursor.as_ref(), *limit).await.unwrap();
                if self.store.order() == ReadOrder::PerStream {
                    return self.compare_pass(page);
                }
                let wanted = &self.log[self.read..][..page.events.len()];
                prop_assert_eq!(&page.events, wanted);
                self.read += page.events.len();
                self.cursor = page.next;
            }
            Operation::AskKey(key, what) => {
                let asked = self.store.appended_under(&model_key(*key, *what)).await;
                match self.keys.get(key) {
                    None => prop_assert_eq!(asked.unwrap(), None),
                    Some((first, events)) if first == what => prop_assert_eq!(&asked.unwrap().unwrap().events, events),
                    Some(_) => prop_assert!(matches!(asked, Err(StoreError::KeyReused))),
                }
            }
            Operation::Head(stream) => {
                let version = self.version(*stream);
                let wanted = (version > 0).then_some(Head { version, published_version: 0, lease_until: None });
                prop_assert_eq!(self.store.head(&self.streams[*stream]).await.unwrap(), wanted);
            }
        }
        Ok(())
    }

    /// Each event at most once in a pass. When it has ended, another begins.
    fn compare_pass(&mut self, page: Page) -> Result<(), TestCaseError> {
        for event in &page.events {
            prop_assert!(self.log.contains(event));
            prop_assert!(self.pass.insert(event.id), "twice in a pass");
        }
        self.cursor = page.next.filter(|_| !page.events.is_empty());
        if self.cursor.is_none() {
            self.pass.clear();
        }
        Ok(())
    }

    async fn compare_append(
        &mut self,
        parts: &[(usize, Option<i32>, usize)],
        key: Option<(u8, u8)>,
    ) -> Result<(), TestCaseError> {
        let append = self.build(parts, key);
        let result = self.store.append(&append).await;
        if append.check().is_err() {
            prop_assert!(matches!(result, Err(StoreError::Invalid(_))), "{:?}", result);
            return Ok(());
        }
        let known = key.and_then(|(key, what)| self.keys.get(&key).map(|(first, events)| (*first == what, events)));
        match known {
            Some((false, _)) => {
                prop_assert!(matches!(result, Err(StoreError::KeyReused)), "{:?}", result);
                return Ok(());
            }
            Some((true, events)) => {
                let again = result.unwrap();
                prop_assert!(again.replayed);
                prop_assert_eq!(&again.events, events);
                return Ok(());
            }
            None => {}
        }
        let stale = append.streams.iter().zip(parts).find_map(|(wanted, (stream, ..))| match wanted.expected {
            Expected::Exact(expected) if expected != self.version(*stream) => {
                Some((self.streams[*stream].clone(), expected, self.version(*stream)))
            }
            _ => None,
        });
        if let Some(wanted) = stale {
            let Err(StoreError::Conflict { stream, expected, actual }) = result else {
                return Err(TestCaseError::fail(format!("expected a conflict, not {result:?}")));
            };
            prop_assert_eq!((stream, expected, actual), wanted);
            return Ok(());
        }
        let mut wanted = Vec::new();
        for (part, (stream, ..)) in append.streams.iter().zip(parts) {
            for (event, event_version) in part.events.iter().zip(self.version(*stream) + 1..) {
                wanted.push(RecordedEvent {
                    id: event.id,
                    stream: part.stream.clone(),
                    event_version,
                    event_type: event.event_type.clone(),
                    schema_version: event.schema_version,
                    data: event.data.clone(),
                    metadata: append.metadata.clone(),
                });
            }
        }
        let appended = result.unwrap();
        prop_assert!(!appended.replayed);
        prop_assert_eq!(&appended.events, &wanted);
        if let Some((key, what)) = key {
            self.keys.insert(key, (what, wanted.clone()));
        }
        self.log.extend(wanted);
        Ok(())
    }

    /// A part names a stream twice now and then: that is refused.
    fn build(&self, parts: &[(usize, Option<i32>, usize)], key: Option<(u8, u8)>) -> Append {
        let streams = parts.iter().map(|&(stream, off, count)| {
            let expected = off.map_or(Expected::Any, |off| Expected::Exact(self.version(stream) + off));
            part(&self.streams[stream], expected, events(count))
        });
        let append = together(streams.collect());
        match key {
            Some((key, what)) => keyed(append, &model_key(key, what).key, &model_key(key, what).fingerprint),
            None => append,
        }
    }

    async fn read_to_the_end(&mut self) -> Result<(), TestCaseError> {
        let store = self.store.clone();
        if store.order() == ReadOrder::Global {
            let rest = tail(&self.fixture, &mut self.cursor, self.log.len() - self.read).await;
            prop_assert_eq!(&rest, &self.log[self.read..]);
        }
        // A new reader sees it all, and one more event after the end.
        let last = given(self.store.as_ref(), &self.streams[0], 1).await;
        self.log.extend(last.events);
        let everything = tail(&self.fixture, &mut None, self.log.len()).await;
        prop_assert_eq!(as_promised(&*store, everything), as_promised(&*store, self.log.clone()));
        Ok(())
    }
}

fn model_key(key: u8, what: u8) -> mcp_core::store::IdempotencyKey {
    idempotency_key(&format!("k{key}"), &format!("f{what}"))
}
