//! What a subscriber missed, from the store, before it is told what is new.
//!
//! Nothing is left out between the two, and nothing comes twice or in the wrong order: a topic is read from the store until
//! nothing newer is there, and its subscriber listens from the version after that on. The registry refuses that where the
//! fan-out has begun a newer version meanwhile, which may have passed by; then the store is read once more.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::{Opened, Since, Subscriptions};
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::clock::{Timestamp, after};
use crate::push::Slot;
use crate::services::Error;
use crate::services::fan_out::{Answer, Told, is_told, only_newest};
use crate::store::StreamPosition;

/// The most updates of one topic that are told after the fact, and how many are read at once.
const MOST: usize = 1000;
const AT_ONCE: u32 = 100;
/// How long a message is tried.
const TRYING: Duration = Duration::from_secs(3);
/// By how much the clocks of those who record events may differ: so much is told again, so that nothing is left out.
const SKEW: TimeDelta = TimeDelta::seconds(1);
/// How many topics are looked through at once.
const TOPICS: usize = 8;
/// How long, and how often, the store is looked at again for what the fan-out has already.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: usize = 50;

impl Subscriptions {
    /// Tells a subscriber what it missed, and has it listen from there. Nothing is done for others.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it missed too much; the store's and the registry's.
    pub async fn tell_missed(&self, opened: &Opened) -> Result<(), Error> {
        let (Some(topics), Some(subscription)) = (&opened.topics, &opened.slot.subscription) else { return Ok(()) };
        let Some(since) = topics.since else { return Ok(()) };
        let operation = self.teller.registry.operation(&subscription.operation).await?;
        let operation = operation.ok_or_else(|| Error::Internal("the operation was not kept".to_owned()))?;
        stream::iter(&topics.streams)
            .map(Ok)
            .try_for_each_concurrent(TOPICS, |topic| {
                let missed = Missed { subscriptions: self, slot: &opened.slot, operation: &operation, topic };
                async move { missed.tell(since).await }
            })
            .await
    }
}

/// One topic of a subscriber.
struct Missed<'a> {
    subscriptions: &'a Subscriptions,
    slot: &'a Slot,
    operation: &'a crate::push::Operation,
    topic: &'a StreamId,
}

impl Missed<'_> {
    async fn tell(&self, since: Since) -> Result<(), Error> {
        let (mut known, mut told, mut waited) = (self.known(since).await?, 0, 0);
        loop {
            let events = self.after(known).await?;
            let Some(last) = events.last() else {
                let registry = &self.subscriptions.teller.registry;
                if registry.listen(self.slot, self.topic.aggregate_id, known).await? || !self.is_open().await? {
                    return Ok(());
                }
                // The fan-out is ahead of what was read: the store has it, or will in a moment.
                waited += 1;
                if waited > PATIENCE {
                    return Err(Error::Unavailable { service: "database".to_owned(), retry_after: None });
                }
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            };
            known = last.event_version;
            if !self.is_open().await? {
                return Ok(());
            }
            for event in events.into_iter().filter(|event| !self.knows(event, since)) {
                // What cannot be read, nobody was told.
                if !is_told(&event).unwrap_or(false) {
                    continue;
                }
                told += 1;
                if told > MOST {
                    return Err(Error::Invalid(format!("more than {MOST} updates were missed: subscribe anew")));
                }
                if self.tell_of(event).await? != Told::Yes {
                    return Ok(());
                }
            }
        }
    }

    /// Whether the subscriber knows an event though its version is new to it: of prices, where no version was looked for.
    fn knows(&self, event: &RecordedEvent, since: Since) -> bool {
        let Since::Time(time) = since else { return false };
        only_newest(self.topic) && event.metadata.occurred_at <= time - SKEW
    }

    /// The version up to which a subscriber knows all.
    async fn known(&self, since: Since) -> Result<i32, Error> {
        match since {
            Since::Version(version) => Ok(version.max(0)),
            Since::Time(_) if only_newest(self.topic) => Ok(0),
            Since::Time(time) => self.version_at(time - SKEW).await,
        }
    }

    /// The last version that was recorded up to that time: found by halves, as times follow versions, about.
    async fn version_at(&self, time: Timestamp) -> Result<i32, Error> {
        let head = self.subscriptions.events.head(self.topic).await?;
        let (mut known, mut newer) = (0, head.map_or(0, |head| head.version) + 1);
        while newer - known > 1 {
            let middle = known + (newer - known) / 2;
            let event = self.read(middle - 1, 1).await?;
            if event.first().is_some_and(|event| event.metadata.occurred_at <= time) {
                known = middle;
            } else {
                newer = middle;
            }
        }
        Ok(known)
    }

    /// The next events above a version; of prices only the newest.
    async fn after(&self, known: i32) -> Result<Vec<RecordedEvent>, Error> {
        if !only_newest(self.topic) {
            return self.read(known, AT_ONCE).await;
        }
        let mut last = self.subscriptions.events.last_events(std::slice::from_ref(self.topic)).await?;
        last.retain(|event| event.event_version > known);
        Ok(last)
    }

    async fn read(&self, after: i32, limit: u32) -> Result<Vec<RecordedEvent>, Error> {
        let position = StreamPosition { aggregate_id: self.topic.aggregate_id, after };
        Ok(self.subscriptions.events.read_streams(&[position], limit).await?)
    }

    async fn tell_of(&self, event: RecordedEvent) -> Result<Told, Error> {
        let teller = &self.subscriptions.teller;
        let role = self.slot.subscription.as_ref().and_then(|subscription| subscription.role);
        let event = std::sync::Arc::new(event);
        let answer = Answer::new(&event, teller.renderer.render(self.operation, role, &event).await);
        let deadline = after(self.subscriptions.clock.now(), TRYING);
        teller.tell(&self.slot.connection, &self.slot.id, &answer, deadline).await
    }

    async fn is_open(&self) -> Result<bool, Error> {
        let open = self.subscriptions.teller.registry.open(&self.slot.connection).await?;
        Ok(open.contains(&self.slot.id))
    }
}
