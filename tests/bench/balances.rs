//! A hundred balances, of coins and tokens, on two EVM chains and Solana's virtual machine: through the adapters, which ask for
//! many at once, beside a bare loop that asks one by one, as `Provider::get_balance` and a contract's `balanceOf` do.
//!
//! Both ask the same nodes through the same proxies, which count; rounds are interleaved, and the medians count. The
//! nodes are on this machine: what each request costs elsewhere, its way there and back, is hardly in these times. There is no
//! budget.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ethers::abi::Token;
use ethers::types::{Address, U256};
use futures_util::future::join_all;
use mcp_core::app;
use mcp_core::platform::config::Vars;
use mcp_core::sources::chains::{BalanceQuery, Chains};
use serde_json::json;
use support::anvil::{Anvil, AnvilOptions, call_data};
use support::json_rpc::JsonRpc;
use support::rpc_proxy::RpcProxy;
use support::solana::SolanaNode;
use support::uniswap::test_token;

const ROUNDS: usize = 9;
/// Of each EVM chain, and of Solana: 100 in all.
const COINS: [usize; 2] = [25, 5];
const TOKENS: [usize; 2] = [20, 5];

/// A chain, and what is asked of it.
struct Asked {
    chain: String,
    proxy: RpcProxy,
    queries: Vec<BalanceQuery>,
    // Runs as long as it is asked.
    _node: Node,
}

enum Node {
    Evm { _anvil: Anvil },
    Solana { _node: SolanaNode },
}

#[tokio::main]
async fn main() {
    let asked = [evm(31_337).await, evm(7777).await, solana().await];
    let nodes = |of_solana: bool| {
        let named = asked.iter().filter(|asked| asked.chain.starts_with("solana") == of_solana);
        named.map(|asked| format!("{}={}", asked.chain, asked.proxy.url())).collect::<Vec<_>>().join(";")
    };
    let vars = Vars::from_iter([("EVM_RPC_URLS", nodes(false)), ("SOLANA_RPC_URLS", nodes(true))]);
    let chains = app::chains(&vars).expect("there are chains");
    // Which chains they serve and what tokens are called is asked once.
    together(&chains, &asked).await;
    let clients: Vec<_> = asked.iter().map(|asked| JsonRpc::new(&asked.proxy.url())).collect();
    one_by_one(&clients, &asked).await;

    let (mut ours, mut bare) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        ours.push(measured(&asked, together(&chains, &asked)).await);
        bare.push(measured(&asked, one_by_one(&clients, &asked)).await);
    }
    let ([requests, bare_requests], [time, bare_time]) = ([ours[0].0, bare[0].0], [median(ours), median(bare)]);
    let count: usize = asked.iter().map(|asked| asked.queries.len()).sum();
    println!("{count} balances on {} chains:", asked.len());
    println!("  requests: {requests}, one by one {bare_requests}, ratio {:.2}", ratio(requests, bare_requests));
    let [ms, bare_ms] = [time, bare_time].map(|time| time.as_secs_f64() * 1000.0);
    println!("  time: {ms:.1} ms, one by one {bare_ms:.1} ms, ratio {:.2}", ms / bare_ms);
}

/// An EVM chain with accounts that hold coins and tokens.
async fn evm(chain_id: u64) -> Asked {
    let anvil = Anvil::start(AnvilOptions { chain_id, ..AnvilOptions::default() }).await;
    let tokens = [test_token(&anvil, U256::exp10(24)).await, test_token(&anvil, U256::exp10(24)).await];
    let holder = |number: usize| Address::from_low_u64_be(0x7000 + number as u64);
    let owner = anvil.accounts()[0].address;
    for number in 0..COINS[0] {
        anvil.set_balance(holder(number), U256::exp10(18)).await;
    }
    for number in 0..TOKENS[0] {
        let transfer = [Token::Address(holder(number)), Token::Uint(U256::exp10(18))];
        let token = tokens[number % tokens.len()];
        anvil.send(owner, token, call_data("transfer(address,uint256)", &transfer), U256::zero()).await;
    }
    let coins = (0..COINS[0]).map(|number| BalanceQuery { address: format!("{:?}", holder(number)), token: None });
    let of_tokens = (0..TOKENS[0]).map(|number| BalanceQuery {
        address: format!("{:?}", holder(number)),
        token: Some(format!("{:?}", tokens[number % tokens.len()])),
    });
    let queries = coins.chain(of_tokens).collect();
    let proxy = RpcProxy::before(&anvil.url()).await;
    Asked { chain: format!("eip155:{chain_id}"), proxy, queries, _node: Node::Evm { _anvil: anvil } }
}

async fn solana() -> Asked {
    let node = SolanaNode::start().await;
    let mint = node.create_mint(6).await;
    let mut queries = vec![];
    for number in 0..COINS[1].max(TOKENS[1]) {
        let address = node.keys_with(1_000_000_000).await.address;
        node.mint_to(&mint, &address, 5_000_000).await;
        let held = [(number < COINS[1]).then_some(None), (number < TOKENS[1]).then_some(Some(mint.clone()))];
        queries.extend(held.into_iter().flatten().map(|token| BalanceQuery { address: address.clone(), token }));
    }
    let genesis = node.rpc("getGenesisHash", json!([])).await;
    let chain = format!("solana:{}", &genesis.as_str().expect("a hash")[..32]);
    let proxy = RpcProxy::before(&node.url()).await;
    Asked { chain, proxy, queries, _node: Node::Solana { _node: node } }
}

/// Through the adapters: all chains at once.
async fn together(chains: &Arc<Chains>, asked: &[Asked]) {
    let all = asked.iter().map(|asked| async {
        let adapter = chains.find(&asked.chain).expect("it is configured");
        for balance in adapter.get_balances(&asked.queries).await {
            assert!(!balance.expect("a balance").amount.units.is_zero());
        }
    });
    join_all(all).await;
}

async fn one_by_one(clients: &[JsonRpc], asked: &[Asked]) {
    for (client, Asked { chain, queries, .. }) in clients.iter().zip(asked) {
        for BalanceQuery { address, token } in queries {
            let (method, params) = match (chain.starts_with("solana"), token) {
                (true, None) => ("getBalance", json!([address])),
                (true, Some(mint)) => {
                    ("getTokenAccountsByOwner", json!([address, { "mint": mint }, { "encoding": "jsonParsed" }]))
                }
                (false, None) => ("eth_getBalance", json!([address, "latest"])),
                (false, Some(token)) => {
                    let owner = Token::Address(address.parse().expect("an address"));
                    let data = call_data("balanceOf(address)", &[owner]);
                    ("eth_call", json!([{ "to": token, "data": data }, "latest"]))
                }
            };
            client.call(method, params).await;
        }
    }
}

/// The requests that some work makes, and the time that it takes.
async fn measured(asked: &[Asked], work: impl Future<Output = ()>) -> (usize, Duration) {
    for Asked { proxy, .. } in asked {
        proxy.forget();
    }
    let started = Instant::now();
    work.await;
    let elapsed = started.elapsed();
    (asked.iter().map(|asked| asked.proxy.requests()).sum(), elapsed)
}

fn median(rounds: Vec<(usize, Duration)>) -> Duration {
    let mut times: Vec<_> = rounds.into_iter().map(|(_, time)| time).collect();
    times.sort();
    times[times.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "they are few")]
fn ratio(ours: usize, bare: usize) -> f64 {
    ours as f64 / bare as f64
}
