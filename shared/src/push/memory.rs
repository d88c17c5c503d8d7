//! Who is connected to this process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::ready;
use uuid::Uuid;

use super::{
    Begun, Claimed, Connection, ConnectionId, Due, Initialised, Listener, Listeners, MAX_OPEN, Operation,
    OperationHash, Registry, RegistryError, Slot,
};
use crate::platform::BoxFuture;
use crate::platform::auth::Principal;
use crate::platform::clock::{Clock, Timestamp};

/// How many listeners a page has.
const PAGE: usize = 1000;

/// The registry of one process.
pub struct MemoryRegistry {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: HashMap<ConnectionId, Connected>,
    operations: HashMap<OperationHash, (Arc<Operation>, Timestamp)>,
    topics: HashMap<Uuid, Topic>,
    due: BTreeSet<Due>,
}

struct Connected {
    connection: Connection,
    slots: HashMap<Arc<str>, Slot>,
    completed: HashMap<Arc<str>, Timestamp>,
}

#[derive(Default)]
struct Topic {
    begun: i32,
    finished: i32,
    /// With the end of each.
    listeners: BTreeMap<(ConnectionId, Arc<str>), (Arc<Listener>, Timestamp)>,
}

impl MemoryRegistry {
    /// One without connections.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The connection of that name, unless its time is over.
    fn connected(&mut self, id: &ConnectionId, now: Timestamp) -> Option<&mut Connected> {
        self.connections.get_mut(id).filter(|connected| connected.connection.ends_at > now)
    }

    fn claim(&mut self, slot: &Slot, now: Timestamp) -> Claimed {
        let Some(connected) = self.connected(&slot.connection, now) else { return Claimed::Unknown };
        if connected.completed.remove(&slot.id).is_some_and(|until| until > now) {
            return Claimed::Completed;
        }
        // Their rows are over with them, and skipped.
        connected.slots.retain(|_, slot| slot.ends_at > now);
        if connected.slots.contains_key(&slot.id) {
            return Claimed::Taken;
        }
        if connected.slots.len() >= MAX_OPEN as usize {
            return Claimed::Full;
        }
        connected.slots.insert(slot.id.clone(), slot.clone());
        if let Some(subscription) = &slot.subscription {
            for topic in &subscription.topics {
                // From the first of its listeners on, a topic is known.
                let topic = self.topics.entry(*topic).or_default();
                if subscription.live {
                    topic.add(slot, 0);
                }
            }
        }
        Claimed::Open
    }

    fn listen(&mut self, slot: &Slot, topic: Uuid, after: i32, now: Timestamp) -> bool {
        let open = self.connected(&slot.connection, now).and_then(|connected| connected.slots.get(&slot.id));
        let open = open.is_some_and(|slot| slot.ends_at > now);
        let Some(topic) = self.topics.get_mut(&topic).filter(|topic| open && topic.begun <= after) else {
            return false;
        };
        topic.add(slot, after);
        true
    }

    fn release(&mut self, connection: &ConnectionId, id: &str, until: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(connected) = self.connections.get_mut(connection) else { return false };
        match (connected.slots.remove(id).filter(|slot| slot.ends_at > now), until) {
            (Some(slot), _) => {
                self.forget(&slot);
                true
            }
            (None, Some(until)) => {
                connected.completed.insert(id.into(), until);
                false
            }
            (None, None) => false,
        }
    }

    fn disconnect(&mut self, id: &ConnectionId) {
        let Some(connected) = self.connections.remove(id) else { return };
        for slot in connected.slots.values() {
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: &Slot) {
        let key = (slot.connection.clone(), slot.id.clone());
        for topic in slot.subscription.iter().flat_map(|subscription| &subscription.topics) {
            if let Some(topic) = self.topics.get_mut(topic) {
                topic.listeners.remove(&key);
            }
        }
    }
}

impl Topic {
    fn add(&mut self, slot: &Slot, after: i32) {
        if let Some(listener) = slot.listener(after) {
            self.listeners.insert((slot.connection.clone(), slot.id.clone()), (Arc::new(listener), slot.ends_at));
        }
    }
}

impl Registry for MemoryRegistry {
    fn connect<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), RegistryError>> {
        let connected = Connected { connection: connection.clone(), slots: HashMap::new(), completed: HashMap::new() };
        self.state().connections.entry(connection.id.clone()).or_insert(connected);
        ready(Ok(())).boxed()
    }

    fn connection<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<Option<Connection>, RegistryError>> {
        let connection = self.state().connected(id, self.clock.now()).map(|connected| connected.connection.clone());
        ready(Ok(connection)).boxed()
    }

    fn initialise<'a>(
        &'a self,
        id: &'a ConnectionId,
        principal: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Initialised, RegistryError>> {
        let done = match self.state().connected(id, self.clock.now()) {
            None => Initialised::Unknown,
            Some(Connected { connection, .. }) if connection.initialised => Initialised::Before,
            Some(Connected { connection, .. }) => {
                connection.initialised = true;
                connection.principal = principal.cloned();
                Initialised::Now
            }
        };
        ready(Ok(done)).boxed()
    }

    fn disconnect<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<(), RegistryError>> {
        self.state().disconnect(id);
        ready(Ok(())).boxed()
    }

    fn claim<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Claimed, RegistryError>> {
        ready(Ok(self.state().claim(slot, self.clock.now()))).boxed()
    }

    fn listen<'a>(&'a self, slot: &'a Slot, topic: Uuid, after: i32) -> BoxFuture<'a, Result<bool, RegistryError>> {
        ready(Ok(self.state().listen(slot, topic, after, self.clock.now()))).boxed()
    }

    fn release<'a>(
        &'a self,
        connection: &'a ConnectionId,
        id: &'a str,
        remember_until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<bool, RegistryError>> {
        ready(Ok(self.state().release(connection, id, remember_until, self.clock.now()))).boxed()
    }

    fn open<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<Vec<Arc<str>>, RegistryError>> {
        let state = self.state();
        let now = self.clock.now();
        let slots = state.connections.get(connection).into_iter().flat_map(|connected| connected.slots.values());
        let open = slots.filter(|slot| slot.ends_at > now).map(|slot| slot.id.clone()).collect();
        ready(Ok(open)).boxed()
    }

    fn keep_operation<'a>(
        &'a self,
        operation: &'a Operation,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<OperationHash, RegistryError>> {
        let hash = operation.hash();
        let State { operations, .. } = &mut *self.state();
        // Half of the time it is larger than it was needs a look at all of it.
        if operations.len() == operations.capacity() {
            let now = self.clock.now();
            operations.retain(|_, (_, until)| *until > now);
        }
        let kept = operations.entry(hash.clone()).or_insert_with(|| (Arc::new(operation.clone()), until));
        kept.1 = kept.1.max(until);
        ready(Ok(hash)).boxed()
    }

    fn operation<'a>(
        &'a self,
        hash: &'a OperationHash,
    ) -> BoxFuture<'a, Result<Option<Arc<Operation>>, RegistryError>> {
        let (state, now) = (self.state(), self.clock.now());
        let kept = state.operations.get(hash).filter(|(_, until)| *until > now);
        ready(Ok(kept.map(|(operation, _)| operation.clone()))).boxed()
    }

    fn begin(&self, topic: Uuid, version: i32, newest: bool) -> BoxFuture<'_, Result<Option<Begun>, RegistryError>> {
        let mut state = self.state();
        let topic = state.topics.get_mut(&topic);
        let begun = topic.filter(|topic| topic.finished < version && !(newest && topic.begun > version)).map(|topic| {
            // What is told again makes nobody forget that a newer one was begun.
            topic.begun = topic.begun.max(version);
            Begun { finished: topic.finished, shards: 1 }
        });
        ready(Ok(begun)).boxed()
    }

    fn finish(&self, topic: Uuid, version: i32, _: u64) -> BoxFuture<'_, Result<(), RegistryError>> {
        if let Some(topic) = self.state().topics.get_mut(&topic) {
            topic.finished = topic.finished.max(version);
        }
        ready(Ok(())).boxed()
    }

    fn listeners<'a>(
        &'a self,
        topic: Uuid,
        _: u32,
        from: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listeners, RegistryError>> {
        let state = self.state();
        let Some(topic) = state.topics.get(&topic) else { return ready(Ok(Listeners::default())).boxed() };
        // A page ends at a listener. With the length of its connection's name, as both names may hold anything.
        let from = from.and_then(|from| from.split_once(' '));
        let from = from.and_then(|(length, names)| names.split_at_checked(length.parse().ok()?));
        let from = from
            .map_or(Bound::Unbounded, |(connection, id)| Bound::Excluded((ConnectionId::new(connection), id.into())));
        let page: Vec<_> = topic.listeners.range((from, Bound::Unbounded)).take(PAGE).collect();
        let next = page.last().filter(|_| page.len() == PAGE);
        let next = next.map(|((connection, id), _)| format!("{} {connection}{id}", connection.as_str().len()));
        let now = self.clock.now();
        let listeners = page.into_iter().filter(|(_, (_, ends_at))| *ends_at > now);
        let listeners = listeners.map(|(_, (listener, _))| listener.clone()).collect();
        ready(Ok(Listeners { listeners, next })).boxed()
    }

    fn look_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>> {
        self.state().due.insert(due.clone());
        ready(Ok(())).boxed()
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, RegistryError>> {
        let due = self.state().due.iter().take_while(|due| due.at <= now).take(limit).cloned().collect();
        ready(Ok(due)).boxed()
    }

    fn looked_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>> {
        self.state().due.remove(due);
        ready(Ok(())).boxed()
    }
}
