//! For the tests of HTTP sources: swaps, and recorded answers with something changed.

use serde_json::Value;

use super::{QuoteError, QuoteSource, SourceQuote, Swap, Token};
use crate::sources::SourceError;
use crate::sources::chains::Chain;
use crate::sources::http::fake::{Answer, Fake, client};
use crate::sources::http::{HttpClient, HttpOptions};

/// A chain of which only the id matters.
pub(crate) fn chain(id: &str) -> Chain {
    Chain {
        id: id.parse().unwrap(),
        name: "some".to_owned(),
        symbol: "COIN".to_owned(),
        decimals: 18,
        confirmations: 1,
    }
}

/// A swap at 1 % of slippage, by nobody in particular. `native` is the chain's own coin.
pub(crate) fn swap(chain_id: &str, from: &str, to: &str, amount: &str) -> Swap {
    let token = |text: &str| if text == "native" { Token::Native } else { Token::Contract(text.to_owned()) };
    Swap {
        chain: chain(chain_id),
        from: token(from),
        to: token(to),
        amount: amount.parse::<u128>().unwrap().into(),
        slippage_bps: 100,
        recipient: None,
    }
}

/// The same, for somebody who would sign.
pub(crate) fn signed_by(recipient: &str, swap: Swap) -> Swap {
    Swap { recipient: Some(recipient.to_owned()), ..swap }
}

/// Asks a source whose service answers so, in turn.
pub(crate) async fn ask<S: QuoteSource>(
    source: impl FnOnce(HttpClient, reqwest::Url) -> S,
    swap: &Swap,
    answers: Vec<Answer>,
) -> (Fake, Result<SourceQuote, QuoteError>) {
    let fake = Fake::answering_in_turn(answers).await;
    let quote = source(client(HttpOptions::default()), fake.url.clone()).quote(swap).await;
    (fake, quote)
}

/// A refusal with a body.
pub(crate) fn refusal(status: &'static str, body: &str) -> Answer {
    Answer { status, ..Answer::ok(body) }
}

/// A recorded answer with another value in one place.
pub(crate) fn with(recorded: &str, place: &str, value: impl Into<Value>) -> String {
    let mut json: Value = serde_json::from_str(recorded).unwrap();
    *json.pointer_mut(place).unwrap_or_else(|| panic!("nothing at {place}")) = value.into();
    json.to_string()
}

/// A recorded answer without one of its fields.
pub(crate) fn without(recorded: &str, place: &str) -> String {
    let mut json: Value = serde_json::from_str(recorded).unwrap();
    let (parent, field) = place.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    json.to_string()
}

/// Why there is no route.
pub(crate) fn no_route(quote: Result<SourceQuote, QuoteError>) -> String {
    match quote {
        Err(QuoteError::NoRoute(why)) => why,
        other => panic!("not without a route: {other:?}"),
    }
}

/// Why an answer could not be used.
pub(crate) fn malformed(quote: Result<SourceQuote, QuoteError>) -> String {
    match quote {
        Err(QuoteError::Source(SourceError::Malformed(why))) => why,
        other => panic!("not malformed: {other:?}"),
    }
}
