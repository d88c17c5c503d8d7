//! Balances of lamports and of SPL tokens, of both token programs, as they are finalised.
//!
//! A node cannot be asked about a slot of the past. So where several have to agree, they have to in how much it is, not
//! in the slot: what moves just then differs, and is agreed on a moment later.

use std::collections::HashMap;

use moka::sync::Cache;
use primitive_types::U256;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use solana_client::rpc_config::{
    CommitmentConfig, RpcAccountInfoConfig, RpcTokenAccountsFilter, UiAccountEncoding, UiDataSliceConfig,
};
use solana_client::rpc_request::{MAX_MULTIPLE_ACCOUNTS, RpcRequest};
use solana_client::rpc_response::{Response, RpcKeyedAccount, UiAccount, UiAccountData, UiTokenAmount};

use super::sender::batch;
use super::{Solana, keys};
use crate::domain::chain::Amount;
use crate::sources::SourceError;
use crate::sources::chains::rpc::{ErrorObject, RpcError, Session, decode};
use crate::sources::chains::{Balance, BalanceQuery, ChainError};

/// What a node reads in one request: its limit is 50 KiB.
const BATCH_BYTES: usize = 40 * 1024;
const BATCH_CALLS: usize = 100;
/// JSON-RPC's code for what makes no sense.
const INVALID_PARAMS: i64 = -32602;
/// Mints whose decimals are remembered. They never change.
const REMEMBERED: u64 = 10_000;
/// Mints that everybody knows by a symbol.
const SYMBOLS: [(&str, &str); 3] = [
    ("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "USDC"),
    ("Es9vMFrzaCErmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", "USDT"),
    ("So11111111111111111111111111111111111111112", "WSOL"),
];

/// The decimals of mints.
pub(super) struct Mints(Cache<String, u8>);

impl Default for Mints {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// So much, at that slot.
pub(super) struct Told {
    units: U256,
    /// Of a token.
    decimals: Option<u8>,
    slot: u64,
}

/// Who says the same of another slot agrees.
impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        (self.units, self.decimals) == (other.units, other.decimals)
    }
}

type Outcome = Result<Told, ErrorObject>;

pub(super) async fn balances(solana: &Solana, queries: &[BalanceQuery]) -> Vec<Result<Balance, ChainError>> {
    let queries: Vec<Result<BalanceQuery, ChainError>> = queries.iter().map(checked).collect();
    let asked: Vec<BalanceQuery> = queries.iter().filter_map(|query| query.as_ref().ok()).cloned().collect();
    let told = match read(solana, &asked).await.map_err(|error| solana.error(error)) {
        Ok(told) => told,
        Err(error) => return queries.into_iter().map(|query| query.and_then(|_| Err(error.clone()))).collect(),
    };
    let mut told = told.into_iter();
    let balance = |query: Result<BalanceQuery, ChainError>| {
        let query = query?;
        let told = next(&mut told).map_err(|error| solana.error(error))?;
        let told = told.map_err(|error| refusal(solana, &query, error))?;
        let amount = match &query.token {
            None => Amount { units: told.units, ..solana.coin(0) },
            Some(mint) => {
                Amount { units: told.units, decimals: told.decimals.unwrap_or_default(), symbol: symbol(mint) }
            }
        };
        Ok(Balance { amount, block: told.slot })
    };
    queries.into_iter().map(balance).collect()
}

fn checked(query: &BalanceQuery) -> Result<BalanceQuery, ChainError> {
    let address = |text: &str| keys::address(text).map(|address| address.to_string());
    Ok(BalanceQuery { address: address(&query.address)?, token: query.token.as_deref().map(address).transpose()? })
}

/// What nodes say to a mint that is none, they say as of any parameter.
fn refusal(solana: &Solana, query: &BalanceQuery, error: ErrorObject) -> ChainError {
    match &query.token {
        Some(mint) if error.code == INVALID_PARAMS => {
            ChainError::Invalid(format!("{mint} is no token's mint: {}", error.message))
        }
        _ => solana.error(RpcError::Answer(error)),
    }
}

/// The outcomes that as many nodes as have to agree on.
async fn read(solana: &Solana, queries: &[BalanceQuery]) -> Result<Vec<Outcome>, RpcError> {
    if queries.is_empty() {
        return Ok(vec![]);
    }
    let ask = |session: Session| ask(session, queries, &solana.mints);
    let told = if solana.nodes.quorum() > 1 { solana.nodes.agree(ask).await } else { solana.nodes.read(ask).await }?;
    for (query, told) in queries.iter().zip(&told) {
        let decimals = told.as_ref().ok().and_then(|told| told.decimals);
        if let Some((mint, decimals)) = query.token.clone().zip(decimals) {
            solana.mints.0.insert(mint, decimals);
        }
    }
    Ok(told)
}

/// One node's outcomes, in the order of `queries`.
async fn ask(session: Session, queries: &[BalanceQuery], mints: &Mints) -> Result<Vec<Outcome>, RpcError> {
    let coins: Vec<&str> = queries.iter().filter(|query| query.token.is_none()).map(|query| &*query.address).collect();
    let tokens: Vec<(&str, &str)> =
        queries.iter().filter_map(|query| Some((&*query.address, query.token.as_deref()?))).collect();
    let mut unknown: Vec<&str> =
        tokens.iter().map(|(_, mint)| *mint).filter(|mint| !mints.0.contains_key(*mint)).collect();
    unknown.sort_unstable();
    unknown.dedup();

    let calls = coins.chunks(MAX_MULTIPLE_ACCOUNTS).map(lamports_of);
    let calls = calls.chain(tokens.iter().map(|(owner, mint)| accounts_of(owner, mint)));
    let calls: Vec<_> = calls.chain(unknown.iter().map(|mint| supply_of(mint))).collect();
    let mut answers = vec![];
    for calls in batches(&calls) {
        answers.extend(batch(&session, calls).await?);
    }
    let mut answers = answers.into_iter();

    let mut lamports = vec![];
    for chunk in coins.chunks(MAX_MULTIPLE_ACCOUNTS) {
        lamports.extend(read_lamports(next(&mut answers)?, chunk.len())?);
    }
    let mut held = vec![];
    for _ in &tokens {
        held.push(match answered(next(&mut answers)?)? {
            Ok(answer) => Ok(read_accounts(&answer)?),
            Err(error) => Err(error),
        });
    }
    let mut refusals: Vec<(&str, ErrorObject)> = vec![];
    let mut described: HashMap<&str, u8> = HashMap::new();
    for mint in unknown {
        match answered(next(&mut answers)?)? {
            Ok(answer) => {
                let supply: Response<UiTokenAmount> = decode(&answer)?;
                described.insert(mint, supply.value.decimals);
            }
            Err(error) => refusals.push((mint, error)),
        }
    }

    let (mut lamports, mut held) = (lamports.into_iter(), held.into_iter());
    let outcome = |query: &BalanceQuery| {
        let Some(mint) = query.token.as_deref() else { return next(&mut lamports) };
        let told = next(&mut held)?;
        Ok(told.and_then(|told| {
            let decimals = told.decimals.or_else(|| described.get(mint).copied()).or_else(|| mints.0.get(mint));
            let refusal = || refusals.iter().find(|(of, _)| *of == mint).map(|(_, error)| error.clone());
            match decimals {
                Some(_) => Ok(Told { decimals, ..told }),
                None => Err(refusal().unwrap_or_else(|| no_mint(mint))),
            }
        }))
    };
    queries.iter().map(outcome).collect()
}

/// `getMultipleAccounts`, without what the accounts hold.
fn lamports_of(accounts: &[&str]) -> (RpcRequest, Value) {
    let config = RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::Base64),
        data_slice: Some(UiDataSliceConfig { offset: 0, length: 0 }),
        commitment: Some(CommitmentConfig::finalized()),
        min_context_slot: None,
    };
    (RpcRequest::GetMultipleAccounts, json!([accounts, config]))
}

/// `getTokenAccountsByOwner`. The mint tells the program.
fn accounts_of(owner: &str, mint: &str) -> (RpcRequest, Value) {
    let config = RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::JsonParsed),
        commitment: Some(CommitmentConfig::finalized()),
        ..RpcAccountInfoConfig::default()
    };
    (RpcRequest::GetTokenAccountsByOwner, json!([owner, RpcTokenAccountsFilter::Mint(mint.to_owned()), config]))
}

fn supply_of(mint: &str) -> (RpcRequest, Value) {
    (RpcRequest::GetTokenSupply, json!([mint, CommitmentConfig::finalized()]))
}

/// The calls in groups that a node reads as one request.
fn batches(calls: &[(RpcRequest, Value)]) -> Vec<&[(RpcRequest, Value)]> {
    let (mut groups, mut start, mut bytes) = (vec![], 0, 0);
    for (place, (_, params)) in calls.iter().enumerate() {
        // With what stands around it.
        let size = params.to_string().len() + 100;
        if place > start && (bytes + size > BATCH_BYTES || place - start >= BATCH_CALLS) {
            groups.push(&calls[start..place]);
            (start, bytes) = (place, 0);
        }
        bytes += size;
    }
    groups.push(&calls[start..]);
    groups
}

/// An account that does not exist has nothing.
pub(super) fn read_lamports(answer: Result<Box<RawValue>, RpcError>, count: usize) -> Result<Vec<Outcome>, RpcError> {
    let answer = match answered(answer)? {
        Ok(answer) => answer,
        Err(error) => return Ok((0..count).map(|_| Err(error.clone())).collect()),
    };
    let Response { context, value } = decode::<Response<Vec<Option<UiAccount>>>>(&answer)?;
    if value.len() != count {
        return Err(malformed(format!("{} accounts where {count} were asked for", value.len())));
    }
    let told = |account: Option<UiAccount>| {
        let units = account.map_or(0, |account| account.lamports).into();
        Ok(Told { units, decimals: None, slot: context.slot })
    };
    Ok(value.into_iter().map(told).collect())
}

/// The sum over an owner's accounts of a mint.
pub(super) fn read_accounts(answer: &RawValue) -> Result<Told, RpcError> {
    let Response { context, value } = decode::<Response<Vec<RpcKeyedAccount>>>(answer)?;
    let mut told = Told { units: U256::zero(), decimals: None, slot: context.slot };
    for RpcKeyedAccount { pubkey, account } in value {
        let amount = match &account.data {
            UiAccountData::Json(data) => {
                serde_json::from_value::<UiTokenAmount>(data.parsed["info"]["tokenAmount"].clone())
            }
            _ => return Err(malformed(format!("{pubkey} is not told as a token account"))),
        };
        let amount = amount.map_err(|error| malformed(error.to_string()))?;
        let units: u64 = amount.amount.parse().map_err(|_| malformed(format!("{:?} is no amount", amount.amount)))?;
        told.units = told.units.saturating_add(units.into());
        told.decimals = Some(amount.decimals);
    }
    Ok(told)
}

/// A result, or what the node says of this question; anything else is the node's failure.
fn answered(answer: Result<Box<RawValue>, RpcError>) -> Result<Result<Box<RawValue>, ErrorObject>, RpcError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(RpcError::Answer(error)) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

fn next<T>(answers: &mut impl Iterator<Item = T>) -> Result<T, RpcError> {
    answers.next().ok_or_else(|| malformed("an answer is missing".to_owned()))
}

fn malformed(text: String) -> RpcError {
    SourceError::Malformed(text).into()
}

fn no_mint(mint: &str) -> ErrorObject {
    ErrorObject { code: INVALID_PARAMS, message: format!("{mint} is not one"), data: None }
}

/// A mint has no symbol of its own: the beginning and the end of its address.
fn symbol(mint: &str) -> String {
    match SYMBOLS.iter().find(|(known, _)| *known == mint) {
        Some((_, symbol)) => (*symbol).to_owned(),
        None if mint.is_ascii() && mint.len() > 8 => format!("{}…{}", &mint[..4], &mint[mint.len() - 4..]),
        None => mint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stays_below_what_a_node_reads() {
        let address = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T";
        let calls: Vec<_> = (0..25).map(|_| lamports_of(&[address; MAX_MULTIPLE_ACCOUNTS])).collect();
        let groups = batches(&calls);
        assert_eq!(groups.iter().map(|group| group.len()).sum::<usize>(), 25);
        assert_eq!(groups.len(), 4);
        assert!(batches(&[])[0].is_empty());
    }

    #[test]
    fn a_mint_is_shown_short() {
        assert_eq!(symbol("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"), "USDC");
        assert_eq!(symbol("4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T"), "4Nd1…DB4T");
    }
}
