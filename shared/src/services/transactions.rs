//! Sending signed transactions. Each has a stream by its hash: that it was handed in is there before it is sent, what
//! came of it after, so that handing it in twice is the same as once. What is not known by then, the watcher finds out.

use std::sync::Arc;

use super::chains::{base64, hexadecimal};
use super::{Call, Error};
use crate::domain::transaction::{Submission, TransactionAggregate, TransactionCommand, TransactionState};
use crate::platform::clock::Clock;
use crate::platform::crash;
use crate::sources::chains::{Chain, ChainAdapter, ChainError, Chains, SignedTransaction};
use crate::store::{EventStore, Repository};

/// The use case of sending.
pub struct Transactions {
    chains: Arc<Chains>,
    repository: Repository<TransactionAggregate>,
    clock: Arc<dyn Clock>,
}

/// A transaction that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentTransaction {
    /// The chain.
    pub chain: Chain,
    /// What is known of it.
    pub submission: Submission,
    /// What has become of it.
    pub state: TransactionState,
}

impl Transactions {
    /// The use case over `chains`, its events going to `events`.
    pub fn new(chains: Arc<Chains>, events: Arc<dyn EventStore>, clock: Arc<dyn Clock>) -> Self {
        Self { chains, repository: Repository::new(events), clock }
    }

    /// Hands in a signed transaction: hexadecimal with `0x` (EVM), or base64 (Solana).
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no signed transaction of that chain, and where the chain's nodes refuse it;
    /// [`Error::Unavailable`], where it is not known whether they took it: to hand it in again is safe.
    pub async fn send(&self, call: &Call, chain: &str, signed: &str) -> Result<SentTransaction, Error> {
        let adapter = self.chains.find(chain)?;
        let signed = adapter.decode_signed(&bytes(signed)?)?;
        let subject = TransactionAggregate::subject(&adapter.chain().id, &signed.hash);
        let submission = self.submission(call, adapter.as_ref(), &signed);
        let first = self.record(call, &subject, TransactionCommand::Submit(submission)).await?;
        crash::point("transaction.submitted");
        let before = self.repository.load(&subject).await?.state;
        // What is settled was sent, and is not sent again.
        let settled = matches!(before.state(), Some(TransactionState::Confirmed | TransactionState::Failed));
        let sent = if settled { Ok(()) } else { adapter.send_transaction(&signed).await };
        crash::point("transaction.sent");
        let outcome = match &sent {
            Ok(()) => Some(TransactionCommand::Accept),
            // What became of an earlier try is not known: the watcher will find out.
            Err(ChainError::Invalid(reason) | ChainError::Refused(reason)) if first => {
                Some(TransactionCommand::Reject { reason: reason.clone() })
            }
            Err(_) => None,
        };
        if let Some(outcome) = outcome
            && let Err(error) = self.record(call, &subject, outcome).await
        {
            // The chain has answered, and so does this; the watcher will see what is not written down.
            tracing::warn!(%error, hash = signed.hash, "what came of a transaction could not be recorded");
        }
        sent?;
        self.shown(adapter.chain(), &subject).await
    }

    /// Whether it was news.
    async fn record(&self, call: &Call, subject: &str, command: TransactionCommand) -> Result<bool, Error> {
        // Its hash is its idempotency key.
        let events = self.repository.execute(subject, &command, &call.metadata(self.clock.now()), None).await?;
        Ok(!events.is_empty())
    }

    fn submission(&self, call: &Call, adapter: &dyn ChainAdapter, signed: &SignedTransaction) -> Submission {
        Submission {
            chain: adapter.chain().id.clone(),
            hash: signed.hash.clone(),
            from: signed.from.clone(),
            to: signed.to.clone(),
            nonce: signed.nonce,
            user_id: call.principal.as_ref().map(|principal| principal.user_id.clone()),
            submitted_at: self.clock.now(),
        }
    }

    async fn shown(&self, chain: &Chain, subject: &str) -> Result<SentTransaction, Error> {
        let aggregate = self.repository.load(subject).await?.state;
        let known = aggregate.submission().cloned().zip(aggregate.state());
        let (submission, state) = known.ok_or_else(|| Error::Internal(format!("{subject} was not recorded")))?;
        Ok(SentTransaction { chain: chain.clone(), submission, state })
    }
}

/// The bytes of a transaction, in either form.
fn bytes(signed: &str) -> Result<Vec<u8>, Error> {
    let signed = signed.trim();
    if signed.starts_with("0x") {
        return hexadecimal("signed", signed);
    }
    let invalid = || Error::Invalid("signed must be hexadecimal with 0x, or base64".to_owned());
    base64(signed).filter(|bytes| !bytes.is_empty()).ok_or_else(invalid)
}
