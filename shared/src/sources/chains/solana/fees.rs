//! What a message would cost: the base fee of its signatures, and a price for its compute units
//! (<https://solana.com/docs/core/fees>).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use solana_client::rpc_config::CommitmentConfig;
use solana_client::rpc_request::RpcRequest;
use solana_client::rpc_response::{Response, RpcPrioritizationFee};
use solana_message::VersionedMessage;
use solana_message::compiled_instruction::CompiledInstruction;
use solana_pubkey::Pubkey;

use super::sender::{batch, take};
use super::{Solana, wire};
use crate::sources::chains::rpc::{RpcError, Session, decode};
use crate::sources::chains::{ChainError, Draft, FeeEstimate, FeeLevel};

/// The program that an offer is made to.
const BUDGET: Pubkey = Pubkey::from_str_const("ComputeBudget111111111111111111111111111111");
/// Its instructions: a byte, and a number of 32 or of 64 bits, little-endian.
const SET_LIMIT: u8 = 2;
const SET_PRICE: u8 = 3;
/// Compute units of an instruction, where the message sets no limit; and the most of a transaction.
const UNITS: u64 = 200_000;
const MOST_UNITS: u64 = 1_400_000;
/// So many accounts may be asked about.
const MOST_ACCOUNTS: usize = 128;
/// Percentiles of what was lately paid: slow, normal, fast.
const PERCENTILES: [usize; 3] = [25, 50, 90];

/// Whether an instruction is about the fee alone.
pub(super) fn is_budget(message: &VersionedMessage, call: &CompiledInstruction) -> bool {
    wire::program(message, call) == Some(&BUDGET)
}

/// The fee of the draft's message at three prices, whatever price the message sets itself: the base fee is asked for
/// with that price at zero, so that nothing counts twice. Prices are what others lately paid for the accounts that the
/// message writes, as far as it names them itself and not through a look-up table; zero where nobody paid anything.
pub(super) async fn estimate(solana: &Solana, draft: &Draft) -> Result<FeeEstimate, ChainError> {
    let message = draft.message.as_ref().ok_or_else(|| ChainError::Invalid("Solana needs the message".to_owned()))?;
    let mut message = wire::decode_message(message)?;
    let units = units(&message);
    let accounts = writable(&message);
    unprice(&mut message);
    let bytes = BASE64_STANDARD.encode(message.serialize());
    let calls = [
        (RpcRequest::GetFeeForMessage, json!([bytes, CommitmentConfig::confirmed()])),
        (RpcRequest::GetRecentPrioritizationFees, json!([accounts])),
    ];
    let calls = &calls;
    let ask = |session: Session| async move {
        let [base, paid] = take(batch(&session, calls).await?)?;
        let base: Response<Option<u64>> = decode(&base?)?;
        let paid: Vec<RpcPrioritizationFee> = decode(&paid?)?;
        Ok::<_, RpcError>((base.value, paid))
    };
    let (base, paid) = solana.nodes.read(ask).await.map_err(|error| solana.error(error))?;
    let base = base.ok_or_else(|| ChainError::Refused("its blockhash is unknown or too old".to_owned()))?;
    let [slow, normal, fast] = prices(paid.into_iter().map(|paid| paid.prioritization_fee).collect())
        .map(|price| level(solana, base, price, units));
    Ok(FeeEstimate { units, slow, normal, fast })
}

/// `price` is in micro-lamports a compute unit; every unit of the limit is paid for.
fn level(solana: &Solana, base: u64, price: u64, units: u64) -> FeeLevel {
    let priority = (u128::from(price) * u128::from(units)).div_ceil(1_000_000);
    let total = u128::from(base) + priority;
    let total = solana.coin(u64::try_from(total).unwrap_or(u64::MAX));
    FeeLevel { max_price: price.into(), priority: price.into(), total }
}

/// The percentiles of what was paid, where anything was.
fn prices(mut paid: Vec<u64>) -> [u64; 3] {
    paid.retain(|price| *price > 0);
    paid.sort_unstable();
    let at = |percentile: usize| {
        let place = (paid.len() * percentile).div_ceil(100).saturating_sub(1);
        paid.get(place).copied().unwrap_or(0)
    };
    PERCENTILES.map(at)
}

/// The limit that the message sets, or what it is without one.
fn units(message: &VersionedMessage) -> u64 {
    let budget = message.instructions().iter().filter(|call| is_budget(message, call));
    let limit = |call: &CompiledInstruction| match call.data.split_first() {
        Some((&SET_LIMIT, limit)) => Some(u32::from_le_bytes(limit.get(..4)?.try_into().ok()?)),
        _ => None,
    };
    let calls = message.instructions().len() - budget.clone().count();
    let default = UNITS.saturating_mul(calls as u64);
    budget.into_iter().find_map(limit).map_or(default, u64::from).min(MOST_UNITS)
}

/// The accounts that the message names and writes.
fn writable(message: &VersionedMessage) -> Vec<String> {
    let (header, keys) = (message.header(), message.static_account_keys());
    let signed = usize::from(header.num_required_signatures);
    let signed_writable = signed.saturating_sub(header.num_readonly_signed_accounts.into());
    let unsigned_writable = keys.len().saturating_sub(header.num_readonly_unsigned_accounts.into());
    let written = |place: &usize| *place < signed_writable || (signed..unsigned_writable).contains(place);
    let written = (0..keys.len()).filter(written).map(|place| keys[place].to_string());
    written.take(MOST_ACCOUNTS).collect()
}

/// Sets the price that the message offers to zero.
fn unprice(message: &mut VersionedMessage) {
    let priced: Vec<bool> = message
        .instructions()
        .iter()
        .map(|call| is_budget(message, call) && call.data.first() == Some(&SET_PRICE))
        .collect();
    let calls = match message {
        VersionedMessage::Legacy(message) => &mut message.instructions,
        VersionedMessage::V0(message) => &mut message.instructions,
        VersionedMessage::V1(message) => &mut message.instructions,
    };
    for (call, _) in calls.iter_mut().zip(priced).filter(|(_, priced)| *priced) {
        call.data[1..].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_percentiles_of_what_was_paid() {
        assert_eq!(prices((0..=100).collect()), [25, 50, 90]);
        assert_eq!(prices(vec![0, 7, 0]), [7, 7, 7]);
        assert_eq!(prices(vec![4, 1]), [1, 1, 4]);
        assert_eq!(prices(vec![0, 0]), [0, 0, 0]);
        assert_eq!(prices(vec![]), [0, 0, 0]);
    }
}
