//! Anvil, with a chain id of which nothing is known: what is in a block counts after twenty more.

use std::sync::atomic::{AtomicUsize, Ordering};

use ethers::abi::Token;
use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{Address, Bytes, Eip1559TransactionRequest, U256};
use ethers::utils::{hex, to_checksum};
use ethers_signers::{LocalWallet, Signer};
use mcp_core::domain::chain::ChainId;
use mcp_core::domain::watch::EventFilter;
use mcp_core::sources::chains::{ChainError, Draft, FeeEstimate};
use serde_json::json;
use support::anvil::{Anvil, AnvilOptions, as_u256, call_data};
use support::eventually::eventually;
use support::uniswap::test_token;

use super::{Ground, OnChain, Wallet};
use crate::chains::adapters::evm;

const CHAIN: u64 = 7777;
const CONFIRMATIONS: u64 = 20;
/// What creates a contract, and refuses to: `revert(0, 0)`.
const REVERTS: [u8; 5] = [0x60, 0, 0x60, 0, 0xfd];

pub(crate) struct EvmGround {
    pub(crate) anvil: Anvil,
    /// How many accounts were given out. The first deploys.
    given: AtomicUsize,
    made_up: AtomicUsize,
}

impl EvmGround {
    /// A transaction of `from`, ready to be signed.
    async fn request(&self, from: &Wallet, to: Option<&str>, units: U256) -> Eip1559TransactionRequest {
        let nonce = as_u256(&self.anvil.rpc("eth_getTransactionCount", json!([from.address, "pending"])).await);
        let price = as_u256(&self.anvil.rpc("eth_gasPrice", json!([])).await);
        let mut request = Eip1559TransactionRequest::new().chain_id(CHAIN).nonce(nonce).value(units).gas(21_000);
        request = request.max_fee_per_gas(price * 2).max_priority_fee_per_gas(1_000_000_000);
        match to {
            Some(to) => request.to(to.parse::<Address>().unwrap()),
            None => request,
        }
    }
}

fn signed(from: &Wallet, request: Eip1559TransactionRequest) -> Vec<u8> {
    let wallet: LocalWallet = from.secret.parse().unwrap();
    let typed = TypedTransaction::Eip1559(request);
    let signature = wallet.with_chain_id(typed.chain_id().unwrap().as_u64()).sign_transaction_sync(&typed).unwrap();
    typed.rlp_signed(&signature).to_vec()
}

impl Ground for EvmGround {
    const VARIABLE: &'static str = "EVM_RPC_URLS";
    const BAD_ADDRESSES: &'static [&'static str] = &[
        "",
        "0x",
        "vitalik.eth",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
        "0x5aAeb6053f3E94C9b9A09f33669435E7Ef1BeAed",
        "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T",
    ];
    const BAD_HASHES: &'static [&'static str] = &["", "0x", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "latest"];
    const UNKNOWN_HASH: &'static str = "0xabababababababababababababababababababababababababababababababab";
    const OUTDATED: &'static str = "nonce";
    const TOKEN_DECIMALS: u8 = 18;

    async fn start() -> Self {
        let anvil = Anvil::start(AnvilOptions { chain_id: CHAIN, ..AnvilOptions::default() }).await;
        anvil.mine(CONFIRMATIONS).await;
        Self { anvil, given: AtomicUsize::new(1), made_up: AtomicUsize::new(1) }
    }

    fn url(&self) -> String {
        self.anvil.url()
    }

    fn chain(&self) -> String {
        ChainId::evm(CHAIN).as_str().to_owned()
    }

    async fn rich(&self) -> Wallet {
        let account = self.anvil.accounts()[self.given.fetch_add(1, Ordering::Relaxed)];
        Wallet { address: to_checksum(&account.address, None), secret: hex::encode(account.key) }
    }

    async fn nobody(&self) -> String {
        let number = self.made_up.fetch_add(1, Ordering::Relaxed) as u64;
        to_checksum(&Address::from_low_u64_be(0xabcd_ef00_0000 + number), None)
    }

    async fn coins(&self, address: &str) -> U256 {
        self.anvil.balance(address.parse().unwrap()).await
    }

    async fn token(&self, owner: &str, units: u64) -> String {
        let token = test_token(&self.anvil, U256::exp10(30)).await;
        let transfer = [Token::Address(owner.parse().unwrap()), Token::Uint(units.into())];
        let deployer = self.anvil.accounts()[0].address;
        self.anvil.send(deployer, token, call_data("transfer(address,uint256)", &transfer), U256::zero()).await;
        to_checksum(&token, None)
    }

    fn symbol(_token: &str) -> String {
        "TT".to_owned()
    }

    fn otherwise(text: &str) -> String {
        format!("0x{}", text[2..].to_uppercase())
    }

    async fn sign(&self, from: &Wallet, to: &str, units: U256) -> Vec<u8> {
        signed(from, self.request(from, Some(to), units).await)
    }

    async fn sign_at(&self, from: &Wallet, to: &str, units: U256, fee: &FeeEstimate) -> Vec<u8> {
        let request = self.request(from, Some(to), units).await.gas(fee.units);
        signed(from, request.max_fee_per_gas(fee.fast.max_price).max_priority_fee_per_gas(fee.fast.priority))
    }

    async fn not_signed(&self, from: &Wallet, to: &str, units: U256) -> Vec<u8> {
        TypedTransaction::Eip1559(self.request(from, Some(to), units).await).rlp().to_vec()
    }

    async fn outdated(&self, from: &Wallet, to: &str) -> Vec<u8> {
        let [one, other] = [self.sign(from, to, 1.into()).await, self.sign(from, to, 2.into()).await];
        self.land(&one).await;
        other
    }

    async fn failing(&self, from: &Wallet) -> Vec<u8> {
        signed(from, self.request(from, None, U256::zero()).await.gas(100_000).data(REVERTS))
    }

    async fn draft(&self, from: &Wallet, to: &str, units: U256) -> Draft {
        Draft { from: Some(from.address.clone()), to: Some(to.to_owned()), value: units, ..Draft::default() }
    }

    async fn failing_draft(&self, from: &Wallet) -> Draft {
        Draft { from: Some(from.address.clone()), data: REVERTS.to_vec(), ..Draft::default() }
    }

    async fn land(&self, transaction: &[u8]) {
        let hash = self.anvil.rpc("eth_sendRawTransaction", json!([Bytes::from(transaction.to_vec())])).await;
        if self.anvil.rpc("anvil_getAutomine", json!([])).await == true {
            eventually("it is mined", || async {
                !self.anvil.rpc("eth_getTransactionReceipt", json!([hash])).await.is_null()
            })
            .await;
        }
    }

    async fn hold(&self) {
        self.anvil.rpc("evm_setAutomine", json!([false])).await;
    }

    async fn release(&self) {
        self.anvil.mine(1).await;
        self.anvil.rpc("evm_setAutomine", json!([true])).await;
    }

    async fn settle(&self) {
        self.anvil.mine(CONFIRMATIONS).await;
    }

    async fn watch(&self) -> EventFilter {
        let token = test_token(&self.anvil, U256::exp10(30)).await;
        // Where it is made, all of it is transferred to its owner.
        self.anvil.mine(CONFIRMATIONS + 1).await;
        EventFilter {
            name: "transfers".to_owned(),
            chain: ChainId::evm(CHAIN),
            addresses: vec![to_checksum(&token, None)],
            topics: vec![],
            from_block: None,
        }
    }

    async fn happen(&self, filter: &EventFilter, number: u64) -> String {
        let arguments = [Token::Address(Address::repeat_byte(7)), Token::Uint((1 + number).into())];
        let (deployer, token) = (self.anvil.accounts()[0].address, filter.addresses[0].parse().unwrap());
        let transfer = call_data("transfer(address,uint256)", &arguments);
        let receipt = self.anvil.send(deployer, token, transfer, U256::zero()).await;
        format!("{:#x}", receipt.transaction_hash)
    }
}

#[tokio::test]
async fn a_transaction_for_another_chain_is_invalid() {
    let on = OnChain::<EvmGround>::start().await;
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let bytes = on.ground.sign(&from, &to, 1.into()).await;
    let elsewhere = evm("eip155:7778", &[&on.proxy.url()]);
    let outcome = elsewhere.decode_signed(&bytes);
    assert!(matches!(&outcome, Err(ChainError::Invalid(why)) if why.contains("7777") && why.contains("7778")));
    assert_eq!(on.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn a_transaction_for_any_chain_is_invalid() {
    let on = OnChain::<EvmGround>::start().await;
    let from = on.ground.rich().await;
    let wallet: LocalWallet = from.secret.parse().unwrap();
    let typed: TypedTransaction = ethers::types::TransactionRequest::new().to(Address::zero()).value(1).into();
    let mut signature = wallet.sign_hash(typed.sighash()).unwrap();
    // As before EIP-155: 27 or 28.
    signature.v = 27 + (signature.v + 1) % 2;
    let outcome = on.adapter.decode_signed(&typed.rlp_signed(&signature));
    assert!(matches!(&outcome, Err(ChainError::Invalid(why)) if why.contains("EIP-155")), "{outcome:?}");
}
