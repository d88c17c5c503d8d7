//! Services that quote swaps, asked by the compiled server: at once, each with its key, which nobody else sees.

use serde_json::{Value, json};
use support::anvil::{Anvil, AnvilOptions};
use support::local::Local;

use super::numbers::whole;
use super::upstreams::{Call, Upstreams, recorded};
use super::world::{Question, RECIPIENT, said, text};
use crate::graphql::server::{SECRET, token};

const DAI: &str = "0x6B175474E89094C44Da98b954EedeAC495271d0F";
const KEYS: [&str; 4] = ["zerox-key-4711", "oneinch-key-4712", "lifi-key-4713", "jupiter-key-4714"];
const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const SOLANA_USER: &str = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV";

/// A server that logs all it does, with `more` variables.
async fn local(upstreams: &Upstreams, more: &[(&str, &str)]) -> Local {
    let urls = ["0x", "1inch", "lifi", "jupiter"].map(|whom| format!("{}/{whom}", upstreams.url));
    let variables = [
        ("PRICE_SOURCES", "simulated"),
        ("RUST_LOG", "trace"),
        ("JWT_SECRET", SECRET),
        ("ZEROX_URL", &urls[0]),
        ("ZEROX_API_KEY", KEYS[0]),
        ("ONEINCH_URL", &urls[1]),
        ("ONEINCH_API_KEY", KEYS[1]),
        ("LIFI_URL", &urls[2]),
        ("LIFI_API_KEY", KEYS[2]),
        ("JUPITER_URL", &urls[3]),
        ("JUPITER_API_KEY", KEYS[3]),
    ];
    Local::start(&[&variables, more].concat()).await
}

async fn ask(local: &Local, question: &Question) -> (Value, String) {
    let request = reqwest::Client::new().post(local.url("/graphql")).header("content-type", "application/json");
    let request = request.bearer_auth(token("ada", "USER")).body(json!({ "query": question.query() }).to_string());
    let text = request.send().await.expect("it answers").text().await.expect("a text");
    let mut answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(answer["errors"].is_null(), "{answer}");
    (answer["data"]["defiSwapQuote"].take(), text)
}

/// No key is in the answer, nor in anything that the process printed until its end.
async fn nobody_sees_a_key(local: Local, answer: &str) {
    let output = local.stop("TERM").await.output;
    assert!(output.contains("defiSwapQuote") || output.contains("answered"), "it does log: {output}");
    for key in KEYS {
        assert!(!answer.contains(key), "{key} is in {answer}");
        assert!(!output.contains(key), "{key} is in the log");
    }
}

fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    call.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_else(|| panic!("no {name}: {call:?}"))
}

#[tokio::test]
async fn services_are_asked_at_once_each_with_its_own_key_which_is_never_seen_again() {
    let anvil = Anvil::start(AnvilOptions { chain_id: 1, ..AnvilOptions::default() }).await;
    // None of the three is answered before all have been asked: one after the other would never end.
    let upstreams = Upstreams::start(3).await;
    let nodes = format!("ethereum={}", anvil.url());
    let local = local(&upstreams, &[("EVM_RPC_URLS", &nodes), ("QUOTE_SOURCES", "0x,1inch,lifi")]).await;
    let question = Question { chain: "ethereum".to_owned(), slippage_bps: 30, ..Question::new("ETH", DAI, whole(1)) };
    let (quote, text_of_answer) = ask(&local, &question).await;

    let [zerox, oneinch, lifi] = <[Call; 3]>::try_from(upstreams.calls()).expect("three calls");
    assert_eq!(
        (zerox.whom.as_str(), header(&zerox, "0x-api-key"), header(&zerox, "0x-version")),
        ("0x", KEYS[0], "v2")
    );
    assert_eq!(header(&oneinch, "authorization"), format!("Bearer {}", KEYS[1]));
    assert_eq!(header(&lifi, "x-lifi-api-key"), KEYS[2]);
    assert_eq!((zerox.query["slippageBps"].as_str(), oneinch.query["slippage"].as_str()), ("30", "0.3"));
    assert_eq!(lifi.query["slippage"], "0.003");
    for (call, taker) in [(&zerox, "taker"), (&oneinch, "from"), (&lifi, "fromAddress")] {
        assert_eq!(call.query[taker], text(RECIPIENT), "{call:?}");
        assert!(call.query.values().all(|value| KEYS.iter().all(|key| !value.contains(key))), "{call:?}");
    }

    assert_eq!(quote["source"], "0x", "{quote}");
    assert_eq!(quote["amountOut"], recorded("zerox-quote.json")["buyAmount"]);
    assert_eq!(quote["transaction"]["data"], recorded("zerox-quote.json")["transaction"]["data"]);
    assert_eq!(quote["transaction"]["value"], whole(1).to_string());
    assert!(quote["transaction"]["spender"].is_null(), "the coin needs no allowance: {quote}");
    assert_eq!(said(&quote, "1inch")["amountOut"], recorded("oneinch-swap.json")["dstAmount"]);
    assert_eq!(said(&quote, "lifi")["amountOut"], recorded("lifi-quote.json")["estimate"]["toAmount"]);
    nobody_sees_a_key(local, &text_of_answer).await;
}

#[tokio::test]
async fn on_solana_jupiter_quotes_and_makes_the_transaction() {
    let upstreams = Upstreams::start(1).await;
    // Nobody is there: for a quote no node is asked.
    let local = local(&upstreams, &[("SOLANA_RPC_URLS", "solana=http://127.0.0.1:9")]).await;
    let question = Question {
        chain: "solana".to_owned(),
        slippage_bps: 100,
        recipient: Some(SOLANA_USER.to_owned()),
        ..Question::new("SOL", USDC, 100_000_000)
    };
    let (quote, text_of_answer) = ask(&local, &question).await;
    assert_eq!((&quote["source"], &quote["amountOut"]), (&json!("jupiter"), &json!("17057460")), "{quote}");
    assert_eq!(quote["minAmountOut"], "16886885");
    assert_eq!(quote["transaction"]["data"], recorded("jupiter-swap.json")["swapTransaction"]);
    let calls = upstreams.calls();
    assert_eq!(calls.iter().map(|call| call.path.as_str()).collect::<Vec<_>>(), ["swap/v1/quote", "swap/v1/swap"]);
    assert!(calls.iter().all(|call| header(call, "x-api-key") == KEYS[3]));
    let sent: Value = serde_json::from_str(&calls[1].body).expect("JSON");
    assert_eq!(
        (&sent["userPublicKey"], &sent["quoteResponse"]),
        (&json!(SOLANA_USER), &recorded("jupiter-quote.json"))
    );
    nobody_sees_a_key(local, &text_of_answer).await;
}
