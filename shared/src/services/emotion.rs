//! A user's emotion: given feedback, and read from its stream every time.

use std::sync::Arc;

use super::{Call, Error};
use crate::domain::Aggregate;
use crate::domain::emotion::{Emotion, EmotionAggregate, EmotionEvent, FeedbackOutOfRange, GiveFeedback};
use crate::platform::clock::{Clock, Timestamp};
use crate::store::{EventStore, Repository};

/// The use cases of emotions.
pub struct Emotions {
    repository: Repository<EmotionAggregate>,
    clock: Arc<dyn Clock>,
}

/// A user's emotion at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmotionState {
    /// The user.
    pub user_id: String,
    /// What the points amount to.
    pub emotion: Emotion,
    /// Within `-100..=100`.
    pub points: i32,
    /// How often feedback was given.
    pub version: i32,
    /// When feedback was last given; the time of the answer before the first.
    pub updated_at: Timestamp,
}

impl Emotions {
    /// The use cases over `store`.
    pub fn new(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        Self { repository: Repository::new(store), clock }
    }

    /// The emotion of `user_id`.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, user_id: &str) -> Result<EmotionState, Error> {
        let current = self.repository.load(user_id).await?;
        Ok(EmotionState {
            user_id: user_id.to_owned(),
            emotion: current.state.emotion(),
            points: current.state.points,
            version: current.version,
            updated_at: current.state.updated_at.unwrap_or_else(|| self.clock.now()),
        })
    }

    /// Takes the caller's feedback: the emotion that follows. `place` tells this use from others in one request.
    ///
    /// # Errors
    /// [`Error::Invalid`] for feedback outside `-100..=100`; [`Error::Conflict`] under heavy concurrent use.
    pub async fn give_feedback(&self, call: &Call, place: &str, feedback: i32) -> Result<EmotionState, Error> {
        let user_id = call.user_id()?;
        let key = call.idempotency("updateEmotion", place, &feedback)?;
        let metadata = call.metadata(self.clock.now());
        let events = self.repository.execute(user_id, &GiveFeedback { feedback }, &metadata, key).await?;
        let event = events
            .last()
            .ok_or_else(|| Error::Internal(format!("feedback on {} led to no event", EmotionAggregate::TYPE)))?;
        let EmotionEvent::Updated(updated) = event.decode()?;
        Ok(EmotionState {
            user_id: user_id.to_owned(),
            emotion: updated.new_emotion,
            points: updated.points,
            version: event.event_version,
            updated_at: event.metadata.occurred_at,
        })
    }
}

impl From<FeedbackOutOfRange> for Error {
    fn from(error: FeedbackOutOfRange) -> Self {
        Self::Invalid(error.to_string())
    }
}
