use super::super::testing::{ask, chain, malformed, no_route, refusal, signed_by, swap, with, without};
use super::super::upstream::NATIVE;
use super::*;
use crate::sources::http::fake::{Answer, Fake};

const PRICE: &str = include_str!("../recorded/lifi-price.json");
const QUOTE: &str = include_str!("../recorded/lifi-quote.json");
const MIVA: &str = "0x63e62989D9EB2d37DFDb1F93a22f063635b07D51";
const ROUTER: &str = "0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE";
/// The signer of the documentation's example, which is the placeholder's address.
const SIGNER: &str = PLACEHOLDER;

fn xdai_for_miva() -> Swap {
    Swap { slippage_bps: 30, ..swap("eip155:100", "native", MIVA, "1000000000000000000") }
}

async fn asked(swap: &Swap, answer: Answer) -> (Fake, Result<SourceQuote, QuoteError>) {
    ask(|http, base| LiFi::new(http, base, Some(Secret::new("hunter2"))), swap, vec![answer]).await
}

#[tokio::test]
async fn a_price_is_asked_for_somebody_else_and_nothing_is_to_sign() {
    // Whatever transaction there is, it is not the caller's.
    for body in [PRICE, QUOTE] {
        let (fake, quote) = asked(&xdai_for_miva(), Answer::ok(body)).await;
        let quote = quote.unwrap();
        let request = &fake.requests()[0];
        let line = format!(
            "GET /api/v1/quote?fromChain=100&toChain=100&fromToken={ZERO}&toToken={MIVA}\
             &fromAmount=1000000000000000000&fromAddress={PLACEHOLDER}&slippage=0.003 HTTP/1.1\r\n"
        );
        assert!(request.starts_with(&line), "{request}");
        assert!(request.contains("\r\nx-lifi-api-key: hunter2\r\n"), "{request}");
        assert_eq!(quote.amount_out.to_string(), "21922914496086353975");
        assert_eq!(quote.min_amount_out.unwrap().to_string(), "21265227061203763356");
        assert_eq!((quote.gas, quote.price_impact_bps, quote.transaction), (Some(252_364), None, None));
        assert_eq!(quote.route.len(), 1);
        assert_eq!((quote.route[0].exchange.as_str(), quote.route[0].from.as_str()), ("1inch", NATIVE));
    }
}

#[tokio::test]
async fn a_quote_is_a_transaction_of_the_signer() {
    let (_, quote) = asked(&signed_by(SIGNER, xdai_for_miva()), Answer::ok(QUOTE)).await;
    let transaction = quote.unwrap().transaction.unwrap();
    assert_eq!((transaction.to.as_deref(), transaction.spender), (Some(ROUTER), None));
    assert_eq!((transaction.value.as_u128(), transaction.gas), (1_000_000_000_000_000_000, Some(0x55730)));
}

#[tokio::test]
async fn a_token_that_is_sold_has_to_be_allowed() {
    let sells = signed_by(SIGNER, swap("eip155:100", MIVA, "native", "1000000000000000000"));
    let body = with(&with(QUOTE, "/action/fromToken/address", MIVA), "/action/toToken/address", ZERO);
    let (_, quote) = asked(&sells, Answer::ok(&body)).await;
    assert_eq!(malformed(quote), "its transaction takes another amount of the chain's coin");
    let body = with(&body, "/transactionRequest/value", "0x0");
    let (_, quote) = asked(&sells, Answer::ok(&body)).await;
    let spender = quote.unwrap().transaction.unwrap().spender;
    assert_eq!(spender.as_deref(), Some(ROUTER));
    let (_, quote) = asked(&sells, Answer::ok(with(&body, "/estimate/approvalAddress", ZERO))).await;
    assert_eq!(malformed(quote), "who is to be allowed to take the token is not an address");
}

#[tokio::test]
async fn it_may_be_asked_without_a_key() {
    let (fake, quote) = ask(|http, base| LiFi::new(http, base, None), &xdai_for_miva(), vec![Answer::ok(PRICE)]).await;
    assert!(quote.is_ok() && !fake.requests()[0].contains("x-lifi-api-key"));
}

#[tokio::test]
async fn no_route_and_refusals_are_told() {
    let swap = xdai_for_miva();
    let (_, quote) = asked(&swap, refusal("404 Not Found", include_str!("../recorded/lifi-no-route.json"))).await;
    assert_eq!(no_route(quote), "Unable to find a quote for the requested transfer.");
    let refused = include_str!("../recorded/lifi-refusal.json");
    let (_, quote) = asked(&swap, refusal("401 Unauthorized", refused)).await;
    assert_eq!(malformed(quote), "HTTP 401");
    let (_, quote) = asked(&swap, refusal("400 Bad Request", refused)).await;
    assert_eq!(no_route(quote), "Invalid API key ***");
    let (_, quote) = asked(&swap, Answer::ok(with(PRICE, "/estimate/toAmount", "0"))).await;
    assert_eq!(no_route(quote), "it would pay nothing");
}

#[tokio::test]
async fn hostile_answers_are_not_believed() {
    let swap = signed_by(SIGNER, xdai_for_miva());
    let mut bodies = vec!["<html>welcome</html>".to_owned(), "{}".to_owned(), "\"quote\"".to_owned()];
    for (place, values) in [
        ("/estimate/toAmount", vec!["-1", "1.5", "0x5", "", &"9".repeat(79)]),
        ("/estimate/fromAmount", vec!["1", "1e18"]),
        ("/action/fromToken/address", vec![MIVA, "xDai"]),
        ("/action/toToken/address", vec![ZERO]),
        ("/action/fromAddress", vec![ROUTER]),
        ("/action/toAddress", vec![ROUTER]),
        ("/transactionRequest/from", vec![ROUTER]),
        ("/transactionRequest/to", vec!["", "0x1231", ZERO]),
        ("/transactionRequest/data", vec!["", "0x", "0x4630a0d"]),
        ("/transactionRequest/value", vec!["0x0", "0xde0b6b3a7640001", "-1", "1.0", "0x"]),
        ("/transactionRequest/gasLimit", vec!["0x", "-1", "0xffffffffffffffffff"]),
        ("/includedSteps/0/action/toToken/address", vec!["MIVA"]),
    ] {
        bodies.extend(values.into_iter().map(|value| with(QUOTE, place, value)));
    }
    for place in ["/action/fromChainId", "/action/toChainId", "/transactionRequest/chainId"] {
        bodies.push(with(QUOTE, place, 1));
    }
    bodies.push(with(QUOTE, "/estimate/toAmount", 5));
    bodies.push(with(QUOTE, "/estimate/gasCosts/0/estimate", 1.5));
    for place in ["/estimate", "/estimate/toAmount", "/action", "/transactionRequest", "/transactionRequest/value"] {
        bodies.push(without(QUOTE, place));
    }
    for body in bodies {
        let (_, quote) = asked(&swap, Answer::ok(&body)).await;
        assert!(malformed(quote).len() < 200, "{body}");
    }
}

#[test]
fn it_serves_evm_chains_that_it_knows() {
    assert!(CHAINS.is_sorted());
    let http = crate::sources::http::fake::client(crate::sources::http::HttpOptions::default());
    let source = LiFi::new(http, "http://localhost".parse().unwrap(), None);
    assert_eq!(source.name(), "lifi");
    assert!(source.serves(&chain("eip155:1")) && source.serves(&chain("eip155:100")));
    assert!(!source.serves(&chain("eip155:11155111")));
    assert!(!source.serves(&chain("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")));
}
