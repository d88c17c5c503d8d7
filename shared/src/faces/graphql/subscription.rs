//! `Subscription`: what is announced in this process, filtered for one listener.

use std::future::ready;
use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, StreamExt};

use super::chain_events::ChainEventUpdate;
use super::directives::{Role, auth};
use super::query::parse;
use super::services;
use super::types::{EmotionUpdate, PriceUpdate};
use crate::domain::emotion::{EmotionAggregate, EmotionEvent};
use crate::domain::price::{PriceAggregate, PriceEvent};
use crate::domain::watch::WatchAggregate;
use crate::domain::{Aggregate, DomainEvent, RecordedEvent, StreamId};
use crate::services::Error;
use crate::services::prices::Prices;

/// What can be listened to.
pub(super) struct Subscription;

#[expect(clippy::unused_async, reason = "the macro asks for it")]
#[Subscription]
impl Subscription {
    /// Every change of a coin's price, from now on.
    #[graphql(directive = auth::apply(Role::User))]
    async fn price_updates(
        &self,
        ctx: &Context<'_>,
        coins: Vec<String>,
    ) -> Result<impl Stream<Item = PriceUpdate> + use<>, Error> {
        let coins = parse(&coins)?;
        Prices::check(&coins)?;
        Ok(services(ctx)?.feed.listen().filter_map(move |event| {
            let update = decode(PriceAggregate::TYPE, &event)
                .and_then(|PriceEvent::Updated(quote)| coins.contains(&quote.coin).then(|| PriceUpdate::from(quote)));
            ready(update)
        }))
    }

    /// Every change of a user's emotion, from now on.
    #[graphql(directive = auth::apply(Role::Admin))]
    async fn emotion_changes(
        &self,
        ctx: &Context<'_>,
        user_id: ID,
    ) -> Result<impl Stream<Item = EmotionUpdate> + use<>, Error> {
        let stream = StreamId::of(EmotionAggregate::TYPE, &user_id);
        Ok(services(ctx)?.feed.listen().filter_map(move |event| {
            let update = (event.stream == stream)
                .then(|| decode(EmotionAggregate::TYPE, &event))
                .flatten()
                .map(|EmotionEvent::Updated(updated)| EmotionUpdate::new(user_id.clone(), &updated, &event));
            ready(update)
        }))
    }

    /// What happens on a chain, as far as the filter of that name lets it through, from now on. What was observed may be
    /// retracted: its block is no longer on the chain.
    #[graphql(directive = auth::apply(Role::User))]
    async fn chain_events(
        &self,
        ctx: &Context<'_>,
        chain: String,
        filter: String,
    ) -> Result<impl Stream<Item = ChainEventUpdate> + use<>, Error> {
        let services = services(ctx)?;
        let stream = services.chains.watched(&chain, &filter)?;
        Ok(services.feed.listen().filter_map(move |event| {
            let update = (event.stream == stream).then(|| decode(WatchAggregate::TYPE, &event)).flatten();
            ready(update.and_then(ChainEventUpdate::new))
        }))
    }
}

/// The event, if it is of this kind. One that cannot be read was just written by this very code.
fn decode<E: DomainEvent>(kind: &str, event: &Arc<RecordedEvent>) -> Option<E> {
    (event.stream.aggregate_type == kind).then(|| event.decode().ok()).flatten()
}
