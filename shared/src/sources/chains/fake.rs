//! Chains in memory for the tests of services: a model of blocks, transactions as they are put in, and no answer on
//! demand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{FutureExt, ready};
use futures_util::stream::{self, BoxStream, StreamExt};

use super::{
    Balance, BalanceQuery, Chain, ChainAdapter, ChainError, ChainSet, ChainTransaction, Draft, EndpointHealth,
    FeeEstimate, SignedTransaction,
};
use crate::domain::chain::{Block, ChainId};
use crate::domain::watch::model::ModelChain;
use crate::domain::watch::{EventFilter, Scan, Trail};
use crate::platform::BoxFuture;
use crate::sources::SourceError;

/// How often a subscription looks whether there is something new.
const GLANCE: Duration = Duration::from_secs(1);

pub(crate) struct FakeChain {
    chain: Chain,
    pub(crate) model: Mutex<ModelChain>,
    pub(crate) down: AtomicBool,
    /// Whether subscriptions see nothing of what is new.
    pub(crate) pause_subscriptions: AtomicBool,
    /// Whether a transaction that is not known may still come.
    pub(crate) may_still_come: AtomicBool,
    step: AtomicU64,
    transactions: Mutex<HashMap<String, ChainTransaction>>,
}

impl FakeChain {
    /// The EVM chain of this number, without blocks; two above one are enough.
    pub(crate) fn new(number: u64) -> Arc<Self> {
        let chain = Chain {
            id: ChainId::evm(number),
            name: format!("chain-{number}"),
            symbol: "ETH".to_owned(),
            decimals: 18,
            confirmations: 2,
        };
        Arc::new(Self {
            chain,
            model: Mutex::default(),
            down: AtomicBool::new(false),
            pause_subscriptions: AtomicBool::new(false),
            may_still_come: AtomicBool::new(false),
            step: AtomicU64::new(1000),
            transactions: Mutex::default(),
        })
    }

    /// Blocks with so many events each.
    pub(crate) fn grow(&self, events: &[usize]) {
        self.model.lock().unwrap().grow(events);
    }

    /// So many blocks are read at once.
    pub(crate) fn set_step(&self, blocks: u64) {
        self.step.store(blocks, Ordering::SeqCst);
    }

    pub(crate) fn put(&self, transaction: ChainTransaction) {
        self.transactions.lock().unwrap().insert(transaction.hash.clone(), transaction);
    }

    fn reached(&self) -> Result<(), ChainError> {
        let source = SourceError::Unavailable("down".to_owned());
        let down = self.down.load(Ordering::SeqCst);
        if down { Err(ChainError::Unavailable { chain: self.chain.name.clone(), source }) } else { Ok(()) }
    }

    fn scan(&self, filter: &EventFilter, trail: &Trail) -> Result<Scan, ChainError> {
        self.reached()?;
        Ok(self.model.lock().unwrap().scan(filter.from_block, trail, self.step.load(Ordering::SeqCst)))
    }
}

/// Those that there are.
pub(crate) struct FakeChains(pub(crate) Vec<Arc<FakeChain>>);

impl ChainSet for FakeChains {
    fn adapter(&self, chain: &ChainId) -> Option<Arc<dyn ChainAdapter>> {
        self.0.iter().find(|fake| fake.chain.id == *chain).map(|fake| Arc::clone(fake) as _)
    }
}

impl ChainAdapter for FakeChain {
    fn chain(&self) -> &Chain {
        &self.chain
    }

    fn check_address(&self, text: &str) -> Result<String, ChainError> {
        Ok(text.to_owned())
    }

    fn check_hash(&self, text: &str) -> Result<String, ChainError> {
        Ok(text.to_owned())
    }

    fn get_balances<'a>(&'a self, _: &'a [BalanceQuery]) -> BoxFuture<'a, Vec<Result<Balance, ChainError>>> {
        ready(vec![]).boxed()
    }

    fn get_transaction<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, Result<Option<ChainTransaction>, ChainError>> {
        let found = self.transactions.lock().unwrap().get(hash).cloned();
        ready(self.reached().map(|()| found)).boxed()
    }

    fn estimate_fee<'a>(&'a self, _: &'a Draft) -> BoxFuture<'a, Result<FeeEstimate, ChainError>> {
        not_here()
    }

    fn decode_signed(&self, _: &[u8]) -> Result<SignedTransaction, ChainError> {
        Err(ChainError::Invalid("not in this fake".to_owned()))
    }

    fn send_transaction<'a>(&'a self, _: &'a SignedTransaction) -> BoxFuture<'a, Result<(), ChainError>> {
        not_here()
    }

    fn may_still_come<'a>(&'a self, _: &'a str, _: Option<u64>) -> BoxFuture<'a, Result<bool, ChainError>> {
        Box::pin(ready(self.reached().map(|()| self.may_still_come.load(Ordering::SeqCst))))
    }

    fn events_after<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: &'a Trail,
    ) -> BoxFuture<'a, Result<Scan, ChainError>> {
        async move {
            // As a real one, it lets others go on meanwhile.
            tokio::task::yield_now().await;
            self.scan(filter, trail)
        }
        .boxed()
    }

    fn subscribe_to_events<'a>(
        &'a self,
        filter: &'a EventFilter,
        trail: Trail,
    ) -> BoxStream<'a, Result<Scan, ChainError>> {
        stream::unfold(Some(trail), move |trail| async move {
            let mut trail = trail?;
            loop {
                tokio::time::sleep(GLANCE).await;
                if self.pause_subscriptions.load(Ordering::SeqCst) {
                    continue;
                }
                match self.scan(filter, &trail) {
                    Ok(Scan { through: None, .. }) => {}
                    Ok(scan) => {
                        trail.blocks.retain(|block| block.number < scan.from);
                        trail.blocks.extend(scan.through.clone());
                        return Some((Ok(scan), Some(trail)));
                    }
                    Err(error) => return Some((Err(error), None)),
                }
            }
        })
        .boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Block, ChainError>> {
        not_here()
    }

    fn health(&self) -> Vec<EndpointHealth> {
        vec![]
    }
}

fn not_here<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, ChainError>> {
    ready(Err(ChainError::Invalid("not in this fake".to_owned()))).boxed()
}
