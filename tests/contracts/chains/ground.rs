//! What a promise stands on: a node of a chain of its own, and hands that do there what a wallet and the time do.

use std::sync::Arc;

use ethers::types::U256;
use mcp_core::domain::watch::EventFilter;
use mcp_core::sources::chains::{ChainAdapter, Draft, FeeEstimate, SignedTransaction};
use support::rpc_proxy::RpcProxy;

use crate::chains::adapters::adapter;

/// Who can sign.
#[derive(Debug, Clone)]
pub(crate) struct Wallet {
    pub(crate) address: String,
    /// As the chain's wallets write it.
    pub(crate) secret: String,
}

/// A node of a kind of chain, asked past the adapter.
pub(crate) trait Ground: Sized {
    /// The variable that names its nodes.
    const VARIABLE: &'static str;
    const BAD_ADDRESSES: &'static [&'static str];
    const BAD_HASHES: &'static [&'static str];
    /// A hash that nothing has.
    const UNKNOWN_HASH: &'static str;
    /// A word of the reason why an outdated transaction is refused.
    const OUTDATED: &'static str;
    const TOKEN_DECIMALS: u8;

    async fn start() -> Self;
    fn url(&self) -> String;
    /// The chain's name in the variable.
    fn chain(&self) -> String;

    /// Who has plenty of the chain's coin, somebody else each time.
    async fn rich(&self) -> Wallet;
    /// An address that nobody has used.
    async fn nobody(&self) -> String;
    /// How much of the coin somebody has.
    async fn coins(&self, address: &str) -> U256;
    /// A new token of which `owner` has so much.
    async fn token(&self, owner: &str, units: u64) -> String;
    /// What the token is called.
    fn symbol(token: &str) -> String;
    /// The same address or hash, as somebody else may write it.
    fn otherwise(text: &str) -> String;

    /// A transfer of the coin, signed.
    async fn sign(&self, from: &Wallet, to: &str, units: U256) -> Vec<u8>;
    /// The same with the fastest fee of an estimate.
    async fn sign_at(&self, from: &Wallet, to: &str, units: U256, fee: &FeeEstimate) -> Vec<u8>;
    /// The same without a signature.
    async fn not_signed(&self, from: &Wallet, to: &str, units: U256) -> Vec<u8>;
    /// One that could have been taken, and no longer can.
    async fn outdated(&self, from: &Wallet, to: &str) -> Vec<u8>;
    /// One that lands and fails.
    async fn failing(&self, from: &Wallet) -> Vec<u8>;
    /// What an estimate of a transfer needs.
    async fn draft(&self, from: &Wallet, to: &str, units: U256) -> Draft;
    /// The same for what cannot be done.
    async fn failing_draft(&self, from: &Wallet) -> Draft;

    /// Hands a transaction to the node, which does not check it.
    async fn land(&self, transaction: &[u8]);
    /// From now on, what is handed in is known, and in no block that counts.
    async fn hold(&self);
    /// Ends that: what was held is in one.
    async fn release(&self);
    /// Lets so much time pass that all that happened stays.
    async fn settle(&self);

    /// A filter on which nothing has happened yet, to be read from now on.
    async fn watch(&self) -> EventFilter;
    /// Lets something happen on it, in a transaction whose hash it returns. It differs each time by `number`.
    async fn happen(&self, filter: &EventFilter, number: u64) -> String;
}

/// An adapter before a node.
pub(crate) struct OnChain<G> {
    pub(crate) adapter: Arc<dyn ChainAdapter>,
    /// Between the two: it counts.
    pub(crate) proxy: RpcProxy,
    pub(crate) ground: G,
}

impl<G: Ground> OnChain<G> {
    pub(crate) async fn start() -> Self {
        let ground = G::start().await;
        let proxy = RpcProxy::before(&ground.url()).await;
        let adapter = adapter(G::VARIABLE, &ground.chain(), &[&proxy.url()], 1);
        Self { adapter, proxy, ground }
    }

    /// A transfer, signed and read.
    pub(crate) async fn transfer(&self, from: &Wallet, to: &str, units: u64) -> SignedTransaction {
        self.adapter.decode_signed(&self.ground.sign(from, to, units.into()).await).unwrap()
    }
}
