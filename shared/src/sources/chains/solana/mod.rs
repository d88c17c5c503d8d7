//! Solana, over our own JSON-RPC (<https://solana.com/docs/rpc>): requests, answers and the typed client are
//! solana-client's, the transport under it is ours.

mod balances;
mod clusters;
mod events;
mod fees;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod keys;
mod protocol;
mod send;
mod sender;
mod socket;
#[cfg(test)]
mod tests;
mod transactions;
mod wire;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use reqwest::Url;
use solana_commitment_config::CommitmentConfig;

use self::balances::Mints;
use self::sender::{client, from_client};
use self::socket::Sockets;
use super::follow::follow;
use super::rpc::{Nodes, RpcError, Session};
use super::{
    Balance, BalanceQuery, Chain, ChainAdapter, ChainError, ChainTransaction, Draft, EndpointHealth, FeeEstimate,
    SignedTransaction,
};
use crate::domain::chain::{Amount, Block};
use crate::domain::watch::{EventFilter, Scan, Trail};
use crate::platform::BoxFuture;

pub(crate) use clusters::chain as known_chain;
pub(crate) use protocol::Cluster;

/// A Solana cluster.
pub(crate) struct Solana {
    chain: Chain,
    nodes: Arc<Nodes>,
    /// Websockets, for who listens.
    sockets: Vec<Url>,
    mints: Mints,
}

impl Solana {
    /// `chain`, through `nodes`.
    pub(crate) fn new(chain: Chain, nodes: Arc<Nodes>, sockets: Vec<Url>) -> Self {
        Self { chain, nodes, sockets, mints: Mints::default() }
    }

    /// So many lamports.
    fn coin(&self, lamports: u64) -> Amount {
        Amount { units: lamports.into(), decimals: self.chain.decimals, symbol: self.chain.symbol.clone() }
    }

    fn error(&self, error: RpcError) -> ChainError {
        self.nodes.error(error)
    }
}

impl ChainAdapter for Solana {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn check_address(&self, text: &str) -> Result<String, ChainError> {
        keys::address(text).map(|address| address.to_string())
    }

    fn check_hash(&self, text: &str) -> Result<String, ChainError> {
        keys::signature(text).map(|signature| signature.to_string())
    }

    fn get_balances<'a>(&'a self, queries: &'a [BalanceQuery]) -> BoxFuture<'a, Vec<Result<Balance, ChainError>>> {
        Box::pin(balances::balances(self, queries))
    }

    fn get_transaction<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Option<ChainTransaction>, ChainError>> {
        Box::pin(transactions::get(self, hash))
    }

    fn estimate_fee<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<FeeEstimate, ChainError>> {
        Box::pin(fees::estimate(self, draft))
    }

    fn decode_signed(&self, bytes: &[u8]) -> Result<SignedTransaction, ChainError> {
        wire::decode_signed(bytes)
    }

    fn send_transaction<'a>(&'a self, signed: &'a SignedTransaction) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(send::send(self, signed))
    }

    /// Its blockhash holds for a minute or two; who asks has waited longer.
    fn may_still_come<'a>(&'a self, _from: &'a str, _nonce: Option<u64>) -> BoxFuture<'a, Result<bool, ChainError>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    fn events_after<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: &'a Trail,
    ) -> BoxFuture<'a, Result<Scan, ChainError>> {
        Box::pin(events::events_after(self, filter, trail))
    }

    fn subscribe_to_events<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: Trail,
    ) -> BoxStream<'a, Result<Scan, ChainError>> {
        follow(self, filter, trail, Sockets::new(self.sockets.clone(), filter))
    }

    /// The newest confirmed slot, and the hash of its block.
    fn head(&self) -> BoxFuture<'_, Result<Block, ChainError>> {
        Box::pin(async move {
            let newest = |session: Session| async move {
                let confirmed = CommitmentConfig::confirmed();
                let client = client(session, confirmed);
                let answer = client.get_latest_blockhash_with_commitment_and_context(confirmed).await;
                let answer = answer.map_err(from_client)?;
                Ok(Block { number: answer.context.slot, hash: answer.value.0.to_string() })
            };
            self.nodes.read(newest).await.map_err(|error| self.error(error))
        })
    }

    fn health(&self) -> Vec<EndpointHealth> {
        self.nodes.health()
    }
}
