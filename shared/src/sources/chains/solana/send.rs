//! Handing a transaction to the cluster.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use solana_client::rpc_config::{CommitmentConfig, CommitmentLevel, RpcSendTransactionConfig, UiTransactionEncoding};
use solana_client::rpc_request::RpcRequest;
use solana_client::rpc_response::{RpcSimulateTransactionResult, TransactionError};

use super::Solana;
use super::sender::{client, from_client};
use super::transactions::has_landed;
use crate::sources::SourceError;
use crate::sources::chains::rpc::{ErrorObject, RpcError, Session};
use crate::sources::chains::{ChainError, SignedTransaction};

/// A node passes it on again every other second, for as long as its blockhash holds.
const RETRIES: usize = 30;
const TOO_OLD: &str = "its blockhash is unknown or too old: sign again";

/// What a node says of a transaction that it does not take.
enum Verdict {
    /// It has been taken before.
    Done,
    /// The node does not know its blockhash: too old, or too new for it.
    TooOld,
    Refused(String),
}

/// `sendTransaction`, simulated first. The bytes are always the same, so that it does not matter how often they are
/// sent: where a node cannot be reached, or does not know the blockhash, the next one gets them.
pub(super) async fn send(solana: &Solana, signed: &SignedTransaction) -> Result<(), ChainError> {
    let config = RpcSendTransactionConfig {
        skip_preflight: false,
        preflight_commitment: Some(CommitmentLevel::Confirmed),
        encoding: Some(UiTransactionEncoding::Base64),
        max_retries: Some(RETRIES),
        min_context_slot: None,
    };
    let params = json!([BASE64_STANDARD.encode(&signed.bytes), config]);
    // Whether a node may have taken it without telling.
    let doubtful = AtomicBool::new(false);
    let (params, doubt) = (&params, &doubtful);
    let hand_over = |session: Session| async move {
        let client = client(session, CommitmentConfig::confirmed());
        let sent = client.send::<String>(RpcRequest::SendTransaction, params.clone()).await;
        match sent.map_err(from_client) {
            Ok(_) => Ok(Ok(())),
            Err(RpcError::Answer(error)) => match verdict(&error) {
                Verdict::Done => Ok(Ok(())),
                Verdict::Refused(reason) => Ok(Err(reason)),
                Verdict::TooOld => Err(SourceError::Unavailable(TOO_OLD.to_owned()).into()),
            },
            Err(error) => {
                doubt.store(true, Ordering::Relaxed);
                Err(error)
            }
        }
    };
    match solana.nodes.run(hand_over).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => unless_it_landed(solana, signed, &doubtful, reason).await,
        Err(RpcError::Source(SourceError::Unavailable(text))) if text == TOO_OLD => {
            unless_it_landed(solana, signed, &doubtful, text).await
        }
        Err(error) => Err(solana.error(error)),
    }
}

/// It is refused, unless it is on the chain already (a preflight looks at the blockhash first), or a node may have taken
/// it without saying so.
async fn unless_it_landed(
    solana: &Solana,
    signed: &SignedTransaction,
    doubtful: &AtomicBool,
    reason: String,
) -> Result<(), ChainError> {
    if has_landed(solana, &signed.hash).await? {
        return Ok(());
    }
    if doubtful.load(Ordering::Relaxed) {
        let source = SourceError::Unavailable("a node may have taken it without saying so".to_owned());
        return Err(solana.error(source.into()));
    }
    Err(ChainError::Refused(reason))
}

/// The last line that a program wrote itself; the machine's own say no more than that it failed.
fn telling(logs: &[String]) -> Option<&String> {
    let written = |line: &&String| !line.starts_with("Program ") || line.starts_with("Program log:");
    logs.iter().rev().find(written).or(logs.last())
}

fn verdict(error: &ErrorObject) -> Verdict {
    let simulated =
        error.data.clone().and_then(|data| serde_json::from_value::<RpcSimulateTransactionResult>(data).ok());
    let (failure, log) = match simulated {
        Some(simulated) => (
            simulated.err.map(TransactionError::from),
            telling(&simulated.logs.unwrap_or_default()).map(|line| line.chars().take(300).collect::<String>()),
        ),
        None => (None, None),
    };
    let says = |text: &str| error.message.to_ascii_lowercase().contains(text);
    match failure {
        Some(TransactionError::AlreadyProcessed) => Verdict::Done,
        Some(TransactionError::BlockhashNotFound) => Verdict::TooOld,
        None if says("already been processed") || says("alreadyprocessed") => Verdict::Done,
        None if says("blockhash not found") => Verdict::TooOld,
        failure => {
            let reason = failure.map_or_else(|| error.message.clone(), |failure| failure.to_string());
            Verdict::Refused(match log {
                Some(log) => format!("{reason} ({log})"),
                None => reason,
            })
        }
    }
}
