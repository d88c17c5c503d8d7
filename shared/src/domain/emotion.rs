//! How a user's agent feels: points that feedback moves, and the emotion and response modifiers that follow from them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::aggregate::{Aggregate, DomainEvent};
use crate::platform::clock::Timestamp;

/// Points and feedback both stay within `-BOUND..=BOUND`.
pub const BOUND: i32 = 100;

/// What the points amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Emotion {
    Happy,
    Excited,
    Curious,
    Neutral,
    Worried,
    Scared,
    Frustrated,
}

/// How an answer should be tuned to an emotion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Modifiers {
    /// Factor on how sure the agent sounds.
    pub confidence: f64,
    /// Factor on the length of an answer.
    pub verbosity: f64,
    /// How long to hesitate before answering, in milliseconds.
    pub delay_ms: i32,
}

impl Emotion {
    /// The emotion at a number of points.
    pub fn at(points: i32) -> Self {
        match points {
            51.. => Self::Happy,
            21.. => Self::Excited,
            -9.. => Self::Curious,
            -19.. => Self::Neutral,
            -39.. => Self::Worried,
            -59.. => Self::Scared,
            _ => Self::Frustrated,
        }
    }

    /// Its name, as in events and read models.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Happy => "HAPPY",
            Self::Excited => "EXCITED",
            Self::Curious => "CURIOUS",
            Self::Neutral => "NEUTRAL",
            Self::Worried => "WORRIED",
            Self::Scared => "SCARED",
            Self::Frustrated => "FRUSTRATED",
        }
    }

    /// The modifiers that go with the emotion.
    pub fn modifiers(self) -> Modifiers {
        let (confidence, verbosity, delay_ms) = match self {
            Self::Happy => (1.2, 1.1, 0),
            Self::Excited => (1.1, 1.2, 0),
            Self::Curious | Self::Neutral => (1.0, 1.0, 0),
            Self::Worried => (0.9, 0.9, 250),
            Self::Scared => (0.6, 0.7, 1000),
            Self::Frustrated => (0.8, 0.9, 500),
        };
        Modifiers { confidence, verbosity, delay_ms }
    }
}

/// A user's emotion stream, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmotionAggregate {
    /// Within `-100..=100`; 0 at first.
    pub points: i32,
    /// When the last feedback was given; `None` before the first.
    pub updated_at: Option<Timestamp>,
}

impl EmotionAggregate {
    /// The emotion that the points amount to.
    pub fn emotion(&self) -> Emotion {
        Emotion::at(self.points)
    }
}

/// Feedback on the agent's last answer.
#[derive(Debug, Clone, Copy)]
pub struct GiveFeedback {
    /// Within `-100..=100`.
    pub feedback: i32,
}

/// Not the name of an emotion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no emotion")]
pub struct UnknownEmotion(String);

impl FromStr for Emotion {
    type Err = UnknownEmotion;

    fn from_str(name: &str) -> Result<Self, UnknownEmotion> {
        serde_json::from_value(name.into()).map_err(|_| UnknownEmotion(name.to_owned()))
    }
}

/// What happens in an emotion stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmotionEvent {
    /// Feedback moved the points.
    Updated(EmotionUpdated),
}

/// The payload of `EmotionUpdated`, schema version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmotionUpdated {
    /// The emotion before.
    pub old_emotion: Emotion,
    /// The emotion after.
    pub new_emotion: Emotion,
    /// The points after.
    pub points: i32,
    /// The feedback that was given.
    pub feedback: i32,
}

/// Feedback outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("feedback must be between -100 and 100, not {0}")]
pub struct FeedbackOutOfRange(pub i32);

impl Aggregate for EmotionAggregate {
    const TYPE: &'static str = "emotion";
    const SNAPSHOT_SCHEMA: i32 = 1;
    type Command = GiveFeedback;
    type Event = EmotionEvent;
    type Error = FeedbackOutOfRange;

    fn decide(&self, &GiveFeedback { feedback }: &GiveFeedback) -> Result<Vec<EmotionEvent>, FeedbackOutOfRange> {
        if !(-BOUND..=BOUND).contains(&feedback) {
            return Err(FeedbackOutOfRange(feedback));
        }
        let points = (self.points + feedback).clamp(-BOUND, BOUND);
        Ok(vec![EmotionEvent::Updated(EmotionUpdated {
            old_emotion: self.emotion(),
            new_emotion: Emotion::at(points),
            points,
            feedback,
        })])
    }

    fn apply(&mut self, EmotionEvent::Updated(updated): &EmotionEvent, occurred_at: Timestamp) {
        self.points = updated.points;
        self.updated_at = Some(occurred_at);
    }
}

impl DomainEvent for EmotionEvent {
    fn event_type(&self) -> &'static str {
        "EmotionUpdated"
    }

    fn schema_version_of(event_type: &str) -> Option<i32> {
        (event_type == "EmotionUpdated").then_some(1)
    }

    fn to_value(&self) -> Result<Value, serde_json::Error> {
        let Self::Updated(updated) = self;
        serde_json::to_value(updated)
    }

    fn from_current(_event_type: &str, data: &Value) -> Result<Self, serde_json::Error> {
        EmotionUpdated::deserialize(data).map(Self::Updated)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::testing::{given, replay};

    fn updated(old_emotion: Emotion, new_emotion: Emotion, points: i32, feedback: i32) -> EmotionEvent {
        EmotionEvent::Updated(EmotionUpdated { old_emotion, new_emotion, points, feedback })
    }

    #[test]
    fn a_new_user_is_curious_at_zero_points() {
        assert_eq!(EmotionAggregate::default().emotion(), Emotion::Curious);
    }

    #[test]
    fn feedback_moves_the_points() {
        given::<EmotionAggregate>(&[]).when(&GiveFeedback { feedback: 30 }).then(&[updated(
            Emotion::Curious,
            Emotion::Excited,
            30,
            30,
        )]);
    }

    #[test]
    fn points_stop_at_the_bound() {
        given::<EmotionAggregate>(&[updated(Emotion::Curious, Emotion::Happy, 90, 90)])
            .when(&GiveFeedback { feedback: 50 })
            .then(&[updated(Emotion::Happy, Emotion::Happy, 100, 50)]);
    }

    #[test]
    fn feedback_out_of_range_is_refused() {
        for feedback in [-101, 101, i32::MIN, i32::MAX] {
            given::<EmotionAggregate>(&[]).when(&GiveFeedback { feedback }).then_refused(&FeedbackOutOfRange(feedback));
        }
    }

    #[test]
    fn each_threshold_belongs_to_the_lower_emotion() {
        let table = [
            (100, Emotion::Happy),
            (51, Emotion::Happy),
            (50, Emotion::Excited),
            (21, Emotion::Excited),
            (20, Emotion::Curious),
            (-9, Emotion::Curious),
            (-10, Emotion::Neutral),
            (-19, Emotion::Neutral),
            (-20, Emotion::Worried),
            (-39, Emotion::Worried),
            (-40, Emotion::Scared),
            (-59, Emotion::Scared),
            (-60, Emotion::Frustrated),
            (-100, Emotion::Frustrated),
        ];
        for (points, emotion) in table {
            assert_eq!(Emotion::at(points), emotion, "{points} points");
        }
    }

    #[test]
    fn a_name_is_read_back() {
        for points in -100..=100 {
            let emotion = Emotion::at(points);
            assert_eq!(emotion.as_str().parse(), Ok(emotion));
        }
        assert!("BORED".parse::<Emotion>().is_err());
    }

    proptest! {
        #[test]
        fn points_stay_within_bounds_and_replay_gives_the_same_state(feedback in prop::collection::vec(-150..150, 0..60)) {
            let mut state = EmotionAggregate::default();
            let mut history = Vec::new();
            for feedback in feedback {
                let Ok(events) = state.decide(&GiveFeedback { feedback }) else { continue };
                replay(&mut state, &events);
                history.extend(events);
                prop_assert!((-BOUND..=BOUND).contains(&state.points));
            }
            let mut replayed = EmotionAggregate::default();
            replay(&mut replayed, &history);
            prop_assert_eq!(replayed, state);
        }
    }
}
