//! What makes this a subgraph: a gateway that composes several schemas reads ours with `_service`, and asks for things
//! by their keys with `_entities`.
//! <https://www.apollographql.com/docs/graphos/schema-design/federated-schemas/reference/subgraph-spec>
//!
//! An entity is no way around its guards: admission lets its type through where it lets the root field through that
//! gives the same, and takes from that field's quota, once for all entities of a type that one `_entities` asks for.
//! Which of them are the caller's is decided here. What is not there is null, and so is a memory of somebody else's;
//! somebody else's emotion is refused. One that fails leaves the others alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use async_graphql::{Any, Context, Name, SimpleObject, Union, Value};
use futures_util::future::join3;
use futures_util::stream::{StreamExt, iter};
use uuid::Uuid;

use super::query::loader;
use super::{Services, call, services};
use crate::domain::coin::Coin;
use crate::faces::views::{EmotionState, Memory, Price};
use crate::platform::auth::Role;
use crate::services::emotion::EmotionState as Emotion;
use crate::services::{Call, Error};

/// The field that gives entities.
pub(super) const FIELD: &str = "_entities";
/// The most entities of one use of it: as many as there are prices in one `cryptoPrices`.
pub(super) const MAX: usize = crate::services::prices::MAX_COINS;
/// How many emotions are read at a time.
const AT_ONCE: usize = 8;

/// The root field that gives what entities of a type are.
pub(super) fn root_of(typename: &str) -> Option<&'static str> {
    match typename {
        "Price" => Some("cryptoPrices"),
        "EmotionState" => Some("emotion"),
        "Memory" => Some("memories"),
        _ => None,
    }
}

/// The type that a representation is of.
pub(super) fn typename(representation: &Value) -> Option<&str> {
    match member(representation, "__typename")? {
        Value::String(name) => Some(name),
        _ => None,
    }
}

/// The schema as a subgraph.
#[derive(Clone, Default)]
pub(super) struct SubgraphSdl(Arc<OnceLock<String>>);

impl SubgraphSdl {
    pub(super) fn set(&self, sdl: String) {
        // Once: whoever set it before set the same.
        let _ = self.0.set(sdl);
    }

    pub(super) fn service(&self) -> Service {
        Service { sdl: self.0.get().cloned() }
    }
}

/// This subgraph.
#[derive(SimpleObject)]
#[graphql(name = "_Service")]
pub(super) struct Service {
    /// Its schema, to be composed with others.
    sdl: Option<String>,
}

/// What has a key.
#[derive(Union)]
#[graphql(name = "_Entity")]
pub(super) enum Entity {
    Price(Price),
    EmotionState(EmotionState),
    Memory(Memory),
}

/// What a representation names.
enum Key {
    Price(Coin),
    EmotionState(String),
    Memory(Uuid),
}

impl Key {
    fn read(representation: &Value) -> Result<Self, Error> {
        let invalid = |problem: &str| Error::Invalid(problem.to_owned());
        let typename = typename(representation).ok_or_else(|| invalid("a representation needs a __typename"))?;
        let id = |name: &str| match member(representation, name) {
            Some(Value::String(id)) => Ok(id.clone()),
            Some(Value::Number(id)) => Ok(id.to_string()),
            _ => Err(Error::Invalid(format!("a representation of {typename} needs its key, {name}"))),
        };
        match typename {
            "Price" => {
                let coin = id("coin")?.parse();
                coin.map(Self::Price).map_err(|error: crate::domain::coin::InvalidCoin| invalid(&error.to_string()))
            }
            "EmotionState" => Ok(Self::EmotionState(id("userId")?)),
            "Memory" => id("id")?.parse().map(Self::Memory).map_err(|_| invalid("id is not the id of a memory")),
            _ => Err(invalid("a representation is of Price, EmotionState or Memory")),
        }
    }
}

fn member<'a>(representation: &'a Value, name: &str) -> Option<&'a Value> {
    match representation {
        Value::Object(members) => members.get(&Name::new(name)),
        _ => None,
    }
}

/// The entities that the representations stand for, in their order; those of a type are asked for together.
///
/// # Errors
/// Ours alone: what is wrong with one of them is told in its place.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    representations: &[Any],
) -> Result<Vec<Option<Result<Entity, Error>>>, Error> {
    let (call, services, loader) = (call(ctx)?, services(ctx)?, loader(ctx)?);
    let keys: Vec<_> = representations.iter().map(|Any(representation)| Key::read(representation)).collect();
    let (mut coins, mut users, mut ids) = (vec![], BTreeSet::new(), vec![]);
    for key in keys.iter().flatten() {
        match key {
            Key::Price(coin) => coins.push(coin.clone()),
            Key::EmotionState(user) => _ = users.insert(user.clone()),
            Key::Memory(id) => ids.push(*id),
        }
    }
    let prices = async { if coins.is_empty() { HashMap::new() } else { loader.load_each(&coins).await } };
    let emotions: Vec<_> = users.into_iter().map(|user| emotion_of(services, call, user)).collect();
    let emotions = iter(emotions).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let memories = async {
        if ids.is_empty() { Ok(HashMap::new()) } else { services.memories.get_each(call.user_id()?, &ids).await }
    };
    let (prices, emotions, memories) = join3(prices, emotions, memories).await;
    let emotions: HashMap<_, _> = emotions.into_iter().collect();
    let entity = |key: &Key| match key {
        Key::Price(coin) => match prices.get(coin).cloned()? {
            Err(Error::UnknownCoins(_)) => None,
            outcome => Some(outcome.map(|price| Entity::Price(price.into()))),
        },
        Key::EmotionState(user) => {
            let outcome = emotions.get(user).cloned()?;
            Some(outcome.map(|emotion| Entity::EmotionState(emotion.into())))
        }
        Key::Memory(id) => match &memories {
            Ok(memories) => Some(Ok(Entity::Memory(memories.get(id).cloned()?.into()))),
            Err(error) => Some(Err(error.clone())),
        },
    };
    Ok(keys.iter().map(|key| key.as_ref().map_or_else(|error| Some(Err(error.clone())), entity)).collect())
}

async fn emotion_of(services: &Services, call: &Call, user: String) -> (String, Result<Emotion, Error>) {
    let emotion = match &call.principal {
        None => Err(Error::Unauthenticated),
        Some(caller) if caller.user_id != user && caller.role != Role::Admin => {
            Err(Error::Forbidden("another user's emotion needs the role ADMIN".to_owned()))
        }
        Some(_) => services.emotions.of(&user).await,
    };
    (user, emotion)
}
