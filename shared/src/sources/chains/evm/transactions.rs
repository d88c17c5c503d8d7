//! Transactions: what became of one, and handing one in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::DateTime;
use ethers::types::{Bytes, H256, U64, U256};
use serde_json::{Value, json};

use super::Evm;
use super::address::{checksummed, parse_hash};
use super::protocol::{Header, Receipt, Transaction, hex, take};
use crate::domain::chain::Block;
use crate::platform::clock::Timestamp;
use crate::sources::SourceError;
use crate::sources::chains::rpc::{ErrorObject, RpcError, Session, decode};
use crate::sources::chains::{ChainError, ChainTransaction, SignedTransaction, TransactionStatus};

/// What became of the transaction called `hash`. A node that does not know it is not believed while another one may.
pub(super) async fn get(evm: &Evm, hash: &str) -> Result<Option<ChainTransaction>, ChainError> {
    let hash = parse_hash(hash)?;
    let (unknown, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let asked = evm.nodes.read(|session| async {
        let found = ask(evm, session, hash).await.inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        found.ok_or_else(|| {
            unknown.store(true, Ordering::Relaxed);
            SourceError::Unavailable("it does not know the transaction".to_owned()).into()
        })
    });
    match asked.await {
        Ok(transaction) => Ok(Some(transaction)),
        Err(RpcError::Source(_)) if unknown.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) => Ok(None),
        Err(error) => Err(evm.nodes.error(error)),
    }
}

async fn ask(evm: &Evm, session: Session, hash: H256) -> Result<Option<ChainTransaction>, RpcError> {
    let calls = [
        ("eth_getTransactionByHash", json!([hash])),
        ("eth_getTransactionReceipt", json!([hash])),
        ("eth_blockNumber", json!([])),
    ];
    let [transaction, receipt, head] = take(session.batch(&calls).await?)?;
    let Some(transaction) = decode::<Option<Transaction>>(&transaction.map_err(no_verdict)?)? else { return Ok(None) };
    let receipt = match receipt {
        Ok(receipt) => decode::<Option<Receipt>>(&receipt)?,
        // Some nodes have no receipt of what waits, and say so with an error.
        Err(RpcError::Answer(_)) => None,
        Err(error) => return Err(error),
    };
    let head = decode::<U64>(&head?)?.as_u64();
    let timestamp = match &receipt {
        Some(receipt) => timestamp(&session, receipt.block_hash).await?,
        None => None,
    };
    Ok(Some(described(evm, hash, &transaction, receipt.as_ref(), head, timestamp)))
}

async fn timestamp(session: &Session, block: H256) -> Result<Option<Timestamp>, RpcError> {
    let header: Option<Header> = session.call("eth_getBlockByHash", json!([block, false])).await?;
    let seconds = header.and_then(|header| i64::try_from(header.timestamp).ok());
    Ok(seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0)))
}

fn described(
    evm: &Evm,
    hash: H256,
    transaction: &Transaction,
    receipt: Option<&Receipt>,
    head: u64,
    timestamp: Option<Timestamp>,
) -> ChainTransaction {
    let failed = receipt.is_some_and(|receipt| receipt.status == Some(U64::zero()));
    let status = match receipt {
        None => TransactionStatus::Pending,
        Some(_) if failed => TransactionStatus::Failed,
        Some(_) => TransactionStatus::Succeeded,
    };
    ChainTransaction {
        hash: hex(hash),
        status,
        block: receipt.map(|receipt| Block { number: receipt.block_number.as_u64(), hash: hex(receipt.block_hash) }),
        // A head that is told from before the receipt is at least the receipt's block.
        confirmations: receipt
            .map_or(0, |receipt| head.saturating_sub(receipt.block_number.as_u64()).saturating_add(1)),
        timestamp,
        from: checksummed(transaction.from),
        to: transaction.to.map(checksummed),
        value: Some(evm.coin(transaction.value)),
        fee: receipt.and_then(fee).map(|units| evm.coin(units)),
        nonce: Some(transaction.nonce.as_u64()),
        error: failed.then(|| "execution failed".to_owned()),
    }
}

/// What was paid in all: for gas, for blobs, and for the chain below.
pub(super) fn fee(receipt: &Receipt) -> Option<U256> {
    let gas = receipt.gas_used.checked_mul(receipt.effective_gas_price?)?;
    let blobs = receipt.blob_gas_used.unwrap_or_default().checked_mul(receipt.blob_gas_price.unwrap_or_default())?;
    gas.checked_add(blobs)?.checked_add(receipt.l1_fee.unwrap_or_default())
}

/// Hands a transaction in. Nonce and sending go to the same node: another one may know less of the sender. What one node
/// does not take, another may: it is refused where all did, and none may have taken it without saying so.
pub(super) async fn send(evm: &Evm, signed: &SignedTransaction) -> Result<(), ChainError> {
    let hash = parse_hash(&signed.hash)?;
    let (doubtful, refusal) = (AtomicBool::new(false), Mutex::new(None));
    let (doubt, refused) = (&doubtful, &refusal);
    let sent = evm.nodes.run_long(|session| async move {
        match hand_over(&session, signed, hash, doubt).await {
            Err(RpcError::Answer(error)) => {
                let words = error.message.clone();
                refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(words);
                Err(SourceError::Unavailable(error.message).into())
            }
            outcome => outcome,
        }
    });
    let refusal = match sent.await {
        Ok(()) => return Ok(()),
        Err(error) => (error, refusal.into_inner().unwrap_or_else(PoisonError::into_inner)),
    };
    match refusal {
        (_, Some(words)) if !doubtful.load(Ordering::Relaxed) => Err(ChainError::Refused(words)),
        (error, _) => Err(evm.nodes.error(error)),
    }
}

async fn hand_over(
    session: &Session,
    signed: &SignedTransaction,
    hash: H256,
    doubtful: &AtomicBool,
) -> Result<(), RpcError> {
    if let Some(refusal) = judged(session, signed, hash).await? {
        return refusal;
    }
    let raw = Bytes::from(signed.bytes.clone());
    // From now on it may have been taken, also where nobody waits for the answer any longer.
    let before = doubtful.swap(true, Ordering::Relaxed);
    let answer = session.call::<H256>("eth_sendRawTransaction", json!([raw])).await;
    if matches!(
        answer,
        Err(RpcError::Answer(_)
            | RpcError::Unsupported(_)
            | RpcError::Source(SourceError::CircuitOpen { .. } | SourceError::RateLimited { .. }))
    ) {
        doubtful.store(before, Ordering::Relaxed);
    }
    match answer {
        Ok(told) if told == hash => Ok(()),
        Ok(told) => Err(SourceError::Malformed(format!("it calls the transaction {told:?}")).into()),
        Err(RpcError::Answer(error)) if says_known(&error.message) => Ok(()),
        Err(RpcError::Answer(error)) => {
            // It may have been taken, and mined, in the meantime.
            if is_known(session, hash).await? { Ok(()) } else { Err(RpcError::Answer(error)) }
        }
        Err(error) => Err(error),
    }
}

/// What a node that has not been sent anything yet says of it: that it is there already, or that its nonce is used up.
async fn judged(
    session: &Session,
    signed: &SignedTransaction,
    hash: H256,
) -> Result<Option<Result<(), RpcError>>, RpcError> {
    let calls = [known(hash), ("eth_getTransactionCount", json!([signed.from, "latest"]))];
    let [before, count] = take(session.batch(&calls).await?)?;
    if !decode::<Value>(&before.map_err(no_verdict)?)?.is_null() {
        return Ok(Some(Ok(())));
    }
    let next = decode::<U64>(&count.map_err(no_verdict)?)?.as_u64();
    let Some(nonce) = signed.nonce.filter(|nonce| *nonce < next) else { return Ok(None) };
    // Asked again: between the two it may have been mined.
    if is_known(session, hash).await? {
        return Ok(Some(Ok(())));
    }
    let message = format!("its nonce {nonce} was used by another transaction: the next one is {next}");
    Ok(Some(Err(RpcError::Answer(ErrorObject { code: -32000, message, data: None }))))
}

async fn is_known(session: &Session, hash: H256) -> Result<bool, RpcError> {
    let (method, params) = known(hash);
    Ok(!session.call::<Value>(method, params).await.map_err(no_verdict)?.is_null())
}

/// That a look-up fails says nothing of the transaction.
fn no_verdict(error: RpcError) -> RpcError {
    match error {
        RpcError::Answer(error) => SourceError::Unavailable(error.message).into(),
        other => other,
    }
}

/// Whether a transaction may still come into a block: its nonce is not used up, as far as is settled.
pub(super) async fn may_still_come(evm: &Evm, from: &str, nonce: Option<u64>) -> Result<bool, ChainError> {
    let Some(nonce) = nonce else { return Ok(true) };
    let confirmations = evm.chain.confirmations;
    let used = evm.nodes.read(|session| async move {
        let head = session.call::<U64>("eth_blockNumber", json!([])).await?.as_u64();
        let settled = U64::from(head.saturating_sub(confirmations));
        Ok(session.call::<U64>("eth_getTransactionCount", json!([from, settled])).await?.as_u64())
    });
    Ok(used.await.map_err(|error| evm.nodes.error(error))? <= nonce)
}

fn known(hash: H256) -> (&'static str, Value) {
    ("eth_getTransactionByHash", json!([hash]))
}

/// What nodes say of a transaction that they have.
fn says_known(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["already known", "already imported", "alreadyknown", "already exists", "already in mempool"]
        .iter()
        .any(|words| message.contains(words))
        || message.starts_with("known transaction")
}
