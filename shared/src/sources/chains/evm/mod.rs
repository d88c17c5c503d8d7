//! EVM chains: types, ABI, transactions and signatures from ethers, over our own JSON-RPC.

mod address;
mod balances;
pub(crate) mod client;
pub(crate) mod contract;
#[cfg(test)]
pub(crate) mod fake_contracts;
mod fees;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod known;
mod logs;
mod protocol;
mod signed;
mod socket;
#[cfg(test)]
mod tests;
mod transactions;

use std::sync::Arc;

use ethers::types::U256;
use futures_util::stream::BoxStream;
use reqwest::Url;
use serde_json::json;

use self::balances::{Tokens, no_tokens};
use self::logs::Ranges;
use self::protocol::Header;
use self::socket::Sockets;
use super::follow::follow;
use super::rpc::Nodes;
use super::{
    Balance, BalanceQuery, Chain, ChainAdapter, ChainError, ChainTransaction, Draft, EndpointHealth, FeeEstimate,
    SignedTransaction,
};
use crate::domain::chain::{Amount, Block};
use crate::domain::watch::{EventFilter, Scan, Trail};
use crate::platform::BoxFuture;

pub(crate) use client::{EthCall, EvmClient, Revert};
pub(crate) use known::{chain as known_chain, max_lag};
pub(crate) use protocol::Ethereum;

/// An EVM chain.
pub(crate) struct Evm {
    chain: Chain,
    number: u64,
    nodes: Arc<Nodes>,
    /// Websockets, for who listens.
    sockets: Vec<Url>,
    tokens: Tokens,
    ranges: Ranges,
}

impl Evm {
    /// `chain`, through `nodes`. Its id is that of an EVM chain.
    pub(crate) fn new(chain: Chain, nodes: Arc<Nodes>, sockets: Vec<Url>) -> Self {
        let number = chain.id.evm_number().unwrap_or_default();
        Self { chain, number, nodes, sockets, tokens: no_tokens(), ranges: Ranges::default() }
    }

    /// So much of the chain's own coin.
    fn coin(&self, units: U256) -> Amount {
        Amount { units, decimals: self.chain.decimals, symbol: self.chain.symbol.clone() }
    }
}

impl ChainAdapter for Evm {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn check_address(&self, text: &str) -> Result<String, ChainError> {
        address::parse_address(text).map(address::checksummed)
    }

    fn check_hash(&self, text: &str) -> Result<String, ChainError> {
        address::parse_hash(text).map(protocol::hex)
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
        signed::decode(bytes, self.number)
    }

    fn send_transaction<'a>(&'a self, signed: &'a SignedTransaction) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(transactions::send(self, signed))
    }

    fn may_still_come<'a>(&'a self, from: &'a str, nonce: Option<u64>) -> BoxFuture<'a, Result<bool, ChainError>> {
        Box::pin(transactions::may_still_come(self, from, nonce))
    }

    fn events_after<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: &'a Trail,
    ) -> BoxFuture<'a, Result<Scan, ChainError>> {
        Box::pin(logs::events_after(self, filter, trail))
    }

    fn subscribe_to_events<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: Trail,
    ) -> BoxStream<'a, Result<Scan, ChainError>> {
        follow(self, filter, trail, Sockets::new(self.sockets.clone(), self.chain.id.clone(), filter))
    }

    fn head(&self) -> BoxFuture<'_, Result<Block, ChainError>> {
        Box::pin(async move {
            let newest = |session: super::rpc::Session| async move {
                session.call::<Header>("eth_getBlockByNumber", json!(["latest", false])).await
            };
            Ok(self.nodes.read(newest).await.map_err(|error| self.nodes.error(error))?.block())
        })
    }

    fn health(&self) -> Vec<EndpointHealth> {
        self.nodes.health()
    }
}
