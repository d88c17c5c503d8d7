//! An adapter that breaks one promise.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::stream::BoxStream;
use mcp_core::domain::chain::Block;
use mcp_core::domain::watch::{EventFilter, Scan, Trail};
use mcp_core::platform::BoxFuture;
use mcp_core::sources::chains::{
    Balance, BalanceQuery, Chain, ChainAdapter, ChainError, ChainTransaction, Draft, EndpointHealth, FeeEstimate,
    SignedTransaction, TransactionStatus,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TakesAnyAddress,
    SwapsBalances,
    AsksOneByOne,
    TellsNoDecimals,
    MakesUpTransactions,
    TakesPendingForDone,
    TakesFailureForSuccess,
    TellsHalfTheFee,
    EstimatesATenth,
    EstimatesWhatFails,
    TakesWhatFollows,
    RefusesTheSecondSend,
    ForgetsToSend,
    TakesWhatIsRefused,
    DropsAnEvent,
    DoublesAnEvent,
    TurnsEventsAround,
    BeginsAnewEachTime,
    TellsOfAll,
}

pub(super) struct Double {
    pub(super) real: Arc<dyn ChainAdapter>,
    pub(super) fault: Fault,
    done: AtomicBool,
    sent: Mutex<Vec<String>>,
}

impl Double {
    pub(super) fn of(real: Arc<dyn ChainAdapter>, fault: Fault) -> Self {
        Self { real, fault, done: AtomicBool::new(false), sent: Mutex::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Whether it is the first time.
    fn first(&self) -> bool {
        !self.done.swap(true, Ordering::SeqCst)
    }

    fn alter(&self, found: Option<ChainTransaction>, hash: &str) -> Option<ChainTransaction> {
        let Some(mut transaction) = found else {
            return self.is(Fault::MakesUpTransactions).then(|| made_up(hash));
        };
        let status = &mut transaction.status;
        match self.fault {
            Fault::TakesPendingForDone if *status == TransactionStatus::Pending => {
                *status = TransactionStatus::Succeeded;
            }
            Fault::TakesFailureForSuccess => *status = TransactionStatus::Succeeded,
            Fault::TellsHalfTheFee => transaction.fee.iter_mut().for_each(|fee| fee.units /= 2),
            _ => {}
        }
        Some(transaction)
    }
}

fn made_up(hash: &str) -> ChainTransaction {
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

impl ChainAdapter for Double {
    fn chain(&self) -> &Chain {
        self.real.chain()
    }

    fn check_address(&self, text: &str) -> Result<String, ChainError> {
        if self.is(Fault::TakesAnyAddress) { Ok(text.to_owned()) } else { self.real.check_address(text) }
    }

    fn check_hash(&self, text: &str) -> Result<String, ChainError> {
        self.real.check_hash(text)
    }

    fn get_balances<'a>(&'a self, queries: &'a [BalanceQuery]) -> BoxFuture<'a, Vec<Result<Balance, ChainError>>> {
        Box::pin(async move {
            if self.is(Fault::AsksOneByOne) {
                let mut told = vec![];
                for query in queries {
                    told.extend(self.real.get_balances(std::slice::from_ref(query)).await);
                }
                return told;
            }
            let mut told = self.real.get_balances(queries).await;
            match self.fault {
                Fault::SwapsBalances => told.reverse(),
                Fault::TellsNoDecimals => told.iter_mut().flatten().for_each(|balance| balance.amount.decimals = 0),
                _ => {}
            }
            told
        })
    }

    fn get_transaction<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Option<ChainTransaction>, ChainError>> {
        Box::pin(async move { Ok(self.alter(self.real.get_transaction(hash).await?, hash)) })
    }

    fn estimate_fee<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<FeeEstimate, ChainError>> {
        Box::pin(async move {
            let mut told = match self.real.estimate_fee(draft).await {
                Err(ChainError::Refused(_)) if self.is(Fault::EstimatesWhatFails) => {
                    self.real.estimate_fee(&Draft::default()).await?
                }
                told => told?,
            };
            if self.is(Fault::EstimatesATenth) {
                for level in [&mut told.slow, &mut told.normal, &mut told.fast] {
                    level.total.units /= 10;
                }
            }
            Ok(told)
        })
    }

    fn decode_signed(&self, bytes: &[u8]) -> Result<SignedTransaction, ChainError> {
        match self.real.decode_signed(bytes) {
            Err(_) if self.is(Fault::TakesWhatFollows) && bytes.len() > 1 => {
                self.real.decode_signed(&bytes[..bytes.len() - 1])
            }
            told => told,
        }
    }

    fn send_transaction<'a>(&'a self, signed: &'a SignedTransaction) -> BoxFuture<'a, Result<(), ChainError>> {
        Box::pin(async move {
            let again = {
                let mut sent = self.sent.lock().unwrap();
                let again = sent.contains(&signed.hash);
                sent.push(signed.hash.clone());
                again
            };
            match self.fault {
                Fault::ForgetsToSend => Ok(()),
                Fault::RefusesTheSecondSend if again => Err(ChainError::Refused("already known".to_owned())),
                Fault::TakesWhatIsRefused => self.real.send_transaction(signed).await.or(Ok(())),
                _ => self.real.send_transaction(signed).await,
            }
        })
    }

    fn may_still_come<'a>(&'a self, from: &'a str, nonce: Option<u64>) -> BoxFuture<'a, Result<bool, ChainError>> {
        self.real.may_still_come(from, nonce)
    }

    fn events_after<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: &'a Trail,
    ) -> BoxFuture<'a, Result<Scan, ChainError>> {
        Box::pin(async move {
            let (mut filter, mut trail) = (filter.clone(), trail.clone());
            if self.is(Fault::BeginsAnewEachTime) && !trail.blocks.is_empty() {
                trail.blocks.truncate(1);
            }
            if self.is(Fault::TellsOfAll) {
                filter.addresses.clear();
            }
            let mut scan = self.real.events_after(&filter, &trail).await?;
            match (self.fault, scan.events.last().cloned()) {
                (Fault::DropsAnEvent, Some(_)) if self.first() => {
                    scan.events.pop();
                }
                (Fault::DoublesAnEvent, Some(last)) if self.first() => scan.events.push(last),
                (Fault::TurnsEventsAround, _) => scan.events.reverse(),
                _ => {}
            }
            Ok(scan)
        })
    }

    fn subscribe_to_events<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: Trail,
    ) -> BoxStream<'a, Result<Scan, ChainError>> {
        self.real.subscribe_to_events(filter, trail)
    }

    fn head(&self) -> BoxFuture<'_, Result<Block, ChainError>> {
        self.real.head()
    }

    fn health(&self) -> Vec<EndpointHealth> {
        self.real.health()
    }
}
