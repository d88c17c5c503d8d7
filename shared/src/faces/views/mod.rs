//! What callers are shown, each made from what a service returns: one type for a thing, whatever face shows it. GraphQL reads
//! its fields, REST and MCP its JSON, and both say what that looks like by its JSON Schema.

pub(super) mod chains;
pub(super) mod context;
pub(super) mod lists;
pub(super) mod sent;
pub(super) mod swaps;

use std::borrow::Cow;

use async_graphql::{Enum, ID, SimpleObject, Union};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::graphql::key;
use crate::domain::emotion::{self, EmotionUpdated};
use crate::domain::event::RecordedEvent;
use crate::domain::price::Quote;
use crate::faces::error::ApiError;
use crate::services;
use crate::services::emotion::EmotionState as State;

/// A decimal number as text: exact.
struct DecimalText;

impl JsonSchema for DecimalText {
    fn schema_name() -> Cow<'static, str> {
        "Decimal".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?$" })
    }
}

/// Writes a time as GraphQL does.
fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339())
}

/// The same of a time that may be missing.
#[expect(clippy::ref_option, reason = "serde passes it so")]
fn optional_time<S: Serializer>(given: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match given {
        Some(given) => time(given, serializer),
        None => serializer.serialize_none(),
    }
}

/// The price of a coin in US dollars.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[graphql(directive = key::apply("coin".to_owned()))]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Price {
    /// CoinGecko's id of the coin, such as `bitcoin`.
    #[schemars(with = "String")]
    coin: ID,
    /// US dollars for one coin.
    #[schemars(with = "DecimalText")]
    usd: Decimal,
    /// Change over the last 24 hours, in percent.
    #[graphql(name = "change24h")]
    #[schemars(with = "Option<DecimalText>")]
    change24h: Option<Decimal>,
    /// In US dollars.
    #[schemars(with = "Option<DecimalText>")]
    market_cap: Option<Decimal>,
    /// When the source last saw the price change.
    #[serde(serialize_with = "time")]
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
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct PriceError {
    /// The coin, as asked.
    #[schemars(with = "String")]
    coin: ID,
    /// The error's code, such as `NOT_FOUND`.
    code: &'static str,
    /// A sentence for a person.
    message: String,
}

/// What came of a coin that was asked for: a price, or why there is none.
#[derive(Serialize, JsonSchema)]
pub(in crate::faces) struct PriceOutcome {
    /// The coin, as asked.
    coin: String,
    /// Its price.
    price: Option<Price>,
    /// Why there is none.
    error: Option<PriceError>,
}

impl From<(String, Result<services::prices::Price, services::Error>)> for PriceOutcome {
    fn from((coin, result): (String, Result<services::prices::Price, services::Error>)) -> Self {
        let (price, error) = match PriceResult::new(coin.clone(), result) {
            PriceResult::Price(price) => (Some(price), None),
            PriceResult::Error(error) => (None, Some(error)),
        };
        Self { coin, price, error }
    }
}

/// A price, or why there is none.
#[derive(Union)]
pub(in crate::faces) enum PriceResult {
    Price(Price),
    Error(PriceError),
}

impl PriceResult {
    pub(in crate::faces) fn new(coin: String, result: Result<services::prices::Price, services::Error>) -> Self {
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
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct PricePoint {
    /// US dollars for one coin.
    #[schemars(with = "DecimalText")]
    usd: Decimal,
    /// When the source saw it.
    #[serde(serialize_with = "time")]
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
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct PriceUpdate {
    /// The coin.
    #[schemars(with = "String")]
    coin: ID,
    /// US dollars for one coin.
    #[schemars(with = "DecimalText")]
    usd: Decimal,
    /// Change over the last 24 hours, in percent.
    #[graphql(name = "change24h")]
    #[schemars(with = "Option<DecimalText>")]
    change24h: Option<Decimal>,
    /// When the source saw it.
    #[serde(serialize_with = "time")]
    updated_at: DateTime<Utc>,
    /// Who quoted it.
    source: String,
    /// The version of the coin's price.
    version: i32,
    /// When it was recorded here.
    #[serde(serialize_with = "time")]
    occurred_at: DateTime<Utc>,
}

impl PriceUpdate {
    pub(in crate::faces) fn new(quote: Quote, event: &RecordedEvent) -> Self {
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
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Enum, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(remote = "emotion::Emotion")]
pub(in crate::faces) enum Emotion {
    Happy,
    Excited,
    Curious,
    Neutral,
    Worried,
    Scared,
    Frustrated,
}

/// How answers should be tuned to an emotion.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Modifiers {
    /// Factor on how sure the agent sounds.
    confidence: f64,
    /// Factor on the length of an answer.
    verbosity: f64,
    /// How long to hesitate, in milliseconds.
    delay_ms: i32,
}

/// A user's emotion at a version.
#[derive(Serialize, SimpleObject, JsonSchema)]
#[graphql(directive = key::apply("userId".to_owned()))]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct EmotionState {
    /// The user.
    #[schemars(with = "String")]
    user_id: ID,
    /// What the points amount to.
    emotion: Emotion,
    /// Between -100 and 100.
    points: i32,
    /// How often feedback was given.
    version: i32,
    /// When feedback was last given.
    #[serde(serialize_with = "time")]
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
#[derive(Serialize, SimpleObject, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct EmotionUpdate {
    /// The user.
    #[schemars(with = "String")]
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
    #[serde(serialize_with = "time")]
    occurred_at: DateTime<Utc>,
}

impl EmotionUpdate {
    pub(in crate::faces) fn new(user_id: ID, updated: &EmotionUpdated, event: &RecordedEvent) -> Self {
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
#[derive(Serialize, SimpleObject, JsonSchema)]
#[graphql(directive = key::apply("id".to_owned()))]
#[serde(rename_all = "camelCase")]
pub(in crate::faces) struct Memory {
    /// Its id.
    #[schemars(with = "String")]
    id: ID,
    /// Its text, as given.
    content: String,
    /// When it was added.
    #[serde(serialize_with = "time")]
    created_at: DateTime<Utc>,
}

impl From<services::memory::Memory> for Memory {
    fn from(memory: services::memory::Memory) -> Self {
        Self { id: memory.id.into(), content: memory.content, created_at: memory.created_at }
    }
}

/// What is no longer there.
#[derive(Serialize, JsonSchema)]
pub(in crate::faces) struct Deleted {
    /// Its id.
    id: String,
}

impl From<uuid::Uuid> for Deleted {
    fn from(id: uuid::Uuid) -> Self {
        Self { id: id.to_string() }
    }
}
