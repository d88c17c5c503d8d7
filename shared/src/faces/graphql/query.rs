//! `Query`: each field reads its arguments and asks a service.

use async_graphql::{Any, Context, Object};
use chrono::{DateTime, Utc};

use super::connection::Connection;
use super::directives::{Role, auth, cacheControl, rateLimit};
use super::entities::{self, Entity, Service, SubgraphSdl};
use super::loader::PriceLoader;
use super::mcp::MCPContext;
use super::{call, note_incomplete, services};
use crate::domain::coin::Coin;
use crate::faces::operations::find_tools;
use crate::faces::views::chains::{Balance, Chain, ChainTransaction, FeeEstimate, TransactionInput};
use crate::faces::views::swaps::{SwapInput, SwapQuote};
use crate::faces::views::{EmotionState, Memory, Price, PricePoint, PriceResult};
use crate::services::Error;
use crate::services::memory::MemoryFilter;
use crate::services::prices::{HistoryFilter, Prices};

/// What can be asked.
pub(super) struct Query;

#[Object]
impl Query {
    /// What an agent needs to know: tools, personas, the market, and the caller's own emotion and memories.
    #[graphql(directive = cacheControl::apply(300))]
    async fn mcp(&self, ctx: &Context<'_>, tool: Option<String>) -> Result<MCPContext, Error> {
        let tools = find_tools(services(ctx)?, tool.as_deref()).await?;
        let context = services(ctx)?.context.get().await;
        if !context.complete {
            note_incomplete(ctx);
        }
        Ok(MCPContext { tools, context })
    }

    /// Prices in the order asked, all or nothing: an unknown coin is `NOT_FOUND` with `extensions.coins`.
    #[graphql(directive = rateLimit::apply(100, 60))]
    async fn crypto_prices(&self, ctx: &Context<'_>, coins: Vec<String>) -> Result<Vec<Price>, Error> {
        let coins = parse(&coins)?;
        let prices = loader(ctx)?.load(&coins).await?;
        if prices.iter().any(|price| price.stale) {
            note_incomplete(ctx);
        }
        Ok(prices.into_iter().map(Price::from).collect())
    }

    /// Prices in the order asked, each with its own outcome.
    #[graphql(directive = rateLimit::apply(100, 60))]
    async fn price_results(&self, ctx: &Context<'_>, coins: Vec<String>) -> Result<Vec<PriceResult>, Error> {
        Prices::check_number(coins.len())?;
        let known: Vec<_> = coins.iter().filter_map(|coin| Prices::coin(coin).ok()).collect();
        let outcomes = Prices::outcomes(&coins, &loader(ctx)?.load_each(&known).await);
        if outcomes.iter().any(|outcome| outcome.as_ref().map_or(true, |price| price.stale)) {
            note_incomplete(ctx);
        }
        Ok(coins.into_iter().zip(outcomes).map(|(asked, outcome)| PriceResult::new(asked, outcome)).collect())
    }

    /// Past prices of a coin that the poller follows, newest first. `first` is at most 1000.
    #[graphql(directive = rateLimit::apply(100, 60))]
    async fn price_history(
        &self,
        ctx: &Context<'_>,
        coin: String,
        #[graphql(default = 100)] first: i32,
        after: Option<String>,
        from: Option<DateTime<Utc>>,
        to: Option<DateTime<Utc>>,
    ) -> Result<Connection<PricePoint>, Error> {
        let coin = Prices::coin(&coin)?;
        let page = services(ctx)?.prices.history(&HistoryFilter { coin, from, to, first, after }).await?;
        Ok(Connection::new(page))
    }

    /// The best of all quotes for a swap. Everybody who knows the chain is asked at once.
    #[graphql(directive = auth::apply(Role::User), directive = rateLimit::apply(60, 60))]
    async fn defi_swap_quote(&self, ctx: &Context<'_>, input: SwapInput) -> Result<SwapQuote, Error> {
        Ok(services(ctx)?.quotes.quote(&input.into()).await?.into())
    }

    /// The chains that can be asked.
    #[expect(clippy::unused_async, reason = "a resolver is async")]
    async fn chains(&self, ctx: &Context<'_>) -> Result<Vec<Chain>, Error> {
        Ok(services(ctx)?.chains.all().map(|(chain, filters)| Chain::new(chain, filters)).collect())
    }

    /// What an address has of a token, or of the chain's own coin.
    #[graphql(directive = rateLimit::apply(100, 60))]
    async fn balance(
        &self,
        ctx: &Context<'_>,
        chain: String,
        address: String,
        token: Option<String>,
    ) -> Result<Balance, Error> {
        Ok(services(ctx)?.chains.balance(&chain, &address, token.as_deref()).await?.into())
    }

    /// What became of a transaction, as the chain's nodes tell it.
    #[graphql(directive = rateLimit::apply(100, 60))]
    async fn transaction(&self, ctx: &Context<'_>, chain: String, hash: String) -> Result<ChainTransaction, Error> {
        let (chain, transaction) = services(ctx)?.chains.transaction(&chain, &hash).await?;
        Ok(ChainTransaction::new(&chain, transaction))
    }

    /// What a transaction would cost, at three speeds.
    #[graphql(directive = rateLimit::apply(100, 60))]
    async fn estimate_fee(
        &self,
        ctx: &Context<'_>,
        chain: String,
        transaction: TransactionInput,
    ) -> Result<FeeEstimate, Error> {
        Ok(services(ctx)?.chains.estimate_fee(&chain, &transaction.into()).await?.into())
    }

    /// The caller's emotion.
    #[graphql(directive = auth::apply(Role::User))]
    async fn emotion(&self, ctx: &Context<'_>) -> Result<EmotionState, Error> {
        Ok(services(ctx)?.emotions.of(call(ctx)?.user_id()?).await?.into())
    }

    /// This schema as a subgraph of a federated one.
    #[graphql(name = "_service")]
    #[expect(clippy::unused_async, reason = "a resolver is async")]
    async fn service(&self, ctx: &Context<'_>) -> Result<Service, Error> {
        ctx.data::<SubgraphSdl>().map(SubgraphSdl::service).map_err(|error| Error::Internal(error.message))
    }

    /// Things by their keys, 250 at most: each needs, and takes from the limits, what the field does that gives the same.
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        representations: Vec<Any>,
    ) -> Result<Vec<Option<Result<Entity, Error>>>, Error> {
        entities::resolve(ctx, &representations).await
    }

    /// The caller's memories, newest first; with `search`, those that hold every one of its words. `first` is at
    /// most 100.
    #[graphql(directive = auth::apply(Role::User))]
    async fn memories(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
        search: Option<String>,
    ) -> Result<Connection<Memory>, Error> {
        let filter = MemoryFilter { first, after, search };
        Ok(Connection::new(services(ctx)?.memories.list(call(ctx)?.user_id()?, &filter).await?))
    }
}

pub(super) fn parse(coins: &[String]) -> Result<Vec<Coin>, Error> {
    coins.iter().map(|coin| Prices::coin(coin)).collect()
}

pub(super) fn loader<'a>(ctx: &'a Context<'_>) -> Result<&'a PriceLoader, Error> {
    ctx.data::<PriceLoader>().map_err(|_| Error::Internal("the request has no price loader".to_owned()))
}
