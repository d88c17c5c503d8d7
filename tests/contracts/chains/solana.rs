//! Solana's virtual machine behind a front of ours.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ethers::types::U256;
use mcp_core::domain::watch::EventFilter;
use mcp_core::sources::chains::{ChainError, Draft, FeeEstimate};
use serde_json::json;
use support::solana::{SolanaKeys, SolanaNode};

use super::{Ground, OnChain, Wallet};
use crate::chains::adapters::cluster;

const SOL: u64 = 1_000_000_000;
/// One signature, behind its count: the message begins.
const MESSAGE: usize = 65;

pub(crate) struct SolanaGround {
    pub(crate) node: SolanaNode,
    chain: String,
}

fn bytes(base64: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(base64).unwrap()
}

fn keys(wallet: &Wallet) -> SolanaKeys {
    SolanaKeys { address: wallet.address.clone(), secret: wallet.secret.clone() }
}

impl Ground for SolanaGround {
    const VARIABLE: &'static str = "SOLANA_RPC_URLS";
    const BAD_ADDRESSES: &'static [&'static str] = &[
        "",
        "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4",
        "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4l",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        " 4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T",
    ];
    const BAD_HASHES: &'static [&'static str] = &["", "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T", "finalized"];
    const UNKNOWN_HASH: &'static str =
        "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW";
    const OUTDATED: &'static str = "blockhash";
    const TOKEN_DECIMALS: u8 = 6;

    async fn start() -> Self {
        let node = SolanaNode::start().await;
        let chain = cluster(&node.url()).await;
        Self { node, chain }
    }

    fn url(&self) -> String {
        self.node.url()
    }

    fn chain(&self) -> String {
        self.chain.clone()
    }

    async fn rich(&self) -> Wallet {
        let SolanaKeys { address, secret } = self.node.keys_with(100 * SOL).await;
        Wallet { address, secret }
    }

    async fn nobody(&self) -> String {
        self.node.keys().await.address
    }

    async fn coins(&self, address: &str) -> U256 {
        self.node.rpc("getBalance", json!([address])).await["value"].as_u64().unwrap().into()
    }

    async fn token(&self, owner: &str, units: u64) -> String {
        let mint = self.node.create_mint(Self::TOKEN_DECIMALS).await;
        self.node.mint_to(&mint, owner, units).await;
        mint
    }

    fn symbol(token: &str) -> String {
        format!("{}…{}", &token[..4], &token[token.len() - 4..])
    }

    /// There is no other way.
    fn otherwise(text: &str) -> String {
        text.to_owned()
    }

    async fn sign(&self, from: &Wallet, to: &str, units: U256) -> Vec<u8> {
        bytes(&self.node.sign_transfer(&keys(from), to, units.as_u64()).await)
    }

    /// A transfer that offers nothing beside the base fee.
    async fn sign_at(&self, from: &Wallet, to: &str, units: U256, _fee: &FeeEstimate) -> Vec<u8> {
        self.sign(from, to, units).await
    }

    async fn not_signed(&self, from: &Wallet, to: &str, units: U256) -> Vec<u8> {
        let mut bytes = self.sign(from, to, units).await;
        bytes[1..MESSAGE].fill(0);
        bytes
    }

    async fn outdated(&self, from: &Wallet, to: &str) -> Vec<u8> {
        let signed = self.sign(from, to, SOL.into()).await;
        self.node.advance(151).await;
        signed
    }

    async fn failing(&self, from: &Wallet) -> Vec<u8> {
        let to = self.nobody().await;
        self.sign(from, &to, (1_000 * SOL).into()).await
    }

    async fn draft(&self, from: &Wallet, to: &str, units: U256) -> Draft {
        Draft { message: Some(self.sign(from, to, units).await[MESSAGE..].to_vec()), ..Draft::default() }
    }

    async fn failing_draft(&self, from: &Wallet) -> Draft {
        let to = self.nobody().await;
        Draft { message: Some(self.outdated(from, &to).await[MESSAGE..].to_vec()), ..Draft::default() }
    }

    async fn land(&self, transaction: &[u8]) {
        self.node.send_unchecked(&BASE64_STANDARD.encode(transaction)).await;
    }

    async fn hold(&self) {
        self.node.confirm_after(1).await;
    }

    async fn release(&self) {
        self.node.confirm_after(0).await;
    }

    async fn settle(&self) {
        self.node.advance(32).await;
    }

    async fn watch(&self) -> EventFilter {
        EventFilter {
            name: "received".to_owned(),
            chain: self.chain.parse().unwrap(),
            addresses: vec![self.nobody().await],
            topics: vec![],
            from_block: None,
        }
    }

    async fn happen(&self, filter: &EventFilter, number: u64) -> String {
        self.node.airdrop(&filter.addresses[0], SOL + number).await
    }
}

#[tokio::test]
async fn what_somebody_else_signed_is_invalid() {
    let on = OnChain::<SolanaGround>::start().await;
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let mut bytes = on.ground.sign(&from, &to, SOL.into()).await;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let outcome = on.adapter.decode_signed(&bytes);
    assert!(matches!(&outcome, Err(ChainError::Invalid(why)) if why.contains(&from.address)), "{outcome:?}");
}
