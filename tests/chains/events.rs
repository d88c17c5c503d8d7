//! What happens on a chain is told once and in order: over limits, forks and sockets that die.

mod limits;
mod model;
mod reorgs;
mod sockets;
mod solana;

use std::sync::Arc;

use ethers::abi::Token;
use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{Address, Bytes, TransactionRequest, U256};
use ethers::utils::{hex, keccak256, to_checksum};
use ethers_signers::{LocalWallet, Signer};
use mcp_core::domain::chain::ChainId;
use mcp_core::domain::watch::EventFilter;
use mcp_core::sources::chains::ChainAdapter;
use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions, as_u256, call_data};
use support::rpc_proxy::RpcProxy;
use support::uniswap::test_token;

use super::adapters::evm;

/// Where tokens go.
const TO: Address = Address::repeat_byte(7);

/// A chain with a token on it, of which the node's first six accounts have some.
struct Ledger {
    anvil: Anvil,
    proxy: RpcProxy,
    token: Address,
    chain: ChainId,
}

impl Ledger {
    /// `anvil`, of which every block counts at once.
    async fn start() -> Self {
        Self::of(31_337).await
    }

    async fn of(chain_id: u64) -> Self {
        let anvil = Anvil::start(AnvilOptions { chain_id, ..AnvilOptions::default() }).await;
        let proxy = RpcProxy::before(&anvil.url()).await;
        let token = test_token(&anvil, U256::exp10(30)).await;
        let ledger = Self { anvil, proxy, token, chain: ChainId::evm(chain_id) };
        for account in 1..6 {
            ledger.transfer(ledger.anvil.accounts()[account].address, 1_000_000).await;
        }
        ledger
    }

    fn adapter(&self) -> Arc<dyn ChainAdapter> {
        evm(self.chain.as_str(), &[&self.proxy.url()])
    }

    /// All that the token logs, from now on.
    fn filter(&self) -> EventFilter {
        EventFilter {
            name: "transfers".to_owned(),
            chain: self.chain.clone(),
            addresses: vec![to_checksum(&self.token, None)],
            topics: vec![],
            from_block: None,
        }
    }

    /// The first account sends tokens. Returns the transaction's hash.
    async fn transfer(&self, to: Address, units: u64) -> String {
        let (from, data) = (self.anvil.accounts()[0].address, transfer_to(to, units));
        format!("{:#x}", self.anvil.send(from, self.token, data, U256::zero()).await.transaction_hash)
    }

    /// A transfer of another account, signed and not sent: its bytes and its hash.
    async fn sign(&self, account: usize, units: u64) -> (Value, String) {
        let account = self.anvil.accounts()[account];
        let chain_id = self.chain.evm_number().unwrap();
        let nonce = self.anvil.rpc("eth_getTransactionCount", json!([account.address, "pending"])).await;
        let request = TransactionRequest::new().to(self.token).data(transfer_to(TO, units)).nonce(as_u256(&nonce));
        let typed: TypedTransaction = request.gas(100_000).gas_price(10_u64.pow(11)).chain_id(chain_id).into();
        let wallet = LocalWallet::from_bytes(account.key.as_bytes()).unwrap().with_chain_id(chain_id);
        let signature = wallet.sign_transaction_sync(&typed).unwrap();
        let hash = format!("{:#x}", typed.hash(&signature));
        (json!(typed.rlp_signed(&signature)), hash)
    }

    /// Sends signed transactions, which come into one block.
    async fn mine(&self, signed: &[&Value]) {
        self.anvil.rpc("evm_setAutomine", json!([false])).await;
        for raw in signed {
            self.anvil.rpc("eth_sendRawTransaction", json!([raw])).await;
        }
        self.anvil.mine(1).await;
        self.anvil.rpc("evm_setAutomine", json!([true])).await;
    }

    async fn hash_of(&self, number: u64) -> String {
        self.anvil.block(number).await["hash"].as_str().unwrap().to_owned()
    }
}

fn transfer_to(to: Address, units: u64) -> Bytes {
    call_data("transfer(address,uint256)", &[Token::Address(to), Token::Uint(units.into())])
}

/// What every transfer's log begins with.
fn transfer_topic() -> String {
    format!("0x{}", hex::encode(keccak256("Transfer(address,address,uint256)")))
}
