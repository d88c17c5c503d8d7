//! Balances: any number of them in one request.

use std::collections::{BTreeSet, HashMap};

use ethers::abi::{AbiDecode, Token as Argument};
use ethers::types::{Address, Bytes, U64, U256};
use moka::sync::Cache;
use serde_json::{Value, json};

use super::Evm;
use super::address::parse_address;
use super::client::EthCall;
use super::contract::call;
use crate::domain::chain::Amount;
use crate::sources::SourceError;
use crate::sources::chains::rpc::{RpcError, Session, decode};
use crate::sources::chains::{Balance, BalanceQuery, ChainError};

/// Calls in one request: what most providers take.
const BATCH: usize = 100;
/// Tokens whose names are kept.
const TOKENS: u64 = 2000;
/// The longest symbol that is shown.
const LONGEST_SYMBOL: usize = 32;

/// What a token calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    decimals: u8,
    symbol: String,
}

/// What tokens call themselves: it does not change.
pub(super) type Tokens = Cache<Address, Described>;

/// None are known yet.
pub(super) fn no_tokens() -> Tokens {
    Cache::new(TOKENS)
}

/// Whose, of which token.
type Query = (Address, Option<Address>);

/// The balance of each of `queries`, in their order.
pub(super) async fn balances(evm: &Evm, queries: &[BalanceQuery]) -> Vec<Result<Balance, ChainError>> {
    let parsed: Vec<Result<Query, ChainError>> = queries.iter().map(parse).collect();
    let asked: Vec<Query> = parsed.iter().filter_map(|query| query.as_ref().ok()).copied().collect();
    let found = match read(evm, &asked).await {
        Ok(found) => found,
        Err(error) => {
            let error = evm.nodes.error(error);
            return parsed.into_iter().map(|query| query.and_then(|_| Err(error.clone()))).collect();
        }
    };
    for (token, described) in &found.tokens {
        evm.tokens.insert(*token, described.clone());
    }
    let mut units = found.units.into_iter();
    parsed
        .into_iter()
        .map(|query| {
            let (_, token) = query?;
            let units = units.next().flatten();
            let amount = match token {
                None => units.map(|units| evm.coin(units)),
                Some(token) => units.zip(found.tokens.get(&token)).map(|(units, described)| Amount {
                    units,
                    decimals: described.decimals,
                    symbol: described.symbol.clone(),
                }),
            };
            let amount = amount.ok_or_else(|| ChainError::Invalid("there is no token at that address".to_owned()))?;
            Ok(Balance { amount, block: found.block })
        })
        .collect()
}

fn parse(query: &BalanceQuery) -> Result<Query, ChainError> {
    Ok((parse_address(&query.address)?, query.token.as_deref().map(parse_address).transpose()?))
}

/// What nodes must agree on.
#[derive(Debug, PartialEq)]
struct Found {
    block: u64,
    /// `None`: there is no such token.
    units: Vec<Option<U256>>,
    /// What the tokens call themselves.
    tokens: HashMap<Address, Described>,
}

async fn read(evm: &Evm, queries: &[Query]) -> Result<Found, RpcError> {
    if queries.is_empty() {
        return Ok(Found { block: 0, units: vec![], tokens: HashMap::new() });
    }
    if evm.nodes.quorum() > 1 {
        // Who is asked at the same block must say the same.
        let block = evm.nodes.common_head().await?;
        return evm.nodes.agree(|session| async move { ask(evm, &session, queries, Some(block)).await }).await;
    }
    evm.nodes.read(|session| async move { ask(evm, &session, queries, None).await }).await
}

/// Asks one node: at `block`, or at its newest one.
async fn ask(evm: &Evm, session: &Session, queries: &[Query], block: Option<u64>) -> Result<Found, RpcError> {
    let at = block.map_or_else(|| "latest".to_owned(), |block| format!("{block:#x}"));
    let (mut tokens, mut unknown) = (HashMap::new(), vec![]);
    for token in queries.iter().filter_map(|(_, token)| *token).collect::<BTreeSet<_>>() {
        match evm.tokens.get(&token) {
            Some(described) => _ = tokens.insert(token, described),
            None => unknown.push(token),
        }
    }
    let mut calls = vec![("eth_blockNumber", json!([]))];
    calls.extend(queries.iter().map(|query| balance_call(*query, &at)));
    for token in &unknown {
        calls.extend(
            ["decimals()", "symbol()"].map(|name| ("eth_call", EthCall::new(*token, call(name, &[])).params(&at))),
        );
    }
    let mut answers = vec![];
    for batch in calls.chunks(BATCH) {
        answers.extend(session.batch(batch).await?);
    }
    let mut answers = answers.into_iter();
    let mut next =
        || answers.next().unwrap_or_else(|| Err(SourceError::Malformed("an answer is missing".to_owned()).into()));
    let head = decode::<U64>(&next()?)?.as_u64();
    let mut units = vec![];
    for (_, token) in queries {
        units.push(match (token, next()) {
            (None, answer) => Some(decode::<U256>(&answer?)?),
            // A contract's word of 32 bytes; what is no token answers nothing, or reverts.
            (Some(_), Ok(answer)) => U256::decode(decode::<Bytes>(&answer)?).ok(),
            (Some(_), Err(RpcError::Answer(_))) => None,
            (Some(_), Err(error)) => return Err(error),
        });
    }
    for token in unknown {
        let [decimals, symbol] =
            [next(), next()].map(|answer| answer.ok().and_then(|answer| decode::<Bytes>(&answer).ok()));
        let decimals = decimals.and_then(|bytes| U256::decode(bytes).ok()).and_then(|number| u8::try_from(number).ok());
        if let Some(decimals) = decimals {
            let symbol = symbol.and_then(|bytes| readable_symbol(&bytes)).unwrap_or_else(|| "?".to_owned());
            tokens.insert(token, Described { decimals, symbol });
        }
    }
    Ok(Found { block: block.unwrap_or(head), units, tokens })
}

fn balance_call((owner, token): Query, at: &str) -> (&'static str, Value) {
    match token {
        None => ("eth_getBalance", json!([owner, at])),
        Some(token) => {
            let data = call("balanceOf(address)", &[Argument::Address(owner)]);
            ("eth_call", EthCall::new(token, data).params(at))
        }
    }
}

/// A symbol is a string; of old tokens, 32 bytes. What cannot be shown is left out.
pub(super) fn readable_symbol(bytes: &[u8]) -> Option<String> {
    let text = String::decode(bytes).ok().or_else(|| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        (bytes.len() == 32).then(|| String::from_utf8(bytes[..end].to_vec()).ok()).flatten()
    })?;
    let shown: String = text.trim().chars().filter(|character| !character.is_control()).take(LONGEST_SYMBOL).collect();
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use ethers::abi::AbiEncode;

    use super::*;

    #[test]
    fn a_symbol_is_a_string_or_32_bytes() {
        assert_eq!(readable_symbol(&"USDC".to_owned().encode()).unwrap(), "USDC");
        let mut old = b"MKR".to_vec();
        old.resize(32, 0);
        assert_eq!(readable_symbol(&old).unwrap(), "MKR");
        assert_eq!(readable_symbol(&"A\nB".to_owned().encode()).unwrap(), "AB");
        assert_eq!(readable_symbol(&"x".repeat(1000).encode()).unwrap().len(), LONGEST_SYMBOL);
        for bytes in [&[][..], &[0; 32], &[0xff; 32], b"MKR"] {
            assert_eq!(readable_symbol(bytes), None);
        }
    }
}
