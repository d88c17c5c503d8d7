//! Chains, and what is on them.

use std::sync::Arc;

use http::StatusCode;

use super::input::{Draft, Hash, Nothing, Owner, Signed};
use super::{About, Answer, Operation, mutation, query};
use crate::faces::graphql::Services;
use crate::faces::views::chains::{Balance, Chain, ChainTransaction, FeeEstimate};
use crate::faces::views::lists::Items;
use crate::faces::views::sent::SentTransaction;
use crate::services::{Call, Error};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            query(
                "chains",
                "chains",
                "/v1/chains",
                "Chains",
                "The chains that can be asked, and what is watched on them.",
            ),
            chains,
        ),
        Operation::new(
            query(
                "balance",
                "balance",
                "/v1/chains/{chain}/balances/{address}",
                "Balance",
                "What an address has of a token, or of the chain's own coin.",
            ),
            balance,
        ),
        Operation::new(
            query(
                "transaction",
                "transaction",
                "/v1/chains/{chain}/transactions/{hash}",
                "Transaction",
                "What became of a transaction.",
            ),
            transaction,
        ),
        Operation::new(
            About {
                route: (http::Method::POST, "/v1/chains/{chain}/fee-estimates"),
                ..query(
                    "estimateFee",
                    "estimate_fee",
                    "/v1/chains/{chain}/fee-estimates",
                    "Estimate a fee",
                    "What a transaction would cost, at three speeds.",
                )
            },
            estimate_fee,
        ),
        Operation::new(
            About {
                success: StatusCode::ACCEPTED,
                ..mutation(
                    "sendTransaction",
                    "send_transaction",
                    "/v1/chains/{chain}/transactions",
                    "Send a transaction",
                    "Hands a signed transaction to a chain. To hand one in again is safe.",
                )
            },
            send_transaction,
        ),
    ]
}

async fn chains(services: Arc<Services>, _: Call, _: Nothing) -> Result<Answer<Items<Chain>>, Error> {
    Ok(Items::of(services.chains.all().map(|(chain, filters)| Chain::new(chain, filters))).into())
}

async fn balance(services: Arc<Services>, _: Call, input: Owner) -> Result<Answer<Balance>, Error> {
    let Owner { chain, address, token } = input;
    Ok(Balance::from(services.chains.balance(&chain, &address, token.as_deref()).await?).into())
}

async fn transaction(services: Arc<Services>, _: Call, input: Hash) -> Result<Answer<ChainTransaction>, Error> {
    let (chain, transaction) = services.chains.transaction(&input.chain, &input.hash).await?;
    Ok(ChainTransaction::new(&chain, transaction).into())
}

async fn estimate_fee(services: Arc<Services>, _: Call, input: Draft) -> Result<Answer<FeeEstimate>, Error> {
    let (chain, request) = input.into_request();
    Ok(FeeEstimate::from(services.chains.estimate_fee(&chain, &request).await?).into())
}

async fn send_transaction(
    services: Arc<Services>,
    call: Call,
    input: Signed,
) -> Result<Answer<SentTransaction>, Error> {
    Ok(SentTransaction::from(services.transactions.send(&call, &input.chain, &input.signed).await?).into())
}
