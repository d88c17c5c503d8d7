//! Settling transactions that were handed in here: what became of each is asked of its chain, until it is known for good.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::Watcher;
use crate::domain::chain::ChainId;
use crate::domain::projection::TransactionChange;
use crate::domain::transaction::{Submission, TransactionAggregate, TransactionCommand};
use crate::platform::clock::{Timestamp, delta};
use crate::platform::crash;
use crate::services::Error;
use crate::sources::chains::{Chain, ChainAdapter, ChainTransaction, TransactionStatus};
use crate::store::{PendingQuery, Repository};

/// Transactions that are read at once, and looked up at once.
const PAGE: u32 = 50;
const LOOKUPS: usize = 8;
/// What a look-up may take, and recording what came of it.
const LOOKUP: Duration = Duration::from_secs(12);
/// Who has just handed one in still waits for the node's answer.
const QUIET: Duration = Duration::from_secs(10);
/// How long a transaction may be unknown to its chain.
const FORGOTTEN: Duration = Duration::from_secs(15 * 60);

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Transactions of which it is known now what became.
    pub settled: usize,
    /// Transactions that could not be looked up.
    pub failed: usize,
}

impl Watcher {
    /// Asks the chains what became of the pending transactions, those first that were heard of longest ago; begins
    /// none that could not end by `deadline`. A chain that is down is asked no more in this run, and stops no other.
    ///
    /// # Errors
    /// The store's, where it does not tell which are pending.
    pub async fn settle(&self, correlation_id: &str, deadline: Timestamp) -> Result<Settled, Error> {
        let older_than = self.clock.now() - delta(QUIET);
        let mut query = PendingQuery { older_than, after: None, limit: PAGE };
        let (mut sum, mut down) = (Settled::default(), HashSet::new());
        while self.fits(LOOKUP, deadline) {
            let page = self.store.pending_transactions(&query).await?;
            let Some((id, last)) = page.last() else { break };
            query.after = Some((last.updated_at, *id));
            let asked =
                page.iter().map(|(_, pending)| pending).filter(|pending| !down.contains(&pending.submission.chain));
            let work: Vec<_> = asked.map(|pending| self.look_up(pending, correlation_id, deadline)).collect();
            let outcomes: Vec<_> = stream::iter(work).buffer_unordered(LOOKUPS).collect().await;
            for (chain, outcome) in outcomes {
                match outcome {
                    Ok(settled) => sum.settled += usize::from(settled),
                    Err(error) => {
                        tracing::warn!(%chain, %error, "a transaction could not be looked up");
                        sum.failed += 1;
                        if matches!(error, Error::Unavailable { .. }) {
                            down.insert(chain);
                        }
                    }
                }
            }
        }
        Ok(sum)
    }

    async fn look_up(
        &self,
        pending: &TransactionChange,
        correlation_id: &str,
        deadline: Timestamp,
    ) -> (ChainId, Result<bool, Error>) {
        let outcome =
            if self.fits(LOOKUP, deadline) { self.settle_one(pending, correlation_id).await } else { Ok(false) };
        (pending.submission.chain.clone(), outcome)
    }

    /// Whether it is settled now.
    async fn settle_one(&self, pending: &TransactionChange, correlation_id: &str) -> Result<bool, Error> {
        let (chain, hash) = (&pending.submission.chain, &pending.submission.hash);
        let adapter = self.adapter(chain)?;
        let command = match adapter.get_transaction(hash).await? {
            Some(found) => settled(found, adapter.chain()),
            None => self.forgotten(adapter.as_ref(), pending).await?,
        };
        let Some(command) = command else { return Ok(false) };
        let transactions = Repository::<TransactionAggregate>::new(self.events.clone());
        let subject = TransactionAggregate::subject(chain, hash);
        let events = transactions.execute(&subject, &command, &self.metadata(correlation_id), None).await?;
        crash::point("watch.settled");
        Ok(!events.is_empty())
    }

    /// A transaction that no node knows is given up once it cannot come any more: until then, who signs another one in its
    /// place might pay twice.
    async fn forgotten(
        &self,
        adapter: &dyn ChainAdapter,
        pending: &TransactionChange,
    ) -> Result<Option<TransactionCommand>, Error> {
        if self.clock.now() - pending.updated_at <= delta(FORGOTTEN) {
            return Ok(None);
        }
        let Submission { from, nonce, .. } = &pending.submission;
        if adapter.may_still_come(from, *nonce).await? {
            return Ok(None);
        }
        Ok(Some(TransactionCommand::Drop { reason: "no node knows it, and it cannot come any more".to_owned() }))
    }
}

/// What is to be said of a transaction that is in a block, once enough others lie above it.
fn settled(found: ChainTransaction, chain: &Chain) -> Option<TransactionCommand> {
    let succeeded = match found.status {
        TransactionStatus::Pending => return None,
        TransactionStatus::Succeeded => true,
        TransactionStatus::Failed => false,
    };
    let block = found.block.filter(|_| chain.is_settled(found.confirmations))?;
    Some(TransactionCommand::Settle { block, succeeded, error: found.error.filter(|_| !succeeded) })
}
