//! An EVM node that one test owns: Foundry's anvil, from npm. Its state is in memory, and its accounts are unlocked.

use ethers::abi::{Token, encode};
use ethers::types::{Address, Bytes, H256, TransactionReceipt, U256};
use ethers::utils::{hex, id};
use serde_json::{Value, json};

use crate::chains::installed;
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::json_rpc::{JsonRpc, RpcError};
use crate::ports::free_port;
use crate::process::{Process, command};

/// What a transaction may use: below the most that a transaction may ask for since Osaka (2^24), and enough for any of ours.
const GAS: u64 = 15_000_000;

/// How it is started.
#[derive(Clone, Copy, Debug)]
pub struct AnvilOptions {
    /// Its chain id.
    pub chain_id: u64,
    /// Seconds between blocks. `None`: a block per transaction, as it comes.
    pub block_time: Option<f64>,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self { chain_id: 31_337, block_time: None }
    }
}

/// A running node, on a port of its own. Killed when dropped.
#[derive(Debug)]
pub struct Anvil {
    port: u16,
    options: AnvilOptions,
    rpc: JsonRpc,
    accounts: Vec<DevAccount>,
    // Before the folder, so that it is dropped, and killed, first.
    process: Process,
    folder: Folder,
}

/// An account with 10,000 ether that the node signs for, and its well-known key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevAccount {
    /// The account.
    pub address: Address,
    /// The private key.
    pub key: H256,
}

impl Anvil {
    /// A running one.
    pub async fn start(options: AnvilOptions) -> Self {
        let (port, folder) = (free_port(), Folder::new("anvil"));
        let process = run(port, options, &folder);
        let rpc = JsonRpc::new(&format!("http://127.0.0.1:{port}"));
        let mut anvil = Self { port, options, rpc, accounts: Vec::new(), process, folder };
        anvil.answers().await;
        anvil.accounts = dev_accounts(&anvil.folder).await;
        anvil
    }

    /// Where it answers over HTTP, the same over all restarts.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it answers over a websocket.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Its ten accounts. The first deploys what [`crate::uniswap`] deploys.
    pub fn accounts(&self) -> &[DevAccount] {
        &self.accounts
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again, on the same port. It has forgotten everything: the chain begins anew.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = run(self.port, self.options, &self.folder);
        self.answers().await;
    }

    /// Stops it without ending it: connections stand, and nothing is answered.
    pub async fn pause(&self) {
        self.process.signal("STOP").await;
    }

    /// Lets it go on after a [`Self::pause`].
    pub async fn resume(&self) {
        self.process.signal("CONT").await;
    }

    /// The result of a call to the node. An error fails the test.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        self.rpc.call(method, params).await
    }

    /// The result or the error.
    pub async fn try_rpc(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.rpc.try_call(method, params).await
    }

    /// Adds empty blocks, a second apart.
    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", json!([quantity(blocks.into())])).await;
    }

    /// The number of the newest block.
    pub async fn block_number(&self) -> u64 {
        as_u256(&self.rpc("eth_blockNumber", json!([])).await).as_u64()
    }

    /// A block by its number, with the hashes of its transactions; null if there is none.
    pub async fn block(&self, number: u64) -> Value {
        self.rpc("eth_getBlockByNumber", json!([quantity(number.into()), false])).await
    }

    /// Remembers the whole state. The id is good for one [`Self::revert`].
    pub async fn snapshot(&self) -> U256 {
        as_u256(&self.rpc("evm_snapshot", json!([])).await)
    }

    /// Takes the chain back to a snapshot: newer blocks are gone.
    pub async fn revert(&self, snapshot: U256) {
        // Its pool hears of a block later than we do. By then it would take the next transaction for one that it has mined.
        if self.mines_by_itself().await {
            eventually("the pool is empty", || async {
                let status = self.rpc("txpool_status", json!([])).await;
                (status["pending"] == "0x0").then_some(()).ok_or(status)
            })
            .await;
        }
        assert_eq!(self.rpc("evm_revert", json!([quantity(snapshot)])).await, true, "the snapshot is known");
    }

    /// Replaces the newest `depth` blocks by as many others. What was in them is gone; each of `transactions` (as for
    /// `eth_sendTransaction`, or a signed one in hex) goes into the block this many after the first replaced one.
    pub async fn reorg(&self, depth: u64, transactions: &[(Value, u64)]) {
        self.rpc("anvil_reorg", json!([depth, transactions])).await;
    }

    /// Gives an account this many wei.
    pub async fn set_balance(&self, account: Address, wei: U256) {
        self.rpc("anvil_setBalance", json!([account, quantity(wei)])).await;
    }

    /// What an account has, in wei.
    pub async fn balance(&self, account: Address) -> U256 {
        as_u256(&self.rpc("eth_getBalance", json!([account, "latest"])).await)
    }

    /// Sends a transaction from an unlocked account and waits for its receipt; where mining is off, it mines a block. One that reverts fails the test.
    pub async fn send(&self, from: Address, to: Address, data: Bytes, value: U256) -> TransactionReceipt {
        let receipt = self.try_send(from, to, data.clone(), value).await;
        if receipt.status != Some(1.into()) {
            let why = json!([{ "from": from, "to": to, "data": data, "value": quantity(value) }, "latest"]);
            panic!("a transaction to {to:?} reverted: {:?}", self.try_rpc("eth_call", why).await);
        }
        receipt
    }

    /// The same, whatever became of it: a status of 0 is one that reverted.
    pub async fn try_send(&self, from: Address, to: Address, data: Bytes, value: U256) -> TransactionReceipt {
        self.transact(json!({ "from": from, "to": to, "data": data, "value": quantity(value) })).await
    }

    /// What a function answers, read at the newest block. One that reverts fails the test.
    pub async fn call(&self, to: Address, data: Bytes) -> Vec<u8> {
        let answer = self.rpc("eth_call", json!([{ "to": to, "data": data }, "latest"])).await;
        hex::decode(answer.as_str().expect("a call answers bytes")).expect("it is hex")
    }

    /// The code of a contract, as it runs.
    pub async fn code(&self, contract: Address) -> Bytes {
        serde_json::from_value(self.rpc("eth_getCode", json!([contract, "latest"])).await).expect("it is bytes")
    }

    /// Puts a contract on the chain, from the first account.
    pub async fn deploy(&self, bytecode: &[u8], arguments: &[Token]) -> Address {
        let data = Bytes::from([bytecode, &encode(arguments)].concat());
        let receipt = self.transact(json!({ "from": self.accounts[0].address, "data": data })).await;
        assert_eq!(receipt.status, Some(1.into()), "a contract can be deployed: {receipt:?}");
        receipt.contract_address.expect("a deployment has an address")
    }

    /// With a limit of gas, so that one that reverts is mined all the same.
    async fn transact(&self, mut transaction: Value) -> TransactionReceipt {
        transaction["gas"] = quantity(GAS.into());
        let hash = self.rpc("eth_sendTransaction", json!([transaction])).await;
        eventually("a transaction is mined", || async {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await;
            // Otherwise a block with it is on its way.
            if receipt.is_null() && !self.mines_by_itself().await {
                self.mine(1).await;
            }
            serde_json::from_value::<Option<TransactionReceipt>>(receipt).expect("a receipt")
        })
        .await
    }

    /// Waits until what was sent is mined: where a transaction has a block of its own, it comes after the answer. What waits for
    /// another transaction is not waited for.
    pub async fn mined(&self) {
        eventually("what was sent is mined", || async {
            let waiting = self.rpc("txpool_status", json!([])).await["pending"].clone();
            (waiting == "0x0" || !self.mines_by_itself().await).then_some(()).ok_or(waiting)
        })
        .await;
    }

    async fn mines_by_itself(&self) -> bool {
        self.options.block_time.is_some() || self.rpc("anvil_getAutomine", json!([])).await == true
    }

    async fn answers(&mut self) {
        let Self { process, rpc, .. } = self;
        eventually("anvil answers", || {
            let state = if process.is_running() { Ok(()) } else { Err(process.output().text()) };
            let rpc = rpc.clone();
            async move {
                state?;
                rpc.try_call("eth_chainId", json!([])).await.map_err(|error| error.to_string())
            }
        })
        .await;
    }
}

/// The bytes of a call: the function, as in `transfer(address,uint256)`, and its arguments.
pub fn call_data(function: &str, arguments: &[Token]) -> Bytes {
    [id(function).as_slice(), &encode(arguments)].concat().into()
}

/// A number as nodes take it.
pub fn quantity(number: U256) -> Value {
    Value::from(format!("{number:#x}"))
}

/// A number as nodes give it.
pub fn as_u256(quantity: &Value) -> U256 {
    serde_json::from_value(quantity.clone()).unwrap_or_else(|_| panic!("not a quantity: {quantity}"))
}

fn run(port: u16, options: AnvilOptions, folder: &Folder) -> Process {
    let processor = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let mut anvil = command(installed(&format!("@foundry-rs/anvil-linux-{processor}/bin/anvil")));
    // It logs each call otherwise, and puts old states into its home.
    anvil.arg("--quiet").env("HOME", folder.path()).current_dir(folder.path());
    anvil.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--chain-id", &options.chain_id.to_string()]);
    anvil.args(["--config-out", "config.json"]);
    if let Some(seconds) = options.block_time {
        anvil.args(["--block-time", &seconds.to_string()]);
    }
    Process::start("anvil", &mut anvil)
}

/// The accounts, as it writes them at its start: now and then after it answers.
async fn dev_accounts(folder: &Folder) -> Vec<DevAccount> {
    let config = eventually("anvil has written its configuration", || async {
        let text = std::fs::read_to_string(folder.path().join("config.json")).map_err(|error| error.to_string())?;
        serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())
    })
    .await;
    let listed = |name: &str| config[name].as_array().cloned().unwrap_or_default();
    let pairs = listed("available_accounts").into_iter().zip(listed("private_keys"));
    pairs
        .map(|(address, key)| DevAccount {
            address: serde_json::from_value(address).expect("an address"),
            key: serde_json::from_value(key).expect("a key"),
        })
        .collect()
}
