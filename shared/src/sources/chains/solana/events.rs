//! The transactions that mention an account, as `getSignaturesForAddress` lists them
//! (<https://solana.com/docs/rpc/http/getsignaturesforaddress>): the newest first, a thousand at a time.
//!
//! Only what is finalised is read. That never changes, so a trail is never left, and a slot that was read was read
//! whole. The list is read back from its newest entry to the trail. Where that is too far, it is begun nearer to the
//! trail, behind a transaction of a block there: what is in between is read the next time, and nothing is passed over.

use serde_json::json;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_client::rpc_config::{CommitmentConfig, RpcBlockConfig, RpcSignaturesForAddressConfig, TransactionDetails};
use solana_client::rpc_request::{MAX_GET_CONFIRMED_SIGNATURES_FOR_ADDRESS2_LIMIT as PAGE, RpcRequest};
use solana_client::rpc_response::{RpcConfirmedTransactionStatusWithSignature as Entry, UiConfirmedBlock};

use super::Solana;
use super::sender::{client, from_client};
use crate::domain::chain::Block;
use crate::domain::watch::{ChainEvent, EventFilter, Scan, Trail};
use crate::sources::SourceError;
use crate::sources::chains::ChainError;
use crate::sources::chains::rpc::{RpcError, Session};

/// Pages that are read until the list is begun elsewhere.
const PAGES: usize = if cfg!(test) { 2 } else { 10 };
/// How often it is begun elsewhere.
const ROUNDS: usize = 8;
/// Where nothing happens for so many slots, about a minute, the trail moves on all the same.
const QUIET: u64 = 150;
/// Whoever is further behind must be told by the node that it still has what lies between: about seven minutes.
const NEAR: u64 = 1_000;

pub(super) async fn events_after(solana: &Solana, filter: &EventFilter, trail: &Trail) -> Result<Scan, ChainError> {
    let account = filter.addresses.first().ok_or_else(|| ChainError::Invalid("an account must be named".to_owned()))?;
    let account = super::keys::address(account)?.to_string();
    let account = account.as_str();
    let scan = |session: Session| async move {
        let client = client(session, CommitmentConfig::finalized());
        let head = client.get_slot().await.map_err(from_client)?;
        let begin = match (trail.blocks.last(), filter.from_block) {
            (Some(last), _) => Begin { slot: last.number + 1, last: last.hash.clone() },
            (None, Some(slot)) => Begin { slot, last: String::new() },
            // From now on.
            (None, None) => {
                let through = Some(Block { number: head, hash: String::new() });
                return Ok(Scan { from: head, through, events: vec![], caught_up: true });
            }
        };
        List { client: &client, account, begin, head }.scan().await
    };
    solana.nodes.run_long(scan).await.map_err(|error| solana.error(error))
}

/// The first slot that was not read, and the last signature that was, where there is one.
struct Begin {
    slot: u64,
    last: String,
}

/// An account's list at one node, which has finalised the slot `head`.
struct List<'a> {
    client: &'a RpcClient,
    account: &'a str,
    begin: Begin,
    head: u64,
}

/// Where reading starts: below the slot, in front of the signature; at the newest there is without one.
struct Top {
    slot: u64,
    before: Option<String>,
}

impl List<'_> {
    async fn scan(self) -> Result<Scan, RpcError> {
        let from = self.begin.slot;
        if self.head < from {
            return Ok(Scan { from, through: None, events: vec![], caught_up: true });
        }
        if self.head - from > NEAR {
            self.reaches_back().await?;
        }
        let mut top = Top { slot: u64::MAX, before: None };
        for _ in 0..ROUNDS {
            let (entries, whole) = self.down_from(&top).await?;
            if whole {
                let caught_up = top.before.is_none();
                let end = if caught_up { self.head } else { top.slot - 1 };
                return Ok(self.scanned(entries, end, caught_up));
            }
            top = self.lower(&entries).await?;
        }
        Err(malformed(format!("more than {} transactions of {} in one slot", PAGES * PAGE, self.account)))
    }

    /// The entries from `top` down to where reading begins, the newest first, and whether they are all that there are.
    async fn down_from(&self, top: &Top) -> Result<(Vec<Entry>, bool), RpcError> {
        let (mut before, mut newest) = (top.before.clone(), self.head);
        let mut entries: Vec<Entry> = vec![];
        for _ in 0..PAGES {
            let config = RpcSignaturesForAddressConfig {
                before: before.take(),
                until: Some(&self.begin.last).filter(|last| !last.is_empty()).cloned(),
                limit: Some(PAGE),
                commitment: Some(CommitmentConfig::finalized()),
                // Behind one address there may be nodes of which one is not as far as the other. To one that does not
                // know `before` the list would be at its end.
                min_context_slot: Some(newest),
            };
            let params = json!([self.account, config]);
            let page = self.client.send::<Vec<Entry>>(RpcRequest::GetSignaturesForAddress, params).await;
            let page = page.map_err(from_client)?;
            newest = page.iter().map(|entry| entry.slot).fold(newest, u64::max);
            before = page.last().map(|entry| entry.signature.clone());
            let last = page.len() < PAGE || page.iter().any(|entry| entry.slot < self.begin.slot);
            let wanted = |entry: &Entry| (self.begin.slot..top.slot).contains(&entry.slot);
            entries.extend(page.into_iter().filter(wanted));
            if last {
                return Ok((entries, true));
            }
        }
        Ok((entries, false))
    }

    /// A start so near to where reading begins that half the pages should do, as dense as the list was in `entries`.
    async fn lower(&self, entries: &[Entry]) -> Result<Top, RpcError> {
        let (Some(newest), Some(oldest)) = (entries.first(), entries.last()) else {
            return Err(malformed("pages of a list that are out of place".to_owned()));
        };
        let slots = newest.slot.saturating_sub(oldest.slot).min(oldest.slot - self.begin.slot);
        let slot = self.begin.slot + (slots / 2).max(1);
        tracing::info!(account = self.account, from = self.begin.slot, slot, "a long list: read in parts");
        let commitment = CommitmentConfig::finalized();
        let blocks: Vec<u64> =
            self.client.get_blocks_with_limit_and_commitment(slot, 1, commitment).await.map_err(from_client)?;
        let slot = blocks
            .first()
            .copied()
            .filter(|block| *block >= slot)
            .ok_or_else(|| malformed(format!("no block from slot {slot} on")))?;
        let config = RpcBlockConfig {
            transaction_details: Some(TransactionDetails::Signatures),
            rewards: Some(false),
            commitment: Some(commitment),
            max_supported_transaction_version: Some(0),
            ..RpcBlockConfig::default()
        };
        let block: UiConfirmedBlock =
            self.client.send(RpcRequest::GetBlock, json!([slot, config])).await.map_err(from_client)?;
        let first = block.signatures.unwrap_or_default().into_iter().next();
        let before = first.ok_or_else(|| malformed(format!("no transaction in slot {slot}")))?;
        Ok(Top { slot, before: Some(before) })
    }

    /// Makes sure that the node has not forgotten what is asked for: its list would just be shorter.
    async fn reaches_back(&self) -> Result<(), RpcError> {
        match self.client.get_first_available_block().await.map_err(from_client) {
            // Nothing happens in the first block.
            Ok(first) if first > self.begin.slot && first > 1 => {
                let text = format!("it has no slots before {first}, and {} is asked for", self.begin.slot);
                Err(SourceError::Unavailable(text).into())
            }
            Ok(_) | Err(RpcError::Unsupported(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `end` is the last slot that was read.
    fn scanned(self, entries: Vec<Entry>, end: u64, caught_up: bool) -> Scan {
        let mut events: Vec<_> = entries.into_iter().rev().map(|entry| event(self.account, entry)).collect();
        // Some lists are not in order within a few slots. Within a slot the order stays.
        events.sort_by_key(|event| event.block.number);
        let quiet = end - self.begin.slot < QUIET && caught_up;
        let through = match events.last() {
            Some(last) => Some(last.block.clone()),
            None if quiet => None,
            None => Some(Block { number: end, hash: self.begin.last }),
        };
        Scan { from: self.begin.slot, through, events, caught_up }
    }
}

fn event(account: &str, entry: Entry) -> ChainEvent {
    ChainEvent {
        block: Block { number: entry.slot, hash: entry.signature.clone() },
        transaction: entry.signature,
        index: 0,
        address: account.to_owned(),
        topics: vec![],
        data: entry.memo.unwrap_or_default(),
        succeeded: entry.err.is_none(),
    }
}

fn malformed(text: String) -> RpcError {
    SourceError::Malformed(text).into()
}
