//! What the HTTP services that quote swaps have in common: how they are asked, how their refusals read, and what must be
//! true of an answer before anything in it is believed. Texts from outside are cut short, numbers are integers or nothing,
//! and a transaction takes exactly as much of the chain's own coin as was to be sold.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use primitive_types::U256;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Hop, QuoteError, Swap, Token, UnsignedTransaction};
use crate::breaker;
use crate::domain::swap::BPS;
use crate::platform::secret::Secret;
use crate::sources::SourceError;
use crate::sources::http::{Exchange, HttpClient};

/// How an EVM chain's own coin is written where a contract is expected (0x, 1inch, and routes as they are given here).
pub(super) const NATIVE: &str = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE";
/// How LI.FI writes it.
pub(super) const ZERO: &str = "0x0000000000000000000000000000000000000000";

/// A longer answer is not read: no quote is so long.
const MAX_BODY: usize = 512 * 1024;
/// Nor has any so many steps.
const MAX_HOPS: usize = 256;
/// Nodes pass on no transaction of more bytes.
const MAX_DATA: usize = 128 * 1024;
/// Of a reason,
const MAX_REASON: usize = 160;
/// and of an exchange's name, what is kept.
const MAX_NAME: usize = 48;
/// `withdraw(uint256)` of a wrapped coin.
const UNWRAP: &str = "0x2e1a7d4d";
/// Where the various services say why they refuse: the most telling place first.
const REASONS: [&str; 4] = ["/data/details/0/reason", "/description", "/message", "/error"];

/// How patient to be with a source. All are asked at once, and waited for together for 5 s.
pub(super) fn breaker_options(name: &'static str) -> breaker::Options {
    breaker::Options {
        group: Some("quotes".into()),
        timeout: Duration::from_millis(3800),
        ..breaker::Options::new(name)
    }
}

/// A service that quotes.
pub(super) struct Api {
    pub(super) name: &'static str,
    pub(super) http: HttpClient,
    pub(super) base: Url,
    /// What goes out with every request.
    pub(super) headers: Vec<(&'static str, Secret)>,
    /// What must not come back in a reason: the key, as it was given.
    pub(super) key: Option<Secret>,
}

impl Api {
    /// The body of a successful answer.
    ///
    /// # Errors
    /// [`QuoteError::NoRoute`] where it says in words why there is none (400, 404, 422); [`QuoteError::Source`] otherwise.
    pub(super) async fn ask(
        &self,
        path: &str,
        query: &[(&str, &str)],
        json: Option<Bytes>,
    ) -> Result<Bytes, QuoteError> {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value)).collect();
        let exchange = Exchange { service: self.name, base: &self.base, path, query, headers: &headers, json };
        let answered = self.http.exchange(exchange).await?;
        if answered.body.len() > MAX_BODY {
            return Err(malformed(format!("more than {MAX_BODY} bytes")));
        }
        if answered.status.is_success() {
            Ok(answered.body)
        } else {
            Err(self.refused(answered.status, &answered.body))
        }
    }

    /// The JSON in a body.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] where it is something else.
    pub(super) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, QuoteError> {
        serde_json::from_slice(body).map_err(|error| malformed(self.quoted(&error.to_string())))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> QuoteError {
        let explains =
            matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY);
        match reason(body).filter(|_| explains) {
            Some(reason) => QuoteError::NoRoute(self.quoted(&reason)),
            None => malformed(format!("HTTP {}", status.as_u16())),
        }
    }

    /// The beginning of what somebody else wrote, on one line and without the key.
    fn quoted(&self, text: &str) -> String {
        let key = self.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty());
        let text = key.map_or_else(|| text.to_owned(), |key| text.replace(key, "***"));
        line(&text, MAX_REASON)
    }
}

/// Why a service refuses, where it says so in one of the ways known here.
fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let told = |place: &&str| body.pointer(place)?.as_str().map(str::trim).filter(|text| !text.is_empty());
    REASONS.iter().find_map(told).map(str::to_owned)
}

/// An answer that cannot be used, and why: in words of this program's own.
pub(super) fn malformed(why: impl Into<String>) -> QuoteError {
    QuoteError::Source(SourceError::Malformed(why.into()))
}

fn line(text: &str, most: usize) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(most).collect()
}

/// The integer that `text` is, in decimal: digits, nothing else, no more than 256 bits.
pub(super) fn decimal(text: &str) -> Option<U256> {
    let fits = (1..=78).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| U256::from_dec_str(text).ok()).flatten()
}

/// The integer that `text` is: hexadecimal behind `0x`, otherwise decimal.
pub(super) fn quantity(text: &str) -> Option<U256> {
    let Some(digits) = text.strip_prefix("0x") else { return decimal(text) };
    let fits = (1..=64).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| U256::from_str_radix(digits, 16).ok()).flatten()
}

/// A number that some services write in quotes, and some do not. Never with a fraction.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Figure {
    Number(u64),
    Text(String),
}

impl Figure {
    /// An amount of work; none where it is 0, which stands for unknown.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] for what is no integer, or more than 64 bits.
    pub(super) fn gas(&self) -> Result<Option<u64>, QuoteError> {
        let gas = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => quantity(text).and_then(|gas| u64::try_from(gas).ok()),
        };
        gas.map(|gas| Some(gas).filter(|gas| *gas > 0)).ok_or_else(|| malformed("its gas is not an integer"))
    }

    /// A share in hundredths of a percent.
    ///
    /// # Errors
    /// [`SourceError::Malformed`] for what is no integer, or more than the whole.
    pub(super) fn share_bps(&self) -> Result<u16, QuoteError> {
        let share = match self {
            Self::Number(number) => u16::try_from(*number).ok(),
            Self::Text(text) => decimal(text).and_then(|share| u16::try_from(share).ok()),
        };
        share.filter(|share| *share <= BPS).ok_or_else(|| malformed("a step's share is not one"))
    }
}

/// The least that a service's transaction takes, where it says so.
///
/// # Errors
/// [`SourceError::Malformed`] for what is no integer.
pub(super) fn least(text: Option<&str>) -> Result<Option<U256>, QuoteError> {
    let read = |text| decimal(text).ok_or_else(|| malformed("the least that it takes is not an integer"));
    text.map(read).transpose()
}

/// What would be paid.
///
/// # Errors
/// [`SourceError::Malformed`] for what is no integer, [`QuoteError::NoRoute`] for nothing.
pub(super) fn amount_out(text: &str) -> Result<U256, QuoteError> {
    match decimal(text) {
        Some(amount) if amount.is_zero() => Err(QuoteError::NoRoute("it would pay nothing".to_owned())),
        Some(amount) => Ok(amount),
        None => Err(malformed("the amount it would pay is not an integer")),
    }
}

/// That what an answer says it would sell is what was asked.
///
/// # Errors
/// [`SourceError::Malformed`]
pub(super) fn check_amount_in(swap: &Swap, text: &str) -> Result<(), QuoteError> {
    if decimal(text) == Some(swap.amount) { Ok(()) } else { Err(malformed("it would sell another amount")) }
}

/// That an address or a token in an answer is the one that was asked about. Capitals mean nothing on EVM chains.
///
/// # Errors
/// [`SourceError::Malformed`] naming `what`.
pub(super) fn check_echo(what: &str, asked: &str, answered: &str) -> Result<(), QuoteError> {
    if asked.eq_ignore_ascii_case(answered) { Ok(()) } else { Err(malformed(format!("it speaks of another {what}"))) }
}

/// A token as a service writes it, whose word for the chain's own coin is `native`.
pub(super) fn contract<'a>(token: &'a Token, native: &'static str) -> &'a str {
    match token {
        Token::Native => native,
        Token::Contract(contract) => contract,
    }
}

/// Whether `text` has the shape of an EVM address, and is not that of nobody.
pub(super) fn is_address(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) && text != ZERO
}

/// A token in a route on an EVM chain. The chain's own coin is [`NATIVE`], whichever way it was written.
///
/// # Errors
/// [`SourceError::Malformed`] for what is no address.
pub(super) fn route_token(text: &str) -> Result<String, QuoteError> {
    if text == ZERO || text.eq_ignore_ascii_case(NATIVE) {
        Ok(NATIVE.to_owned())
    } else if is_address(text) {
        Ok(text.to_owned())
    } else {
        Err(malformed("a token of its route is not an address"))
    }
}

/// An exchange's name, cut short.
pub(super) fn exchange(name: &str) -> String {
    line(name, MAX_NAME)
}

/// The steps of a route.
///
/// # Errors
/// That of the first step that has one; [`SourceError::Malformed`] for too many.
pub(super) fn route(hops: impl Iterator<Item = Result<Hop, QuoteError>>) -> Result<Vec<Hop>, QuoteError> {
    let hops = hops.take(MAX_HOPS + 1).collect::<Result<Vec<_>, _>>()?;
    if hops.len() > MAX_HOPS { Err(malformed(format!("more than {MAX_HOPS} steps"))) } else { Ok(hops) }
}

/// A call of a contract, as a service wrote it.
pub(super) struct Call<'a> {
    pub(super) to: &'a str,
    pub(super) data: &'a str,
    /// Decimal or hexadecimal.
    pub(super) value: &'a str,
    pub(super) gas: Option<&'a Figure>,
    /// Who takes the token that is sold.
    pub(super) spender: Option<&'a str>,
    /// The service's own contracts: nobody else is called, or allowed to take anything. Empty, where it has too many to tell.
    pub(super) contracts: &'a [&'a str],
}

/// The transaction that a call comes to.
///
/// # Errors
/// [`SourceError::Malformed`] where its parts are not what they should be; where it would take another amount of the
/// chain's own coin than is sold; and where it calls the very token that is sold, which could move all of it, for anything
/// but unwrapping.
pub(super) fn transaction(swap: &Swap, call: &Call<'_>) -> Result<UnsignedTransaction, QuoteError> {
    if !is_address(call.to) {
        return Err(malformed("whom its transaction calls is not an address"));
    }
    if !is_calldata(call.data) {
        return Err(malformed("what its transaction says is not calldata"));
    }
    let ours = |address: &str| {
        call.contracts.is_empty() || call.contracts.iter().any(|contract| contract.eq_ignore_ascii_case(address))
    };
    if !ours(call.to) {
        return Err(malformed("its transaction calls a contract that is not the service's"));
    }
    let sold = if swap.from == Token::Native { swap.amount } else { U256::zero() };
    let value = quantity(call.value).ok_or_else(|| malformed("its transaction's value is not an integer"))?;
    if value != sold {
        return Err(malformed("its transaction takes another amount of the chain's coin"));
    }
    let unwraps = swap.to == Token::Native && call.data.starts_with(UNWRAP);
    if let Token::Contract(from) = &swap.from
        && from.eq_ignore_ascii_case(call.to)
        && !unwraps
    {
        return Err(malformed("its transaction calls the token that is sold"));
    }
    let spender = call.spender.filter(|_| swap.from != Token::Native);
    if spender.is_some_and(|spender| !is_address(spender)) {
        return Err(malformed("who is to be allowed to take the token is not an address"));
    }
    if spender.is_some_and(|spender| !ours(spender)) {
        return Err(malformed("who is to be allowed to take the token is not the service"));
    }
    Ok(UnsignedTransaction {
        to: Some(call.to.to_owned()),
        data: call.data.to_owned(),
        value,
        gas: call.gas.map(Figure::gas).transpose()?.flatten(),
        spender: spender.map(str::to_owned),
    })
}

/// Whether `text` is hexadecimal behind `0x`: whole bytes, at least a function's four.
fn is_calldata(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    (8..=2 * MAX_DATA).contains(&digits.len())
        && digits.len().is_multiple_of(2)
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
