use super::super::testing::{ask, chain, malformed, no_route, refusal, signed_by, swap, with, without};
use super::*;
use crate::sources::http::fake::{Answer, Fake};

const QUOTE: &str = include_str!("../recorded/jupiter-quote.json");
const SWAP: &str = include_str!("../recorded/jupiter-swap.json");
const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
const SIGNER: &str = "devjnEpxbJUhJ39FSsFz7YPerr5bdxN8VWUXvfbFUK4";

fn sol_for_usdc() -> Swap {
    swap(MAINNET, "native", USDC, "100000000")
}

async fn asked(swap: &Swap, answers: Vec<Answer>) -> (Fake, Result<SourceQuote, QuoteError>) {
    ask(|http, base| Jupiter::new(http, base, Some(Secret::new("hunter2"))), swap, answers).await
}

#[tokio::test]
async fn a_quote_alone_is_one_request() {
    let (fake, quote) = asked(&sol_for_usdc(), vec![Answer::ok(QUOTE)]).await;
    let quote = quote.unwrap();
    assert_eq!(fake.requests().len(), 1);
    let request = &fake.requests()[0];
    let line = format!(
        "GET /api/swap/v1/quote?inputMint={SOL}&outputMint={USDC}&amount=100000000&slippageBps=100 HTTP/1.1\r\n"
    );
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains("\r\nx-api-key: hunter2\r\n"), "{request}");
    assert_eq!((quote.amount_out.as_u64(), quote.price_impact_bps), (17_057_460, Some(1)));
    assert_eq!(quote.min_amount_out.unwrap().as_u64(), 16_886_885);
    assert_eq!((quote.gas, quote.transaction), (None, None));
    let step = &quote.route[0];
    assert_eq!((step.exchange.as_str(), step.share_bps), ("Meteora DLMM", 10_000));
    assert_eq!(step.pool.as_deref(), Some("HXpGFJGCEEFdV31tDmjDBaJMEB1fKLiAoKoWr3Fnonid"));
}

#[tokio::test]
async fn a_quote_goes_back_as_it_came() {
    let (fake, quote) = asked(&signed_by(SIGNER, sol_for_usdc()), vec![Answer::ok(QUOTE), Answer::ok(SWAP)]).await;
    let transaction = quote.unwrap().transaction.unwrap();
    let requests = fake.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].starts_with("POST /api/swap/v1/swap HTTP/1.1\r\n"), "{}", requests[1]);
    assert!(requests[1].contains("\r\nx-api-key: hunter2\r\n"));
    let (_, sent) = requests[1].split_once("\r\n\r\n").unwrap();
    // Spaces, order and all: it is theirs.
    let quote = QUOTE.trim_end();
    assert_eq!(sent, format!(r#"{{"quoteResponse":{quote},"userPublicKey":"{SIGNER}"}}"#));
    assert!(SWAP.contains(&transaction.data));
    assert_eq!((transaction.to, transaction.value, transaction.spender), (None, U256::zero(), None));
}

#[tokio::test]
async fn no_route_and_refusals_are_told() {
    let swap = signed_by(SIGNER, sol_for_usdc());
    let none = include_str!("../recorded/jupiter-no-route.json");
    let (fake, quote) = asked(&swap, vec![refusal("400 Bad Request", none)]).await;
    assert_eq!(no_route(quote), "Could not find any route");
    assert_eq!(fake.requests().len(), 1);
    let refused = include_str!("../recorded/jupiter-refusal.json");
    let (_, quote) = asked(&swap, vec![refusal("400 Bad Request", refused)]).await;
    assert!(no_route(quote).ends_with("is not tradable"));
    let (_, quote) = asked(&swap, vec![refusal("401 Unauthorized", refused)]).await;
    assert_eq!(malformed(quote), "HTTP 401");
    // A quote whose transaction is refused.
    let (_, quote) = asked(&swap, vec![Answer::ok(QUOTE), refusal("422 Unprocessable Entity", none)]).await;
    assert_eq!(no_route(quote), "Could not find any route");
    let (_, quote) = asked(&swap, vec![Answer::ok(with(QUOTE, "/outAmount", "0"))]).await;
    assert_eq!(no_route(quote), "it would pay nothing");
}

#[tokio::test]
async fn more_than_64_bits_are_not_asked_for() {
    let (fake, quote) = asked(&swap(MAINNET, USDC, "native", "18446744073709551616"), vec![Answer::ok(QUOTE)]).await;
    assert_eq!(no_route(quote), "more than there can be of any token on Solana");
    assert!(fake.requests().is_empty());
}

#[test]
fn an_impact_is_a_fraction_and_rounded_up() {
    for (text, bps) in [
        ("0", Some(0)),
        ("0.0001", Some(1)),
        ("0.00010000000000000000001", Some(2)),
        ("-0.00015", Some(-1)),
        ("1", Some(10_000)),
        ("0.0120764177543867690312937842", Some(121)),
        ("1.1", None),
        ("-2", None),
        ("1e30", None),
        ("NaN", None),
        ("", None),
    ] {
        assert_eq!(impact_bps(text), bps, "{text}");
    }
}

#[tokio::test]
async fn newer_answers_tell_shares_more_finely() {
    let body = QUOTE.replace(r#""percent": 100"#, r#""percent": null, "bps": 9999"#);
    let (_, quote) = asked(&sol_for_usdc(), vec![Answer::ok(body)]).await;
    assert_eq!(quote.unwrap().route[0].share_bps, 9999);
}

#[tokio::test]
async fn hostile_quotes_are_not_believed() {
    let swap = signed_by(SIGNER, sol_for_usdc());
    let mut bodies = vec!["<html>welcome</html>".to_owned(), "{}".to_owned(), format!("{QUOTE}{QUOTE}")];
    for (place, values) in [
        ("/outAmount", vec!["-1", "1.5", "1e9", "", "18446744073709551616", &"9".repeat(79)]),
        ("/inAmount", vec!["1", "100000000.0"]),
        ("/inputMint", vec![USDC, ""]),
        ("/outputMint", vec![SOL, "epjfwdd5aufqssqem2qn1xzybapc8g4weggkzwytdt1v"]),
        ("/swapMode", vec!["ExactOut"]),
        ("/routePlan/0/swapInfo/ammKey", vec!["", "pool", "0x1231DEB6f5749EF6cE6943a275A1D3E7486F4EaE"]),
        ("/routePlan/0/swapInfo/outputMint", vec!["USDC"]),
    ] {
        bodies.extend(values.into_iter().map(|value| with(QUOTE, place, value)));
    }
    bodies.push(with(QUOTE, "/outAmount", 17_057_460));
    bodies.push(with(QUOTE, "/slippageBps", 10_000));
    bodies.push(with(QUOTE, "/routePlan/0/percent", 101));
    for place in ["/outAmount", "/inputMint", "/slippageBps", "/routePlan", "/routePlan/0/percent"] {
        bodies.push(without(QUOTE, place));
    }
    for body in bodies {
        let (fake, quote) = asked(&swap, vec![Answer::ok(&body), Answer::ok(SWAP)]).await;
        assert!(malformed(quote).len() < 200, "{body}");
        assert_eq!(fake.requests().len(), 1, "{body}");
    }
}

#[tokio::test]
async fn hostile_transactions_are_not_believed() {
    let swap = signed_by(SIGNER, sol_for_usdc());
    let long = STANDARD.encode(vec![0; MAX_TRANSACTION + 1]);
    for body in [
        "<html>welcome</html>".to_owned(),
        "{}".to_owned(),
        with(SWAP, "/swapTransaction", ""),
        with(SWAP, "/swapTransaction", "not base64"),
        with(SWAP, "/swapTransaction", long),
        with(SWAP, "/swapTransaction", 1),
    ] {
        let (_, quote) = asked(&swap, vec![Answer::ok(QUOTE), Answer::ok(body)]).await;
        malformed(quote);
    }
}

#[test]
fn it_serves_solanas_mainnet_alone() {
    let http = crate::sources::http::fake::client(crate::sources::http::HttpOptions::default());
    let source = Jupiter::new(http, "http://localhost".parse().unwrap(), None);
    assert_eq!(source.name(), "jupiter");
    assert!(source.serves(&chain(MAINNET)));
    assert!(!source.serves(&chain("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")) && !source.serves(&chain("eip155:1")));
}
