//! A chain, a server that sends to it, and what both say of transactions.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use chrono::{TimeDelta, Utc};
use ethers::types::transaction::eip2718::TypedTransaction;
use ethers::types::{Address, Eip1559TransactionRequest, U256};
use ethers_signers::{LocalWallet, Signer};
use mcp_core::app;
use mcp_core::bus::Bus;
use mcp_core::bus::in_process::InProcessBus;
use mcp_core::domain::{RecordedEvent, StreamId};
use mcp_core::platform::config::Vars;
use mcp_core::services::consume::Handler;
use mcp_core::services::project::Projector;
use mcp_core::services::relay::Relay;
use mcp_core::services::watch::{WatchSummary, Watcher};
use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions};
use support::rpc_proxy::RpcProxy;
use tower::ServiceExt;

use crate::graphql::token;
use crate::pipeline::Deployment;

pub(crate) const SEND: &str = "mutation($chain: String!, $signed: String!) { sendTransaction(chain: $chain, signed: $signed) \
    { chain hash state from to nonce submittedAt } }";
/// Nobody's account, that coins are sent to.
pub(super) const TO: Address = Address::repeat_byte(0x70);

pub(crate) struct Scene {
    pub(crate) anvil: Anvil,
    /// Between the server and the node.
    pub(crate) provider: RpcProxy,
    pub(crate) deployment: Deployment,
    router: Router,
    watcher: Arc<Watcher>,
    log: Arc<InProcessBus>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Scene {
    /// One without rate limits.
    pub(crate) async fn new() -> Self {
        Self::with(&[("RATE_LIMITS", "off")]).await
    }

    pub(crate) async fn with(more: &[(&str, &str)]) -> Self {
        let (anvil, deployment) = tokio::join!(Anvil::start(AnvilOptions::default()), Deployment::without_topics());
        let provider = RpcProxy::before(&anvil.url()).await;
        let nodes = format!("anvil={}", provider.url());
        let local = server(&deployment, &[more, &[("EVM_RPC_URLS", nodes.as_str())]].concat()).await;
        let watcher = local.watcher.expect("there is a chain");
        let log = log(&deployment).await;
        Self { anvil, provider, deployment, router: local.router, watcher, log }
    }

    /// A payment of an account, signed: the first nonce is 0.
    pub(crate) async fn payment(&self, account: usize, nonce: u64, wei: u64) -> String {
        self.sign(account, transfer(nonce, wei.into())).await
    }

    /// Anything, signed by an account for the chain that it says.
    pub(crate) async fn sign(&self, account: usize, transaction: impl Into<TypedTransaction>) -> String {
        let transaction = transaction.into();
        let signature = self.wallet(account).sign_transaction(&transaction).await.expect("it can be signed");
        transaction.rlp_signed(&signature).to_string()
    }

    /// The wallet of an account; it signs for no other chain.
    pub(crate) fn wallet(&self, account: usize) -> LocalWallet {
        let key = self.anvil.accounts()[account].key;
        LocalWallet::from_bytes(key.as_bytes()).expect("a key").with_chain_id(31_337_u64)
    }

    /// Hands it in, as a user.
    pub(crate) async fn send(&self, signed: &str) -> Answer {
        ask(&self.router, Some("ada"), SEND, json!({ "chain": "anvil", "signed": signed })).await
    }

    pub(crate) async fn ask(&self, user: Option<&str>, query: &str, variables: Value) -> Answer {
        ask(&self.router, user, query, variables).await
    }

    /// What happened to a transaction, by the names of its events.
    pub(crate) async fn history(&self, hash: &str) -> Vec<String> {
        self.events(hash).await.into_iter().map(|event| event.event_type).collect()
    }

    pub(crate) async fn events(&self, hash: &str) -> Vec<RecordedEvent> {
        let stream = StreamId::of("transaction", &format!("eip155:31337/{hash}"));
        self.deployment.store.load(&stream, None).await.unwrap().events
    }

    /// How many events there are of transactions, whichever.
    pub(crate) async fn all_events(&self) -> i64 {
        self.deployment.count("SELECT count(*) FROM events WHERE event_type LIKE 'Transaction%'").await
    }

    /// How many transactions of an account are on the chain, once the node has mined what it has.
    pub(crate) async fn on_chain(&self, account: usize) -> U256 {
        self.anvil.mined().await;
        let params = json!([self.anvil.accounts()[account].address, "latest"]);
        support::anvil::as_u256(&self.anvil.rpc("eth_getTransactionCount", params).await)
    }

    /// What the nobody has whom payments go to, likewise.
    pub(crate) async fn paid(&self) -> U256 {
        self.anvil.mined().await;
        self.anvil.balance(TO).await
    }

    /// What the node says that became of a transaction, likewise.
    pub(crate) async fn receipt(&self, hash: &str) -> Value {
        self.anvil.mined().await;
        self.anvil.rpc("eth_getTransactionReceipt", json!([hash])).await
    }

    /// A run of the watcher, `minutes` after everything that has happened so far.
    pub(crate) async fn settle(&self, minutes: u32) -> WatchSummary {
        self.anvil.mined().await;
        settle(&self.deployment, &self.log, &self.watcher, minutes).await
    }
}

/// A server in this process, over a deployment's database and Kafka.
pub(super) async fn server(deployment: &Deployment, more: &[(&str, &str)]) -> app::Local {
    let vars = [
        ("DATABASE_URL", deployment.database.as_str()),
        ("KAFKA_BROKERS", deployment.brokers.as_str()),
        ("KAFKA_TOPIC_PREFIX", deployment.prefix.as_str()),
        ("JWT_SECRET", crate::graphql::SECRET),
        ("PRICE_SOURCES", "simulated"),
    ];
    let vars: Vars = vars.iter().chain(more).copied().collect();
    app::local(&vars).await.expect("the server starts")
}

pub(super) async fn ask(router: &Router, user: Option<&str>, query: &str, variables: Value) -> Answer {
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    request = request.header("accept", "application/graphql-response+json");
    if let Some(user) = user {
        request = request.header("authorization", format!("Bearer {}", token(user, "USER")));
    }
    let body = json!({ "query": query, "variables": variables }).to_string();
    let request = request.body(Body::from(body)).expect("a request");
    let (parts, body) = router.clone().oneshot(request).await.expect("a router does not fail").into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a whole body");
    let json = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {bytes:?}"));
    Answer { status: parts.status, headers: parts.headers, json }
}

/// What carries events from the store to the read models, in memory.
pub(super) async fn log(deployment: &Deployment) -> Arc<InProcessBus> {
    let log = InProcessBus::open(":memory:").await.expect("a log in memory");
    log.create_topics(&deployment.topics.specs()).await.expect("topics");
    Arc::new(log)
}

/// What happened is published and projected; then the watcher looks, so many minutes later.
pub(super) async fn settle(
    deployment: &Deployment,
    log: &Arc<InProcessBus>,
    watcher: &Watcher,
    minutes: u32,
) -> WatchSummary {
    let relay = Relay { bus: log.clone(), ..deployment.relay() };
    let published = relay.run(Utc::now() + TimeDelta::seconds(120)).await.expect("it publishes");
    assert_eq!(published.backlog_events, Some(0));
    let (topic, mut records) = (deployment.topic("transaction"), vec![]);
    for state in log.partitions("a test", &topic).await.expect("a topic") {
        records.extend(log.read(&topic, state.partition, state.first, 1000).await.expect("records"));
    }
    Projector { store: deployment.store.clone() }.handle(&records).await;
    deployment.sql(&format!("UPDATE transactions SET updated_at = updated_at - interval '{minutes} minutes'")).await;
    watcher.run("a test", Utc::now() + TimeDelta::seconds(60)).await.expect("a run")
}

impl Answer {
    /// What was sent, of an answer without errors.
    #[track_caller]
    pub(crate) fn sent(&self) -> &Value {
        assert!(self.json.get("errors").is_none() && self.status == StatusCode::OK, "{self:?}");
        &self.json["data"]["sendTransaction"]
    }

    /// The code of a refusal, and its sentence.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (&str, &str) {
        let error = &self.json["errors"][0];
        let code = error["extensions"]["code"].as_str().or_else(|| self.json["code"].as_str());
        let message = error["message"].as_str().or_else(|| self.json["detail"].as_str());
        code.zip(message).unwrap_or_else(|| panic!("{self:?}"))
    }
}

/// A payment, not yet signed.
pub(super) fn transfer(nonce: u64, wei: U256) -> Eip1559TransactionRequest {
    Eip1559TransactionRequest::new()
        .to(TO)
        .value(wei)
        .nonce(nonce)
        .gas(100_000)
        .max_fee_per_gas(10_000_000_000_u64)
        .max_priority_fee_per_gas(1_000_000_000)
        .chain_id(31_337)
}
