//! Logs, stretch by stretch, of blocks that are deep enough to stay; and what to do where they do not stay all the same.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ethers::types::U64;
use serde_json::{Value, json};

use super::Evm;
use super::address::{checksummed, parse_address, parse_hash};
use super::protocol::{Header, Log, hex, take};
use crate::domain::chain::Block;
use crate::domain::watch::{ChainEvent, EventFilter, Scan, Trail};
use crate::sources::SourceError;
use crate::sources::chains::ChainError;
use crate::sources::chains::rpc::{RpcError, Session, decode};

/// Blocks that are read at once, at first and at most.
const RANGE: u64 = 2_000;
const LONGEST_RANGE: u64 = 10_000;
/// Headers that are asked for at once.
const HEADERS: usize = 32;
/// How often it is begun again, where the chain changes while it is read.
const ATTEMPTS: u32 = 4;

/// How many blocks of each filter the nodes of a chain let one read at once, as far as that is known: fewer where they
/// refused, or hold much.
#[derive(Default)]
pub(super) struct Ranges(Mutex<HashMap<String, u64>>);

impl Ranges {
    fn get(&self, filter: &EventFilter) -> u64 {
        self.lock().get(&filter.name).copied().unwrap_or(RANGE)
    }

    /// So many were not too many: a few more the next time.
    fn went_well(&self, filter: &EventFilter, blocks: u64, shortened: bool) {
        let mut ranges = self.lock();
        let known = ranges.entry(filter.name.clone()).or_insert(RANGE);
        let more = (blocks + blocks / 4 + 1).min(LONGEST_RANGE);
        *known = if shortened { blocks } else { more.max(*known) };
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next stretch behind `trail`.
pub(super) async fn events_after(evm: &Evm, filter: &EventFilter, trail: &Trail) -> Result<Scan, ChainError> {
    check(filter)?;
    // Each step of it goes to the same node: another one may know another fork.
    let scan = evm.nodes.run_long(|session| async move {
        for _ in 0..ATTEMPTS {
            if let Some(scan) = read(evm, &session, filter, trail).await? {
                return Ok(scan);
            }
            tracing::debug!(chain = evm.chain.name, "the chain changed while it was read; once more");
        }
        Err(SourceError::Unavailable("the chain changes faster than it can be read".to_owned()).into())
    });
    scan.await.map_err(|error| evm.nodes.error(error))
}

fn check(filter: &EventFilter) -> Result<(), ChainError> {
    filter.addresses.iter().try_for_each(|address| parse_address(address).map(drop))?;
    filter.topics.iter().flatten().try_for_each(|topic| parse_hash(topic).map(drop))
}

/// `None`, where what was read does not fit together.
async fn read(evm: &Evm, session: &Session, filter: &EventFilter, trail: &Trail) -> Result<Option<Scan>, RpcError> {
    let head = session.call::<U64>("eth_blockNumber", json!([])).await?.as_u64();
    let settled = head.checked_sub(evm.chain.confirmations);
    let nothing = |from| Some(Scan { from, through: None, events: vec![], caught_up: true });
    let Some(start) = start(session, filter, trail, head, settled).await? else { return Ok(nothing(0)) };
    let Some(settled) = settled.filter(|settled| *settled >= start.from) else { return Ok(nothing(start.from)) };
    let Some((to, through, logs)) = stretch(evm, session, filter, &start, settled).await? else { return Ok(None) };
    let mut events: Vec<_> = logs.into_iter().filter(|log| !log.removed).map(event).collect();
    let misplaced = |event: &ChainEvent| {
        !(start.from..=to).contains(&event.block.number)
            || (event.block.number == to && event.block.hash != through.hash)
    };
    if events.iter().any(misplaced) {
        return Ok(None);
    }
    events.sort_by_key(|event| (event.block.number, event.index));
    events.dedup_by_key(|event| (event.block.number, event.index));
    Ok(Some(Scan { from: start.from, through: Some(through), events, caught_up: to == settled }))
}

/// Where to go on.
struct Start {
    from: u64,
    /// The hash of the block before it, where it is known.
    parent: Option<String>,
    /// Nothing before it matters: begin with its end.
    newest_only: bool,
}

/// Where the chain and the trail agree, and what follows. `None`: there is nothing yet.
async fn start(
    session: &Session,
    filter: &EventFilter,
    trail: &Trail,
    head: u64,
    settled: Option<u64>,
) -> Result<Option<Start>, RpcError> {
    let Some(last) = trail.blocks.last() else {
        let from = filter.from_block.or(settled);
        return Ok(from.map(|from| Start { from, parent: None, newest_only: filter.from_block.is_none() }));
    };
    if head < last.number {
        let behind = format!("it is at block {head}, and {} was read already", last.number);
        return Err(SourceError::Unavailable(behind).into());
    }
    let after = |block: &Block| Start { from: block.number + 1, parent: Some(block.hash.clone()), newest_only: false };
    if header(session, last.number).await?.hash == last.hash {
        return Ok(Some(after(last)));
    }
    let mut agreed = None;
    for known in trail.blocks.rchunks(HEADERS) {
        let calls: Vec<_> = known.iter().map(|block| block_at(block.number)).collect();
        for (answer, block) in session.batch(&calls).await?.into_iter().zip(known) {
            let header: Option<Header> = decode(&answer?)?;
            if header.is_some_and(|header| header.block() == *block) {
                agreed = Some(after(block));
            }
        }
        if agreed.is_some() {
            break;
        }
    }
    let oldest = trail.blocks.first().map_or(last.number, |block| block.number);
    if agreed.is_none() {
        tracing::error!(
            filter = filter.name,
            oldest,
            "the chain has left everything that is known of it; it is read again from there"
        );
    }
    Ok(Some(agreed.unwrap_or(Start { from: oldest, parent: None, newest_only: false })))
}

/// The logs of as long a stretch as the node gives at once, and its last block. `None`, where the chain changed.
async fn stretch(
    evm: &Evm,
    session: &Session,
    filter: &EventFilter,
    start: &Start,
    settled: u64,
) -> Result<Option<(u64, Block, Vec<Log>)>, RpcError> {
    let mut blocks = if start.newest_only { 1 } else { evm.ranges.get(filter) };
    let mut shortened = false;
    loop {
        let to = settled.min(start.from.saturating_add(blocks - 1));
        blocks = to - start.from + 1;
        // The last block's header before and after: the logs between are those of one fork.
        let calls = [block_at(start.from), block_at(to), logs_of(filter, start.from, to), block_at(to)];
        let [first, before, logs, after] = match session.batch(&calls).await {
            Ok(outcomes) => take(outcomes)?,
            Err(RpcError::Source(SourceError::TooLong(_) | SourceError::TimedOut(_))) if blocks > 1 => {
                (blocks, shortened) = (blocks / 2, true);
                continue;
            }
            Err(error) => return Err(error),
        };
        let logs: Vec<Log> = match logs {
            Ok(logs) => decode(&logs)?,
            // Nodes say in many words that it is too much.
            Err(RpcError::Answer(error)) if blocks > 1 => {
                tracing::debug!(chain = evm.chain.name, blocks, %error, "a node does not give so many blocks' logs at once");
                (blocks, shortened) = (blocks / 2, true);
                continue;
            }
            // If not even one, then it is not for how much it is: another node may have them.
            Err(RpcError::Answer(error)) => return Err(SourceError::Unavailable(error.message).into()),
            Err(error) => return Err(error),
        };
        let [first, before, after] = [first?, before?, after?].map(|header| decode::<Option<Header>>(&header));
        let (Some(first), Some(before), Some(after)) = (first?, before?, after?) else { return Ok(None) };
        let parent_fits = start.parent.as_ref().is_none_or(|parent| *parent == hex(first.parent_hash));
        if before.hash != after.hash || !parent_fits {
            return Ok(None);
        }
        evm.ranges.went_well(filter, blocks, shortened);
        return Ok(Some((to, after.block(), logs)));
    }
}

async fn header(session: &Session, number: u64) -> Result<Block, RpcError> {
    let (method, params) = block_at(number);
    let header: Option<Header> = session.call(method, params).await?;
    let missing = || SourceError::Unavailable(format!("it does not have block {number}")).into();
    header.map(|header| header.block()).ok_or_else(missing)
}

fn block_at(number: u64) -> (&'static str, Value) {
    ("eth_getBlockByNumber", json!([U64::from(number), false]))
}

fn logs_of(filter: &EventFilter, from: u64, to: u64) -> (&'static str, Value) {
    let mut query = conditions(filter);
    query["fromBlock"] = json!(U64::from(from));
    query["toBlock"] = json!(U64::from(to));
    ("eth_getLogs", json!([query]))
}

/// The filter, as nodes take it.
pub(super) fn conditions(filter: &EventFilter) -> Value {
    let topics: Vec<_> =
        filter.topics.iter().map(|allowed| if allowed.is_empty() { Value::Null } else { json!(allowed) }).collect();
    let mut conditions = json!({ "topics": topics });
    if !filter.addresses.is_empty() {
        conditions["address"] = json!(filter.addresses);
    }
    conditions
}

pub(super) fn event(log: Log) -> ChainEvent {
    ChainEvent {
        block: Block { number: log.block_number.as_u64(), hash: hex(log.block_hash) },
        transaction: hex(log.transaction_hash),
        index: log.index.as_u64(),
        address: checksummed(log.address),
        topics: log.topics.into_iter().map(hex).collect(),
        data: log.data.to_string(),
        succeeded: true,
    }
}
