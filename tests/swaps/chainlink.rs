//! Chainlink's feeds as a source of prices: exact, or left to the next source.

use chrono::Utc;
use ethers::types::I256;
use serde_json::{Map, Value, json};
use support::anvil::{Anvil, AnvilOptions};
use support::feed::Feed;
use support::rpc_proxy::{Mode, RpcProxy};

use crate::graphql::server::Server;

const HEARTBEAT: u64 = 60;
/// How much later it may be.
const GRACE: u64 = 300;

/// A feed of a test: of which coin, with how many decimals, what it says, and how old that is, in seconds.
type Said<'a> = (&'a str, u8, &'a str, i64);

async fn feeds(anvil: &Anvil, said: &[Said<'_>]) -> String {
    let now = Utc::now().timestamp();
    let mut feeds = Map::new();
    for (coin, decimals, answer, age) in said {
        let feed = Feed::deploy(anvil, *decimals).await;
        let answer = I256::from_dec_str(answer).expect("a number");
        feed.set(anvil, answer, u64::try_from(now - age).expect("after 1970")).await;
        feeds.insert((*coin).to_owned(), json!({ "feed": feed.address, "heartbeatSeconds": HEARTBEAT }));
    }
    json!({ "anvil": feeds }).to_string()
}

async fn server(url: &str, feeds: &str) -> Server {
    let nodes = format!("anvil={url}");
    let sources = ("PRICE_SOURCES", "chainlink,simulated");
    Server::start_with(&[("RATE_LIMITS", "off"), sources, ("EVM_RPC_URLS", &nodes), ("CHAINLINK_FEEDS", feeds)]).await
}

async fn price(server: &Server, coin: &str) -> Value {
    let query = format!("{{ cryptoPrices(coins: [\"{coin}\"]) {{ usd source stale }} }}");
    server.anonymous(&query).await.data()["cryptoPrices"][0].take()
}

#[tokio::test]
async fn a_feed_tells_a_price_with_all_its_decimals() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let (late, future) = (i64::try_from(HEARTBEAT + GRACE).unwrap() - 60, -30);
    let said = [
        ("bitcoin", 8, "6500012345678", 0, "65000.12345678"),
        ("ethereum", 18, "3500250000000000000001", 0, "3500.250000000000000001"),
        ("tether", 0, "1", 0, "1"),
        ("dogecoin", 8, "1", 0, "0.00000001"),
        ("solana", 8, "15000000000", late, "150"),
        ("cardano", 8, "45000000", future, "0.45"),
    ];
    let feeds = feeds(&anvil, &said.map(|(coin, decimals, answer, age, _)| (coin, decimals, answer, age))).await;
    let server = server(&anvil.url(), &feeds).await;
    for (coin, .., usd) in said {
        assert_eq!(price(&server, coin).await, json!({ "usd": usd, "source": "chainlink", "stale": false }), "{coin}");
    }
}

#[tokio::test]
async fn a_feed_that_is_not_to_be_believed_leaves_its_coin_to_the_next_source() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let (old, future) = (i64::try_from(HEARTBEAT + GRACE).unwrap() + 5, -600);
    let said = [
        ("bitcoin", 8, "6500000000000", old),
        ("ethereum", 8, "0", 0),
        ("solana", 8, "-15000000000", 0),
        ("tether", 8, "100000000", future),
        ("cardano", 255, "45000000", 0),
        ("chainlink", 8, "2000000000", 0),
    ];
    let mut feeds: Value = serde_json::from_str(&feeds(&anvil, &said).await).unwrap();
    let nothing = "0x00000000000000000000000000000000000000ab";
    feeds["anvil"]["dogecoin"] = json!({ "feed": nothing, "heartbeatSeconds": HEARTBEAT });
    let server = server(&anvil.url(), &feeds.to_string()).await;
    let coins = r#"["bitcoin", "ethereum", "solana", "tether", "cardano", "dogecoin", "ripple", "chainlink"]"#;
    let answer = server.anonymous(&format!("{{ cryptoPrices(coins: {coins}) {{ coin source }} }}")).await.data();
    for price in answer["cryptoPrices"].as_array().unwrap() {
        let source = if price["coin"] == "chainlink" { "chainlink" } else { "simulated" };
        assert_eq!(price["source"], source, "{price}");
    }
}

#[tokio::test]
async fn without_a_node_the_next_source_is_asked() {
    let anvil = Anvil::start(AnvilOptions::default()).await;
    let feeds = feeds(&anvil, &[("bitcoin", 8, "6500000000000", 0), ("ethereum", 8, "350000000000", 0)]).await;
    let proxy = RpcProxy::before(&anvil.url()).await;
    let server = server(&proxy.url(), &feeds).await;
    proxy.behave(Mode::Refuse).await;
    assert_eq!(price(&server, "bitcoin").await["source"], "simulated");
    proxy.behave(Mode::Pass).await;
    assert_eq!(price(&server, "ethereum").await["source"], "chainlink");
}
