//! `Subscription`: what a client can listen to, and what it is told. A client that was away passes what it knows beside the
//! operation, as its extension `since`.

use async_graphql::{Context, ID, Subscription};
use futures_util::Stream;

use super::chain_events::ChainEventUpdate;
use super::directives::{Role, auth};
use super::occasion::told;
use super::query::parse;
use super::services;
use crate::domain::emotion::{EmotionAggregate, EmotionEvent};
use crate::domain::price::{PriceAggregate, PriceEvent};
use crate::domain::{Aggregate, StreamId};
use crate::faces::views::{EmotionUpdate, PriceUpdate};
use crate::services::Error;
use crate::services::prices::Prices;

/// What can be listened to.
pub(super) struct Subscription;

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
    ) -> Result<impl Stream<Item = PriceUpdate> + use<>, Error> {
        let topics = || {
            let coins = parse(&coins)?;
            Prices::check(&coins)?;
            let mut streams: Vec<_> =
                coins.iter().map(|coin| StreamId::of(PriceAggregate::TYPE, coin.as_str())).collect();
            streams.sort_unstable();
            streams.dedup();
            Ok(streams)
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
    ) -> Result<impl Stream<Item = EmotionUpdate> + use<>, Error> {
        let topics = || Ok(vec![StreamId::of(EmotionAggregate::TYPE, &user_id)]);
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
    ) -> Result<impl Stream<Item = ChainEventUpdate> + use<>, Error> {
        let topics = || Ok(vec![services(ctx)?.chains.watched(&chain, &filter)?]);
        told(ctx, topics, |event| ChainEventUpdate::new(event.decode().ok()?, event))
    }
}
