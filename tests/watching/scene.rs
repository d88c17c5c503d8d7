//! A chain with a token on it, a deployment that watches its transfers, and what both say of them.

use std::collections::BTreeSet;

use ethers::abi::Token;
use ethers::types::{Address, Bytes, H256, U256};
use ethers::utils::keccak256;
use mcp_core::domain::{RecordedEvent, StreamId};
use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions, as_u256, call_data, quantity};
use support::lambda::Lambda;
use support::rpc_proxy::RpcProxy;
use support::uniswap::test_token;

use crate::functions::sample;
use crate::pipeline::Deployment;

const FILTER: &str = "transfers";
const STREAM: &str = "eip155:31337/transfers";

/// A log, by where it is.
pub(crate) type Place = (u64, String, String, u64);

pub(crate) struct Scene {
    pub(crate) anvil: Anvil,
    /// Between the deployment and the node.
    pub(crate) provider: RpcProxy,
    pub(crate) deployment: Deployment,
    pub(crate) token: Address,
}

impl Scene {
    /// One whose token was made, which is a transfer as well, and nothing else happened.
    pub(crate) async fn new() -> Self {
        let (anvil, deployment) = tokio::join!(Anvil::start(AnvilOptions::default()), Deployment::without_topics());
        let token = test_token(&anvil, U256::exp10(30)).await;
        let provider = RpcProxy::before(&anvil.url()).await;
        Self { anvil, provider, deployment, token }
    }

    /// What is watched: every transfer of the token since the chain began.
    pub(crate) fn filters(&self) -> Value {
        transfers_since(self.token, 0)
    }

    pub(crate) async fn watcher(&self) -> Lambda {
        self.watcher_with(&[]).await
    }

    pub(crate) async fn watcher_with(&self, more: &[(&str, &str)]) -> Lambda {
        let (nodes, filters) = (format!("anvil={}", self.provider.url()), self.filters().to_string());
        let variables = [("EVM_RPC_URLS", nodes.as_str()), ("CHAIN_FILTERS", filters.as_str())];
        self.deployment.start_with("chain-watcher", &[&variables, more].concat()).await
    }

    /// A run of a watcher that is alone, in a process of its own.
    pub(crate) async fn watch(&self) -> Value {
        let watcher = self.watcher().await;
        watch(&watcher).await
    }

    /// Whether a watcher dies at this point. Its leases have run out afterwards.
    pub(crate) async fn dies_at(&self, point: &str) -> bool {
        let watcher = self.watcher_with(&crash_at(point)).await;
        let died = watcher.dies_of(sample("chain-watcher")).await;
        assert_eq!(died, watcher.output().contains(&format!("crash point {point}")), "{}", watcher.output());
        self.deployment.let_leases_run_out().await;
        died
    }

    /// A transfer as a transaction of the owner, to be sent by the node.
    pub(crate) fn transfer_of(&self, amount: u64) -> Value {
        transfer_of(&self.anvil, self.token, amount)
    }

    /// So many transfers, each in a block of its own, of 1, 2, ...
    pub(crate) async fn transfers(&self, count: u64) {
        for amount in 1..=count {
            let data = transfer_data(amount);
            self.anvil.send(self.anvil.accounts()[0].address, self.token, data, U256::zero()).await;
        }
    }

    /// So many transfers in one block.
    pub(crate) async fn transfers_in_a_block(&self, count: u64) {
        self.anvil.rpc("evm_setAutomine", json!([false])).await;
        for amount in 1..=count {
            self.anvil.rpc("eth_sendTransaction", json!([self.transfer_of(amount)])).await;
        }
        self.anvil.rpc("evm_mine", json!([])).await;
        self.anvil.rpc("evm_setAutomine", json!([true])).await;
    }

    /// The logs that the chain holds.
    pub(crate) async fn on_chain(&self) -> BTreeSet<Place> {
        let filter =
            json!([{ "address": self.token, "topics": [transfer()], "fromBlock": "0x0", "toBlock": "latest" }]);
        let logs = self.anvil.rpc("eth_getLogs", filter).await;
        logs.as_array().expect("a list").iter().map(place_of_log).collect()
    }

    /// Everything in the filter's stream, in its order.
    pub(crate) async fn events(&self) -> Vec<RecordedEvent> {
        self.deployment.store.load(&StreamId::of("chain", STREAM), None).await.unwrap().events
    }

    /// What the stream says that the chain holds. Nothing is observed twice, or retracted that was not observed.
    pub(crate) async fn recorded(&self) -> BTreeSet<Place> {
        folded(&self.events().await)
    }

    #[track_caller]
    pub(crate) fn agrees(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.recorded().await, self.on_chain().await, "seen from {caller}") }
    }
}

/// The variables of a function that dies at this point. Where it would be told of a commit, there is somebody to tell: nobody.
pub(crate) fn crash_at(point: &str) -> Vec<(&str, &str)> {
    let told = (point == "append.committed").then_some(("OUTBOX_RELAY_FUNCTION", "nobody"));
    [("CRASH_AT", point)].into_iter().chain(told).collect()
}

/// A filter for the transfers of a token from this block on.
pub(super) fn transfers_since(token: Address, block: u64) -> Value {
    json!([{ "name": FILTER, "chain": "anvil", "addresses": [token], "topics": [transfer()], "fromBlock": block }])
}

/// A transfer as a transaction of the token's owner, to be sent by the node.
pub(super) fn transfer_of(anvil: &Anvil, token: Address, amount: u64) -> Value {
    let (from, data) = (anvil.accounts()[0].address, transfer_data(amount));
    json!({ "from": from, "to": token, "data": data, "gas": quantity(100_000.into()) })
}

fn transfer_data(amount: u64) -> Bytes {
    let to = Token::Address(Address::repeat_byte(0x70));
    call_data("transfer(address,uint256)", &[to, Token::Uint(amount.into())])
}

/// A run of this watcher.
pub(crate) async fn watch(watcher: &Lambda) -> Value {
    let summary = watcher.invoke(sample("chain-watcher")).await;
    summary.unwrap_or_else(|error| panic!("{error}: {}", watcher.output()))
}

pub(crate) fn folded(events: &[RecordedEvent]) -> BTreeSet<Place> {
    let mut live = BTreeSet::new();
    for event in events {
        let fresh = match event.event_type.as_str() {
            "ChainEventObserved" => live.insert(place(&event.data)),
            "ChainEventRetracted" => live.remove(&place(&event.data)),
            other => other == "BlocksScanned",
        };
        assert!(fresh, "version {} does not fit what was before it: {event:?}", event.event_version);
    }
    live
}

/// How many events of that type there are.
pub(crate) fn count(events: &[RecordedEvent], event_type: &str) -> usize {
    events.iter().filter(|event| event.event_type == event_type).count()
}

fn place(data: &Value) -> Place {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{data}")).to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{data}"));
    (number(&data["block"]["number"]), text(&data["block"]["hash"]), text(&data["transaction"]), number(&data["index"]))
}

fn place_of_log(log: &Value) -> Place {
    let text = |name: &str| log[name].as_str().unwrap_or_else(|| panic!("{log}")).to_owned();
    let number = |name: &str| as_u256(&log[name]).as_u64();
    (number("blockNumber"), text("blockHash"), text("transactionHash"), number("logIndex"))
}

fn transfer() -> H256 {
    keccak256("Transfer(address,address,uint256)").into()
}
