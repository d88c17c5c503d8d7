use super::super::testing::{ask, chain, malformed, no_route, refusal, signed_by, swap, with, without};
use super::*;
use crate::sources::http::fake::{Answer, Fake};

const QUOTE: &str = include_str!("../recorded/oneinch-quote.json");
const SWAP: &str = include_str!("../recorded/oneinch-swap.json");
const INCH: &str = "0x111111111117dC0aa78b770fA6A738034120C302";
const SIGNER: &str = "0x1111111111111111111111111111111111111111";
const ROUTER: &str = "0x1111111254eeb25477b68fb85ed929f73a960582";

fn eth_for_inch() -> Swap {
    Swap { slippage_bps: 50, ..swap("eip155:1", "native", INCH, "10000000000000000") }
}

async fn asked(swap: &Swap, answer: Answer) -> (Fake, Result<SourceQuote, QuoteError>) {
    ask(|http, base| OneInch::new(http, base, Secret::new("hunter2")), swap, vec![answer]).await
}

#[tokio::test]
async fn a_quote_is_for_nobody() {
    let (fake, quote) = asked(&eth_for_inch(), Answer::ok(QUOTE)).await;
    let quote = quote.unwrap();
    let request = &fake.requests()[0];
    let line = format!(
        "GET /api/1/quote?src={NATIVE}&dst={INCH}&amount=10000000000000000\
         &includeTokensInfo=true&includeProtocols=true&includeGas=true HTTP/1.1\r\n"
    );
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains("\r\nauthorization: Bearer hunter2\r\n"), "{request}");
    assert_eq!(quote.amount_out.to_string(), "62131879850006790961");
    assert_eq!((quote.gas, quote.transaction), (Some(100_000), None));
    let step = &quote.route[0];
    assert_eq!((step.exchange.as_str(), step.share_bps, step.from.as_str()), ("UNISWAP_V3", 10_000, NATIVE));
}

#[tokio::test]
async fn a_swap_is_a_transaction_of_the_signer() {
    let (fake, quote) = asked(&signed_by(SIGNER, eth_for_inch()), Answer::ok(SWAP)).await;
    let quote = quote.unwrap();
    let request = &fake.requests()[0];
    assert!(request.starts_with("GET /api/1/swap?"), "{request}");
    let signer = format!("&from={SIGNER}&origin={SIGNER}&slippage=0.5&disableEstimate=true HTTP/1.1");
    assert!(request.contains(&signer), "{request}");
    let transaction = quote.transaction.unwrap();
    assert_eq!((transaction.to.as_deref(), transaction.spender), (Some(ROUTER), None));
    assert_eq!((transaction.value.as_u128(), transaction.gas), (10_000_000_000_000_000, Some(121_363)));
    let shares: Vec<_> = quote.route.iter().map(|hop| (hop.exchange.as_str(), hop.share_bps)).collect();
    assert_eq!(shares, [("UNISWAP_V3", 6000), ("SUSHI", 4000)]);
}

#[tokio::test]
async fn the_router_takes_the_token_that_is_sold() {
    let sells = signed_by(SIGNER, swap("eip155:1", INCH, "native", "5"));
    let (eth, inch) = (NATIVE.to_lowercase(), INCH.to_lowercase());
    let body = with(&with(SWAP, "/srcToken/address", inch), "/dstToken/address", eth);
    let (_, quote) = asked(&sells, Answer::ok(with(&body, "/tx/value", "0"))).await;
    assert_eq!(quote.unwrap().transaction.unwrap().spender.as_deref(), Some(ROUTER));
    let (_, quote) = asked(&sells, Answer::ok(&body)).await;
    assert_eq!(malformed(quote), "its transaction takes another amount of the chain's coin");
}

#[tokio::test]
async fn no_liquidity_and_refusals_are_told() {
    let swap = eth_for_inch();
    let (_, quote) = asked(&swap, refusal("400 Bad Request", include_str!("../recorded/oneinch-no-route.json"))).await;
    assert_eq!(no_route(quote), "insufficient liquidity");
    let refused = include_str!("../recorded/oneinch-refusal.json");
    let (_, quote) = asked(&swap, refusal("401 Unauthorized", refused)).await;
    assert_eq!(malformed(quote), "HTTP 401");
    let (_, quote) = asked(&swap, refusal("400 Bad Request", refused)).await;
    assert_eq!(no_route(quote), "Invalid API key ***");
    let (_, quote) = asked(&swap, Answer::ok(with(QUOTE, "/dstAmount", "0"))).await;
    assert_eq!(no_route(quote), "it would pay nothing");
}

#[tokio::test]
async fn more_slippage_than_it_takes_is_not_asked_for() {
    let swap = Swap { slippage_bps: 5001, ..signed_by(SIGNER, eth_for_inch()) };
    let (fake, quote) = asked(&swap, Answer::ok(SWAP)).await;
    assert_eq!(no_route(quote), "at most 50 % of slippage");
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_route_of_unknown_shape_is_left_out() {
    for protocols in [serde_json::json!({"new": "shape"}), serde_json::json!(null), serde_json::json!([1, 2])] {
        let (_, quote) = asked(&eth_for_inch(), Answer::ok(with(QUOTE, "/protocols", protocols))).await;
        assert!(quote.unwrap().route.is_empty());
    }
}

#[tokio::test]
async fn hostile_answers_are_not_believed() {
    let swap = signed_by(SIGNER, eth_for_inch());
    let mut bodies = vec!["<html>welcome</html>".to_owned(), "{}".to_owned(), "null".to_owned()];
    for (place, values) in [
        ("/dstAmount", vec!["-1", "1.5", "1e9", "", &"9".repeat(79)]),
        ("/srcToken/address", vec![INCH]),
        ("/dstToken/address", vec![SIGNER]),
        ("/tx/from", vec![ROUTER]),
        ("/tx/to", vec!["", "0x11", "0x0000000000000000000000000000000000000000"]),
        ("/tx/data", vec!["", "0x", "0x0502b1c"]),
        ("/tx/value", vec!["0", "10000000000000001", "-1", "0.01"]),
        ("/protocols/0/hops/0/dst", vec!["INCH"]),
    ] {
        bodies.extend(values.into_iter().map(|value| with(SWAP, place, value)));
    }
    bodies.push(with(SWAP, "/dstAmount", 5));
    bodies.push(with(SWAP, "/tx/gas", 1.5));
    bodies.push(with(SWAP, "/tx/gas", -1));
    bodies.push(with(SWAP, "/protocols/0/hops/0/part", 60_000));
    for place in ["/dstAmount", "/tx", "/tx/value", "/tx/to"] {
        bodies.push(without(SWAP, place));
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
    let source = OneInch::new(http, "http://localhost".parse().unwrap(), Secret::new("key"));
    assert_eq!(source.name(), "1inch");
    assert!(source.serves(&chain("eip155:1")) && source.serves(&chain("eip155:42161")));
    assert!(!source.serves(&chain("eip155:11155111")) && !source.serves(&chain("cosmos:cosmoshub-3")));
}
