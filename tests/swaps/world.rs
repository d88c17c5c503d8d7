//! A chain with Uniswap on it, servers that quote from it, and how they are asked.

use ethers::types::{Address, U256};
use ethers::utils::to_checksum;
use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions};
use support::uniswap::{Uniswap, owner};

use crate::graphql::server::{Answer, Server};

/// Who receives what is bought: it has nothing before.
pub(super) const RECIPIENT: Address = Address::repeat_byte(0x70);
/// Both versions.
pub(super) const UNISWAP: &str = "uniswap-v2,uniswap-v3";

/// All that is told of a quote.
const FIELDS: &str = "source amountIn amountOut minAmountOut priceImpactBps gasEstimate expiresAt
    route { fromToken toToken exchange pool feePpm shareBps }
    quotes { source amountOut netAmountOut gasEstimate error }
    transaction { to data value gas spender }";

/// A node, and Uniswap on it.
pub(super) struct World {
    /// What the chain is called.
    chain: &'static str,
    pub(super) anvil: Anvil,
    pub(super) uniswap: Uniswap,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::on("anvil", AnvilOptions::default()).await
    }

    /// A chain that services know as well: it calls itself Ethereum.
    pub(super) async fn ethereum() -> Self {
        Self::on("ethereum", AnvilOptions { chain_id: 1, ..AnvilOptions::default() }).await
    }

    async fn on(chain: &'static str, options: AnvilOptions) -> Self {
        let anvil = Anvil::start(options).await;
        let uniswap = Uniswap::deploy(&anvil).await;
        Self { chain, anvil, uniswap }
    }

    /// The same, whose owner has wrapped more than any pool can hold, and has as much left.
    pub(super) async fn rich() -> Self {
        let world = Self::start().await;
        world.anvil.set_balance(owner(&world.anvil), U256::one() << 121).await;
        world.uniswap.wrap(&world.anvil, U256::one() << 120).await;
        world
    }

    /// The value of `UNISWAP_DEPLOYMENTS`. The wrapped coin is a base token, and so are `more`.
    pub(super) fn deployments(&self, more: &[Address], symbols: &[(&str, Address)]) -> String {
        let Uniswap { weth, multicall, v2_factory, v2_router, v3_factory, quoter_v2, v3_router, .. } = self.uniswap;
        let base_tokens = [&[weth], more].concat();
        let tokens: serde_json::Map<_, _> = [("WETH", weth)]
            .iter()
            .chain(symbols)
            .map(|(symbol, token)| ((*symbol).to_owned(), json!(token)))
            .collect();
        let deployment = json!({
            "wrapped": weth, "multicall": multicall, "baseTokens": base_tokens, "tokens": tokens,
            "v2": { "factory": v2_factory, "router": v2_router },
            "v3": { "factory": v3_factory, "quoter": quoter_v2, "router": v3_router },
        });
        json!({ self.chain: deployment }).to_string()
    }

    /// A server that asks `sources`, at this node.
    pub(super) async fn server(&self, sources: &str, deployments: &str) -> Server {
        self.server_with(&self.anvil.url(), deployments, &[("QUOTE_SOURCES", sources)]).await
    }

    /// A server that asks a node at `url`, with more variables.
    pub(super) async fn server_with(&self, url: &str, deployments: &str, more: &[(&str, &str)]) -> Server {
        let nodes = format!("{}={url}", self.chain);
        let ours = [("RATE_LIMITS", "off"), ("EVM_RPC_URLS", nodes.as_str()), ("UNISWAP_DEPLOYMENTS", deployments)];
        Server::start_with(&[&ours, more].concat()).await
    }
}

/// A quote, or the code and the words of the error.
pub(super) type Outcome = Result<Value, (String, String)>;

/// A swap to ask for.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) amount: String,
    pub(super) slippage_bps: i64,
    pub(super) chain: String,
    pub(super) recipient: Option<String>,
}

impl Question {
    /// On the node's chain, without slippage, for [`RECIPIENT`].
    pub(super) fn new(from: impl Into<String>, to: impl Into<String>, amount: impl ToString) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            amount: amount.to_string(),
            slippage_bps: 0,
            chain: "anvil".to_owned(),
            recipient: Some(text(RECIPIENT)),
        }
    }

    /// The document to send.
    pub(super) fn query(&self) -> String {
        let string = |text: &str| Value::from(text).to_string();
        let recipient = self.recipient.as_deref().map_or_else(|| "null".to_owned(), string);
        format!(
            "{{ defiSwapQuote(input: {{ chain: {}, fromToken: {}, toToken: {}, amount: {}, slippageBps: {}, recipient: {recipient} }}) \
             {{ {FIELDS} }} }}",
            string(&self.chain),
            string(&self.from),
            string(&self.to),
            string(&self.amount),
            self.slippage_bps,
        )
    }

    /// Whatever comes back.
    pub(super) async fn ask(&self, server: &Server) -> Answer {
        server.user("ada", &self.query()).await
    }

    /// The quote. An error fails the test.
    pub(super) async fn quote(&self, server: &Server) -> Value {
        self.ask(server).await.data()["defiSwapQuote"].take()
    }

    /// Whatever comes back, read.
    pub(super) async fn outcome(&self, server: &Server) -> Outcome {
        let answer = self.ask(server).await;
        let mut body = answer.json();
        let error = &body["errors"][0];
        if error.is_null() {
            return Ok(body["data"]["defiSwapQuote"].take());
        }
        Err((answer.code(), error["message"].as_str().unwrap_or_default().to_owned()))
    }
}

/// An address with its checksum.
pub(super) fn text(address: Address) -> String {
    to_checksum(&address, None)
}

/// What a source said, of all in an answer.
#[track_caller]
pub(super) fn said<'a>(quote: &'a Value, source: &str) -> &'a Value {
    let quotes = quote["quotes"].as_array().expect("a list");
    quotes.iter().find(|said| said["source"] == source).unwrap_or_else(|| panic!("{source} said nothing: {quote}"))
}
