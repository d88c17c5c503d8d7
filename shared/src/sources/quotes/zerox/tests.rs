use super::super::testing::{ask, chain, malformed, no_route, refusal, signed_by, swap, with, without};
use super::*;
use crate::sources::SourceError;
use crate::sources::http::fake::{Answer, Fake};

const PRICE: &str = include_str!("../recorded/zerox-price.json");
const QUOTE: &str = include_str!("../recorded/zerox-quote.json");
const WETH: &str = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
const USDC: &str = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
const DAI: &str = "0x6B175474E89094C44Da98b954EedeAC495271d0F";
const TAKER: &str = "0x70a9f34f9b34c64957b9c401a97bfed35b95049e";
const HOLDER: &str = "0x0000000000001ff3684f28c67538d4d072c22734";

fn weth_for_dai() -> Swap {
    swap("eip155:1", WETH, DAI, "100000000000000000000")
}

async fn asked(swap: &Swap, answer: Answer) -> (Fake, Result<SourceQuote, QuoteError>) {
    ask(|http, base| ZeroX::new(http, base, Secret::new("hunter2")), swap, vec![answer]).await
}

#[tokio::test]
async fn a_price_is_for_nobody() {
    let (fake, quote) = asked(&weth_for_dai(), Answer::ok(PRICE)).await;
    let quote = quote.unwrap();
    let request = &fake.requests()[0];
    let line = format!(
        "GET /api/swap/allowance-holder/price?chainId=1&sellToken={WETH}&buyToken={DAI}\
         &sellAmount=100000000000000000000&slippageBps=100 HTTP/1.1\r\n"
    );
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains("\r\n0x-api-key: hunter2\r\n") && request.contains("\r\n0x-version: v2\r\n"), "{request}");
    assert_eq!(quote.amount_out.to_string(), "458050129388884000000000");
    assert_eq!(quote.min_amount_out.unwrap().to_string(), "453462747021444000000000");
    assert_eq!((quote.gas, quote.price_impact_bps, quote.transaction), (Some(1_116_817), None, None));
    let steps: Vec<_> = quote.route.iter().map(|hop| (hop.exchange.as_str(), hop.share_bps)).collect();
    assert_eq!(steps, [("Uniswap_V3", 3251), ("0x_RFQ", 333), ("Maker_PSM", 10_000)]);
    assert_eq!(quote.route[0].to, USDC);
}

#[tokio::test]
async fn a_quote_is_a_transaction_of_the_taker() {
    let (fake, quote) = asked(&signed_by(TAKER, weth_for_dai()), Answer::ok(QUOTE)).await;
    let quote = quote.unwrap();
    let request = &fake.requests()[0];
    assert!(request.starts_with("GET /api/swap/allowance-holder/quote?chainId=1&"), "{request}");
    assert!(request.contains(&format!("&taker={TAKER} HTTP/1.1")), "{request}");
    assert_eq!(quote.gas, Some(832_055));
    let transaction = quote.transaction.unwrap();
    assert_eq!((transaction.to.as_deref(), transaction.spender.as_deref()), (Some(HOLDER), Some(HOLDER)));
    assert_eq!((transaction.value, transaction.gas), (0.into(), Some(832_055)));
    assert!(transaction.data.starts_with("0x2213bc0b"));
}

#[tokio::test]
async fn who_has_allowed_enough_still_learns_whom() {
    let body = with(QUOTE, "/issues/allowance", serde_json::Value::Null);
    let (_, quote) = asked(&signed_by(TAKER, weth_for_dai()), Answer::ok(body)).await;
    assert_eq!(quote.unwrap().transaction.unwrap().spender.as_deref(), Some(HOLDER));
}

#[tokio::test]
async fn the_chains_own_coin_has_an_address_of_its_own() {
    let sells = signed_by(TAKER, swap("eip155:1", "native", DAI, "100000000000000000000"));
    let body = with(QUOTE, "/sellToken", NATIVE.to_lowercase());
    let (fake, quote) = asked(&sells, Answer::ok(&body)).await;
    assert!(fake.requests()[0].contains(&format!("&sellToken={NATIVE}&")));
    assert_eq!(malformed(quote), "its transaction takes another amount of the chain's coin");
    let (_, quote) = asked(&sells, Answer::ok(with(&body, "/transaction/value", "100000000000000000000"))).await;
    let transaction = quote.unwrap().transaction.unwrap();
    assert_eq!((transaction.value, transaction.spender), (sells.amount, None));
}

#[tokio::test]
async fn no_liquidity_and_refusals_are_told() {
    let swap = weth_for_dai();
    let (_, quote) = asked(&swap, Answer::ok(include_str!("../recorded/zerox-no-route.json"))).await;
    assert_eq!(no_route(quote), "no liquidity");
    let refused = include_str!("../recorded/zerox-refusal.json");
    let (_, quote) = asked(&swap, refusal("400 Bad Request", refused)).await;
    assert_eq!(no_route(quote), "Invalid ethereum address");
    let (_, quote) = asked(&swap, refusal("401 Unauthorized", refused)).await;
    assert_eq!(malformed(quote), "HTTP 401");
    let (_, quote) = asked(&swap, Answer::ok(with(PRICE, "/buyAmount", "0"))).await;
    assert_eq!(no_route(quote), "it would pay nothing");
    let (_, quote) = asked(&swap, Answer::status("503 Service Unavailable", "")).await;
    assert!(matches!(quote, Err(QuoteError::Source(SourceError::Unavailable(_)))));
}

#[tokio::test]
async fn hostile_answers_are_not_believed() {
    let swap = signed_by(TAKER, weth_for_dai());
    let mut bodies = vec!["<html>welcome</html>".to_owned(), "{}".to_owned(), String::new(), "[]".to_owned()];
    for (place, values) in [
        ("/buyAmount", vec!["-1", "1.5", "1e9", "", "many", &"9".repeat(79)]),
        ("/sellAmount", vec!["1", "-100000000000000000000"]),
        ("/sellToken", vec![DAI, ""]),
        ("/buyToken", vec![USDC]),
        ("/transaction/to", vec!["", "0x1234", WETH, "0x0000000000000000000000000000000000000000"]),
        ("/transaction/data", vec!["", "0x", "0x2213bc0", "transfer"]),
        ("/transaction/value", vec!["1", "-0", "0.0", "0xffff"]),
        ("/transaction/gas", vec!["-1", "1.5", "99999999999999999999"]),
        ("/issues/allowance/spender", vec![TAKER, ""]),
        ("/route/fills/0/proportionBps", vec!["10001", "-1", "1.5"]),
        ("/route/fills/0/from", vec!["WETH"]),
    ] {
        bodies.extend(values.into_iter().map(|value| with(QUOTE, place, value)));
    }
    bodies.push(with(QUOTE, "/buyAmount", 454_443));
    bodies.push(with(QUOTE, "/buyAmount", 1.5));
    bodies.push(with(QUOTE, "/transaction/value", 0.5));
    bodies.push(with(QUOTE, "/liquidityAvailable", "yes"));
    for place in ["/buyAmount", "/sellToken", "/transaction", "/transaction/value", "/transaction/to"] {
        bodies.push(without(QUOTE, place));
    }
    for body in bodies {
        let (_, quote) = asked(&swap, Answer::ok(&body)).await;
        assert!(malformed(quote).len() < 200, "{body}");
    }
}

#[test]
fn it_serves_the_chains_of_its_documentation() {
    assert!(CHAINS.is_sorted());
    let http = crate::sources::http::fake::client(crate::sources::http::HttpOptions::default());
    let source = ZeroX::new(http, "http://localhost".parse().unwrap(), Secret::new("key"));
    assert_eq!(source.name(), "0x");
    assert!(source.serves(&chain("eip155:1")) && source.serves(&chain("eip155:8453")));
    assert!(!source.serves(&chain("eip155:11155111")));
    assert!(!source.serves(&chain("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")));
}
