//! The schema's types, each made from what a service returns.

use async_graphql::{ID, SimpleObject, Union};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::directives::key;
use crate::domain::emotion::{self, EmotionUpdated};
use crate::domain::event::RecordedEvent;
use crate::domain::price::Quote;
use crate::faces::error::ApiError;
use crate::services;
use crate::services::emotion::EmotionState as State;

/// The price of a coin in US dollars.
#[derive(SimpleObject)]
#[graphql(directive = key::apply("coin".to_owned()))]
pub(super) struct Price {
    /// CoinGecko's id of the coin, such as `bitcoin`.
    coin: ID,
    /// US dollars for one coin.
    usd: Decimal,
    /// Change over the last 24 hours, in percent.
    #[graphql(name = "change24h")]
    change24h: Option<Decimal>,
    /// In US dollars.
    market_cap: Option<Decimal>,
    /// When the source last saw the price change.
    updated_at: DateTime<Utc>,
    /// Who quoted it.
    source: String,
    /// Whether no source answered and this is the last good value.
    stale: bool,
}

impl From<services::prices::Price> for Price {
    fn from(services::prices::Price { quote, stale }: services::prices::Price) -> Self {
        Self {
            coin: ID(quote.coin.into()),
            usd: quote.usd,
            change24h: quote.change24h,
            market_cap: quote.market_cap,
            updated_at: quote.updated_at,
            source: quote.source,
            stale,
        }
    }
}

/// Why there is no price for a coin.
#[derive(SimpleObject)]
pub(super) struct PriceError {
    /// The coin, as asked.
    coin: ID,
    /// The error's code, such as `NOT_FOUND`.
    code: &'static str,
    /// A sentence for a person.
    message: String,
}

/// A price, or why there is none.
#[derive(Union)]
pub(super) enum PriceResult {
    Price(Price),
    Error(PriceError),
}

impl PriceResult {
    pub(super) fn new(coin: String, result: Result<services::prices::Price, services::Error>) -> Self {
        match result {
            Ok(price) => Self::Price(price.into()),
            Err(error) => {
                let error = ApiError::from(&error);
                Self::Error(PriceError { coin: ID(coin), code: error.code.as_str(), message: error.message })
            }
        }
    }
}

/// A price at a time.
#[derive(SimpleObject)]
pub(super) struct PricePoint {
    /// US dollars for one coin.
    usd: Decimal,
    /// When the source saw it.
    at: DateTime<Utc>,
    /// Who quoted it.
    source: String,
}

impl From<crate::store::PricePoint> for PricePoint {
    fn from(point: crate::store::PricePoint) -> Self {
        Self { usd: point.usd, at: point.at, source: point.source }
    }
}

/// A price that changed.
#[derive(SimpleObject)]
pub(super) struct PriceUpdate {
    /// The coin.
    coin: ID,
    /// US dollars for one coin.
    usd: Decimal,
    /// Change over the last 24 hours, in percent.
    #[graphql(name = "change24h")]
    change24h: Option<Decimal>,
    /// When the source saw it.
    updated_at: DateTime<Utc>,
    /// Who quoted it.
    source: String,
    /// The version of the coin's price.
    version: i32,
    /// When it was recorded here.
    occurred_at: DateTime<Utc>,
}

impl PriceUpdate {
    pub(super) fn new(quote: Quote, event: &RecordedEvent) -> Self {
        Self {
            version: event.event_version,
            occurred_at: event.metadata.occurred_at,
            coin: ID(quote.coin.into()),
            usd: quote.usd,
            change24h: quote.change24h,
            updated_at: quote.updated_at,
            source: quote.source,
        }
    }
}

/// How a user's agent feels.
#[derive(Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "emotion::Emotion")]
pub(super) enum Emotion {
    Happy,
    Excited,
    Curious,
    Neutral,
    Worried,
    Scared,
    Frustrated,
}

/// How answers should be tuned to an emotion.
#[derive(SimpleObject)]
pub(super) struct Modifiers {
    /// Factor on how sure the agent sounds.
    confidence: f64,
    /// Factor on the length of an answer.
    verbosity: f64,
    /// How long to hesitate, in milliseconds.
    delay_ms: i32,
}

/// A user's emotion at a version.
#[derive(SimpleObject)]
#[graphql(directive = key::apply("userId".to_owned()))]
pub(super) struct EmotionState {
    /// The user.
    user_id: ID,
    /// What the points amount to.
    emotion: Emotion,
    /// Between -100 and 100.
    points: i32,
    /// How often feedback was given.
    version: i32,
    /// When feedback was last given.
    updated_at: DateTime<Utc>,
    /// How answers should be tuned.
    modifiers: Modifiers,
}

impl From<State> for EmotionState {
    fn from(state: State) -> Self {
        let emotion::Modifiers { confidence, verbosity, delay_ms } = state.emotion.modifiers();
        Self {
            user_id: ID(state.user_id),
            emotion: state.emotion.into(),
            points: state.points,
            version: state.version,
            updated_at: state.updated_at,
            modifiers: Modifiers { confidence, verbosity, delay_ms },
        }
    }
}

/// A change of a user's emotion.
#[derive(SimpleObject)]
pub(super) struct EmotionUpdate {
    /// The user.
    user_id: ID,
    /// The emotion before.
    old_emotion: Emotion,
    /// The emotion after.
    new_emotion: Emotion,
    /// The points after.
    points: i32,
    /// The feedback that was given.
    feedback: i32,
    /// The version after.
    version: i32,
    /// When it happened.
    occurred_at: DateTime<Utc>,
}

impl EmotionUpdate {
    pub(super) fn new(user_id: ID, updated: &EmotionUpdated, event: &RecordedEvent) -> Self {
        Self {
            user_id,
            old_emotion: updated.old_emotion.into(),
            new_emotion: updated.new_emotion.into(),
            points: updated.points,
            feedback: updated.feedback,
            version: event.event_version,
            occurred_at: event.metadata.occurred_at,
        }
    }
}

/// Something that the caller's agent remembers.
#[derive(SimpleObject)]
#[graphql(directive = key::apply("id".to_owned()))]
pub(super) struct Memory {
    /// Its id.
    id: ID,
    /// Its text, as given.
    content: String,
    /// When it was added.
    created_at: DateTime<Utc>,
}

impl From<services::memory::Memory> for Memory {
    fn from(memory: services::memory::Memory) -> Self {
        Self { id: memory.id.into(), content: memory.content, created_at: memory.created_at }
    }
}
