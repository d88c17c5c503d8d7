//! `Mutation`: each field hands one command to a service. An `Idempotency-Key` covers each field of a request by
//! itself: its response path is part of the key.

use async_graphql::{Context, ID, Object};

use super::directives::{Role, auth, rateLimit};
use super::{call, services};
use crate::faces::views::sent::SentTransaction;
use crate::faces::views::{EmotionState, Memory};
use crate::services::Error;
use crate::services::memory::Memories;

/// What can be changed.
pub(super) struct Mutation;

#[Object]
impl Mutation {
    /// Tells the caller's agent how its last answer was: from -100 to 100.
    #[graphql(directive = auth::apply(Role::User))]
    async fn update_emotion(&self, ctx: &Context<'_>, feedback: i32) -> Result<EmotionState, Error> {
        Ok(services(ctx)?.emotions.give_feedback(call(ctx)?, &place(ctx), feedback).await?.into())
    }

    /// Makes the caller's agent remember something: up to 10,000 characters.
    #[graphql(directive = auth::apply(Role::User))]
    async fn add_memory(&self, ctx: &Context<'_>, content: String) -> Result<Memory, Error> {
        Ok(services(ctx)?.memories.add(call(ctx)?, &place(ctx), content).await?.into())
    }

    /// Makes the caller's agent forget a memory; answers with its id.
    #[graphql(directive = auth::apply(Role::User))]
    async fn delete_memory(&self, ctx: &Context<'_>, id: ID) -> Result<ID, Error> {
        let id = Memories::id(&id)?;
        Ok(services(ctx)?.memories.delete(call(ctx)?, &place(ctx), id).await?.into())
    }

    /// Hands a signed transaction to a chain: hexadecimal (EVM) or base64 (Solana). To hand one in again is safe: it is
    /// known by its hash.
    #[graphql(directive = auth::apply(Role::User), directive = rateLimit::apply(10, 60))]
    async fn send_transaction(
        &self,
        ctx: &Context<'_>,
        chain: String,
        signed: String,
    ) -> Result<SentTransaction, Error> {
        Ok(services(ctx)?.transactions.send(call(ctx)?, &chain, &signed).await?.into())
    }
}

/// Which field of which of the request's operations.
fn place(ctx: &Context<'_>) -> String {
    let operation = call(ctx).map_or(0, |call| call.place);
    let path = ctx.path_node.map(|node| node.to_string_vec().join("/")).unwrap_or_default();
    format!("{operation}/{path}")
}
