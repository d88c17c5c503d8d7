//! `Subscription`: what a client can listen to, and what it is told.

use async_graphql::{Context, ID, Subscription};
use chrono::{DateTime, Utc};
use futures_util::Stream;

use super::chain_events::ChainEventUpdate;
use super::directives::{Role, auth};
use super::occasion::told;
use super::query::parse;
use super::services;
use super::types::{EmotionUpdate, PriceUpdate};
use crate::domain::emotion::{EmotionAggregate, EmotionEvent};
use crate::domain::price::{PriceAggregate, PriceEvent};
use crate::domain::{Aggregate, StreamId};
use crate::services::Error;
use crate::services::prices::Prices;
use crate::services::subscriptions::{Since as Known, Topics};

/// What can be listened to.
pub(super) struct Subscription;

/// What a subscriber knows already: it is first told what came after that. Pass it as a variable, so that all who ask the
/// same are served as one.
#[derive(async_graphql::OneofObject)]
pub(super) enum Since {
    /// Every update up to this version.
    Version(i32),
    /// Every update that had occurred by this time.
    Time(DateTime<Utc>),
}

impl From<Since> for Known {
    fn from(since: Since) -> Self {
        match since {
            Since::Version(version) => Self::Version(version),
            Since::Time(time) => Self::Time(time),
        }
    }
}

#[expect(clippy::unused_async, reason = "the macro asks for it")]
#[Subscription]
impl Subscription {
    /// Changes of coins' prices. A client that is slow, or was away, is told the newest price of each coin; never an older
    /// one after a newer one.
    #[graphql(directive = auth::apply(Role::User))]
    async fn price_updates(
        &self,
        ctx: &Context<'_>,
        coins: Vec<String>,
        since: Option<Since>,
    ) -> Result<impl Stream<Item = PriceUpdate> + use<>, Error> {
        let topics = || {
            let coins = parse(&coins)?;
            Prices::check(&coins)?;
            let mut streams: Vec<_> =
                coins.iter().map(|coin| StreamId::of(PriceAggregate::TYPE, coin.as_str())).collect();
            streams.sort_unstable();
            streams.dedup();
            if streams.len() > 1 && matches!(since, Some(Since::Version(_))) {
                let message = "since.version is of one coin: with several, pass since.time";
                return Err(Error::Invalid(message.to_owned()));
            }
            Ok(Topics { streams, since: since.map(Known::from) })
        };
        told(ctx, topics, |event| {
            let PriceEvent::Updated(quote) = event.decode().ok()?;
            Some(PriceUpdate::new(quote, event))
        })
    }

    /// Every change of a user's emotion.
    #[graphql(directive = auth::apply(Role::Admin))]
    async fn emotion_changes(
        &self,
        ctx: &Context<'_>,
        user_id: ID,
        since: Option<Since>,
    ) -> Result<impl Stream<Item = EmotionUpdate> + use<>, Error> {
        let topics = || {
            let streams = vec![StreamId::of(EmotionAggregate::TYPE, &user_id)];
            Ok(Topics { streams, since: since.map(Known::from) })
        };
        told(ctx, topics, |event| {
            let EmotionEvent::Updated(updated) = event.decode().ok()?;
            Some(EmotionUpdate::new(user_id.clone(), &updated, event))
        })
    }

    /// What happens on a chain, as far as the filter of that name lets it through. What was observed may be retracted: its
    /// block is no longer on the chain.
    #[graphql(directive = auth::apply(Role::User))]
    async fn chain_events(
        &self,
        ctx: &Context<'_>,
        chain: String,
        filter: String,
        since: Option<Since>,
    ) -> Result<impl Stream<Item = ChainEventUpdate> + use<>, Error> {
        let topics = || {
            let streams = vec![services(ctx)?.chains.watched(&chain, &filter)?];
            Ok(Topics { streams, since: since.map(Known::from) })
        };
        told(ctx, topics, |event| ChainEventUpdate::new(event.decode().ok()?, event))
    }
}
