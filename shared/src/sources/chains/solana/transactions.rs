//! What became of a transaction.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::DateTime;
use serde_json::json;
use solana_client::rpc_config::{
    CommitmentConfig, RpcSignatureStatusConfig, RpcTransactionConfig, UiTransactionEncoding,
};
use solana_client::rpc_request::RpcRequest;
use solana_client::rpc_response::{Response, TransactionConfirmationStatus, UiTransactionStatusMeta};
use solana_message::VersionedMessage;
use solana_pubkey::Pubkey;
use solana_transaction_status_client_types::{EncodedConfirmedTransactionWithStatusMeta, TransactionStatus as Known};

use super::sender::{batch, take};
use super::{Solana, fees, keys, wire};
use crate::domain::chain::Block;
use crate::sources::SourceError;
use crate::sources::chains::rpc::{RpcError, Session, decode};
use crate::sources::chains::{ChainError, ChainTransaction, TransactionStatus};

/// A transaction, as `getTransaction` and `getSignatureStatuses` tell it, in one request. All nodes are asked until one
/// knows it. One that was seen but is not confirmed is pending: all that is known of it is its hash, so `from` is empty.
pub(super) async fn get(solana: &Solana, hash: &str) -> Result<Option<ChainTransaction>, ChainError> {
    let hash = keys::signature(hash)?.to_string();
    let hash = hash.as_str();
    let unknown = AtomicBool::new(false);
    let seen_nowhere = &unknown;
    let ask = |session: Session| async move {
        look_up(solana, &session, hash).await?.ok_or_else(|| {
            seen_nowhere.store(true, Ordering::Relaxed);
            SourceError::Unavailable("the node does not know the transaction".to_owned()).into()
        })
    };
    match solana.nodes.read(ask).await {
        Ok(transaction) => Ok(Some(transaction)),
        Err(RpcError::Source(_)) if unknown.load(Ordering::Relaxed) => Ok(None),
        Err(error) => Err(solana.error(error)),
    }
}

/// Whether a node has seen the transaction land, whatever came of it.
pub(super) async fn has_landed(solana: &Solana, hash: &str) -> Result<bool, ChainError> {
    let history = RpcSignatureStatusConfig { search_transaction_history: true };
    let call = [(RpcRequest::GetSignatureStatuses, json!([[hash], history]))];
    let call = &call;
    let ask = |session: Session| async move {
        let [status] = take(batch(&session, call).await?)?;
        let Response { value, .. } = decode::<Response<Vec<Option<Known>>>>(&status?)?;
        Ok(value.into_iter().next().flatten().is_some())
    };
    solana.nodes.read(ask).await.map_err(|error| solana.error(error))
}

async fn look_up(solana: &Solana, session: &Session, hash: &str) -> Result<Option<ChainTransaction>, RpcError> {
    let config = RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(CommitmentConfig::confirmed()),
        max_supported_transaction_version: Some(0),
    };
    let history = RpcSignatureStatusConfig { search_transaction_history: true };
    let calls = [
        (RpcRequest::GetTransaction, json!([hash, config])),
        (RpcRequest::GetSignatureStatuses, json!([[hash], history])),
    ];
    let [transaction, status] = take(batch(session, &calls).await?)?;
    let transaction: Option<EncodedConfirmedTransactionWithStatusMeta> = decode(&transaction?)?;
    // Of a transaction that is known, the status says no more than how deep it lies.
    let status = status.and_then(|status| decode::<Response<Vec<Option<Known>>>>(&status));
    let (status, slot) = match (status, &transaction) {
        (Ok(Response { context, value }), _) => (value.into_iter().next().flatten(), context.slot),
        (Err(_), Some(transaction)) => (None, transaction.slot),
        (Err(error), None) => return Err(error),
    };
    let depth = status.as_ref().map(Known::confirmation_status);
    match (transaction, depth) {
        (Some(transaction), depth) => described(solana, hash, transaction, depth.as_ref(), slot).map(Some),
        (None, None) => Ok(None),
        (None, Some(TransactionConfirmationStatus::Finalized)) => {
            let text = "the node knows the transaction's outcome, but not the transaction";
            Err(SourceError::Unavailable(text.to_owned()).into())
        }
        (None, Some(_)) => Ok(Some(pending(hash))),
    }
}

fn pending(hash: &str) -> ChainTransaction {
    ChainTransaction {
        hash: hash.to_owned(),
        status: TransactionStatus::Pending,
        block: None,
        confirmations: 0,
        timestamp: None,
        from: String::new(),
        to: None,
        value: None,
        fee: None,
        nonce: None,
        error: None,
    }
}

/// `head` is the newest slot that the node knows.
fn described(
    solana: &Solana,
    hash: &str,
    told: EncodedConfirmedTransactionWithStatusMeta,
    depth: Option<&TransactionConfirmationStatus>,
    head: u64,
) -> Result<ChainTransaction, RpcError> {
    let malformed = |text: &str| RpcError::from(SourceError::Malformed(text.to_owned()));
    let decoded = told.transaction.transaction.decode().ok_or_else(|| malformed("not a transaction"))?;
    let payer = decoded.message.static_account_keys().first().ok_or_else(|| malformed("nobody pays"))?;
    let transfer = transfer(&decoded.message);
    let meta: Option<UiTransactionStatusMeta> = told.transaction.meta;
    let meta = meta.ok_or_else(|| malformed("nothing is told of what became of it"))?;
    let enough = solana.chain.confirmations + 1;
    let confirmations = match depth {
        Some(TransactionConfirmationStatus::Finalized) => enough,
        // It settles by being finalised, however many slots there are above it.
        _ => head.saturating_sub(told.slot).saturating_add(1).min(enough - 1),
    };
    Ok(ChainTransaction {
        hash: hash.to_owned(),
        status: if meta.err.is_some() { TransactionStatus::Failed } else { TransactionStatus::Succeeded },
        block: Some(Block { number: told.slot, hash: String::new() }),
        confirmations,
        timestamp: told.block_time.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        from: payer.to_string(),
        to: transfer.map(|(to, _)| to.to_string()),
        value: transfer.map(|(_, lamports)| solana.coin(lamports)),
        fee: Some(solana.coin(meta.fee)),
        nonce: None,
        error: meta.err.map(|error| error.to_string()),
    })
}

/// Whom a message pays, and how many lamports, where that is all it does: one `Transfer` of the system program, whose
/// number is 2, beside what is said of the fee.
fn transfer(message: &VersionedMessage) -> Option<(&Pubkey, u64)> {
    let mut calls = message.instructions().iter().filter(|call| !fees::is_budget(message, call));
    let (call, None) = (calls.next()?, calls.next()) else { return None };
    // The system program's address is all zeros.
    let system = wire::program(message, call)? == &Pubkey::default();
    let (kind, lamports) = call.data.split_first_chunk::<4>()?;
    let lamports = u64::from_le_bytes(lamports.try_into().ok()?);
    let to = message.static_account_keys().get(usize::from(*call.accounts.get(1)?))?;
    (system && u32::from_le_bytes(*kind) == 2).then_some((to, lamports))
}
