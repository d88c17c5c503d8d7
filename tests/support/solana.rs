//! A Solana node that one test owns. It is a front of ours over litesvm, a real virtual machine in process, and no validator:
//! `tests/chains/solana.mjs` says what is real and what is not.

use serde_json::{Value, json};
use std::ffi::OsString;

use crate::chains::{installed, script};
use crate::eventually::eventually;
use crate::json_rpc::{JsonRpc, RpcError};
use crate::ports::free_port;
use crate::process::{Process, command};

/// How it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not at all.
    None,
    /// With the status 429.
    TooManyRequests,
    /// With bytes that are not JSON.
    Garbage,
    /// Its head is this many slots behind, and what landed since is not shown.
    Lag(u64),
}

/// A key pair.
#[derive(Clone, Debug)]
pub struct SolanaKeys {
    /// The account, in base58.
    pub address: String,
    /// The 64 bytes that wallets export, in base58.
    pub secret: String,
}

/// What a transfer moves.
#[derive(Clone, Copy, Debug)]
pub struct Transfer<'a> {
    /// Who pays, and signs.
    pub from: &'a SolanaKeys,
    /// Who gets it; of tokens, their associated account, which is opened if need be.
    pub to: &'a str,
    /// Lamports, or the token's smallest units.
    pub amount: u64,
    /// The token. `None`: lamports.
    pub mint: Option<&'a str>,
    /// A memo besides.
    pub memo: Option<&'a str>,
    /// Version 0 instead of a legacy transaction.
    pub versioned: bool,
}

/// A running node, on a port of its own. Killed when dropped.
#[derive(Debug)]
pub struct SolanaNode {
    port: u16,
    rpc: JsonRpc,
    process: Process,
}

impl SolanaNode {
    /// A running one, at slot 1000 of a chain with a genesis of its own.
    pub async fn start() -> Self {
        let port = free_port();
        let rpc = JsonRpc::new(&format!("http://127.0.0.1:{port}"));
        let mut node = Self { port, rpc, process: run(port) };
        node.answers().await;
        node
    }

    /// Where it answers over HTTP, the same over all restarts.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it answers over a websocket.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again, on the same port. It has forgotten everything: it is another chain.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = run(self.port);
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

    /// New keys, of an account that has nothing.
    pub async fn keys(&self) -> SolanaKeys {
        let keys = self.rpc("test_keys", json!([])).await;
        SolanaKeys { address: text(&keys["address"]), secret: text(&keys["secret"]) }
    }

    /// New keys, of an account that was given this many lamports.
    pub async fn keys_with(&self, lamports: u64) -> SolanaKeys {
        let keys = self.keys().await;
        self.airdrop(&keys.address, lamports).await;
        keys
    }

    /// Gives an account lamports, in a transaction. Returns its signature.
    pub async fn airdrop(&self, to: &str, lamports: u64) -> String {
        text(&self.rpc("requestAirdrop", json!([to, lamports])).await)
    }

    /// A signed transfer in base64, with the newest blockhash. It is not sent.
    pub async fn sign(&self, transfer: Transfer<'_>) -> String {
        let Transfer { from, to, amount, mint, memo, versioned } = transfer;
        let mut asked = json!({ "secret": from.secret, "to": to, "amount": amount, "mint": mint, "memo": memo });
        if versioned {
            asked["version"] = json!(0);
        }
        text(&self.rpc("test_transfer", json!([asked])).await)
    }

    /// A signed transfer of lamports in base64. It is not sent.
    pub async fn sign_transfer(&self, from: &SolanaKeys, to: &str, lamports: u64) -> String {
        self.sign(Transfer { from, to, amount: lamports, mint: None, memo: None, versioned: false }).await
    }

    /// Sends a signed transaction in base64. Returns its signature; a refusal fails the test.
    pub async fn send(&self, transaction: &str) -> String {
        text(&self.rpc("sendTransaction", json!([transaction, { "encoding": "base64" }])).await)
    }

    /// The same without the check before: it lands even if it fails, and pays its fee.
    pub async fn send_unchecked(&self, transaction: &str) -> String {
        let how = json!({ "encoding": "base64", "skipPreflight": true });
        text(&self.rpc("sendTransaction", json!([transaction, how])).await)
    }

    /// Transfers lamports. Returns the signature.
    pub async fn transfer(&self, from: &SolanaKeys, to: &str, lamports: u64) -> String {
        self.send(&self.sign_transfer(from, to, lamports).await).await
    }

    /// A new SPL token. Returns its mint.
    pub async fn create_mint(&self, decimals: u8) -> String {
        text(&self.rpc("test_createMint", json!([{ "decimals": decimals }])).await)
    }

    /// Makes tokens for an account, in its smallest units. Returns the token account.
    pub async fn mint_to(&self, mint: &str, owner: &str, amount: u64) -> String {
        let minted = self.rpc("test_mintTo", json!([{ "mint": mint, "owner": owner, "amount": amount }])).await;
        text(&minted["account"])
    }

    /// Lets slots go by without a transaction: after 32, what landed is final; after 150, a blockhash is stale. Returns the
    /// newest slot.
    pub async fn advance(&self, slots: u64) -> u64 {
        self.rpc("test_advanceSlots", json!([slots])).await.as_u64().expect("a slot")
    }

    /// From now on, what lands is confirmed when so many slots lie above it; at first, at once.
    pub async fn confirm_after(&self, slots: u64) {
        self.rpc("test_confirmAfter", json!([slots])).await;
    }

    /// Lands signed transactions in base64 in one slot, in this order. Returns the slot.
    pub async fn land_together(&self, transactions: &[String]) -> u64 {
        self.rpc("test_landTogether", json!([transactions])).await.as_u64().expect("a slot")
    }

    /// Fails from now on, over HTTP; what this type itself asks with `test_` methods still works.
    pub async fn fail(&self, failure: Failure) {
        let asked = match failure {
            Failure::None => json!({ "mode": null }),
            Failure::TooManyRequests => json!({ "mode": "429" }),
            Failure::Garbage => json!({ "mode": "garbage" }),
            Failure::Lag(slots) => json!({ "mode": "lag", "slots": slots }),
        };
        self.rpc("test_fail", json!([asked])).await;
    }

    async fn answers(&mut self) {
        let Self { process, rpc, .. } = self;
        eventually("the Solana node answers", || {
            let state = if process.is_running() { Ok(()) } else { Err(process.output().text()) };
            let rpc = rpc.clone();
            async move {
                state?;
                rpc.try_call("getHealth", json!([])).await.map_err(|error| error.to_string())
            }
        })
        .await;
    }
}

fn run(port: u16) -> Process {
    // Said before node says it less clearly.
    installed("litesvm/package.json");
    Process::start("solana.mjs", command(node()).arg(script("solana.mjs")).arg(port.to_string()))
}

/// The Node to run it with, which is not always the system's: litesvm needs version 20.
fn node() -> OsString {
    std::env::var_os("TEST_NODE").unwrap_or_else(|| "node".into())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}
