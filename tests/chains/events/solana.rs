//! Solana: the transactions that mention an account.

use std::time::Duration;

use futures_util::StreamExt;
use mcp_core::domain::watch::{ChainEvent, Trail};
use support::eventually::eventually;
use support::proxy::{Network, Proxy};
use support::solana::{SolanaNode, Transfer};
use tokio::time::timeout;

use super::*;
use crate::chains::adapters::{cluster, solana};
use crate::chains::reader::{Reader, transactions};

const SOL: u64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

struct Watched {
    node: SolanaNode,
    name: String,
    filter: EventFilter,
}

impl Watched {
    async fn start() -> Self {
        let node = SolanaNode::start().await;
        let name = cluster(&node.url()).await;
        let filter = EventFilter {
            name: "received".to_owned(),
            chain: name.parse().unwrap(),
            addresses: vec![node.keys().await.address],
            topics: vec![],
            from_block: None,
        };
        Self { node, name, filter }
    }

    fn account(&self) -> &str {
        &self.filter.addresses[0]
    }

    fn adapter(&self) -> Arc<dyn ChainAdapter> {
        solana(&self.name, &[&self.node.url()])
    }
}

#[tokio::test]
async fn several_transactions_of_one_slot_are_all_told_in_their_order() {
    let watched = Watched::start().await;
    let (node, adapter) = (&watched.node, watched.adapter());
    let from = node.keys_with(50 * SOL).await;
    let mut reader = Reader::new(&*adapter, &watched.filter);
    reader.rest().await;
    let (mut happened, mut slots) = (vec![], vec![]);
    for round in 0..3 {
        let mut together = vec![];
        for number in 0..4 {
            together.push(node.sign_transfer(&from, watched.account(), SOL + round * 10 + number).await);
        }
        slots.push(node.land_together(&together).await);
        happened.extend(together.iter().map(|signed| {
            use base64::Engine;
            let bytes = base64::prelude::BASE64_STANDARD.decode(signed).unwrap();
            adapter.decode_signed(&bytes).unwrap().hash
        }));
    }
    // The last slot is not final yet.
    node.advance(31).await;
    let early = reader.rest().await;
    node.advance(1).await;
    let late = reader.rest().await;
    assert_eq!((early.len(), late.len()), (8, 4));
    assert_eq!(transactions(&[early.clone(), late].concat()), happened);
    assert!(early.iter().all(|event| slots[..2].contains(&event.block.number)));
}

#[tokio::test]
async fn a_memo_is_told_and_a_failure_too() {
    let watched = Watched::start().await;
    let (node, adapter) = (&watched.node, watched.adapter());
    let from = node.keys_with(5 * SOL).await;
    let mut reader = Reader::new(&*adapter, &watched.filter);
    reader.rest().await;
    let to = watched.account();
    let transfer = Transfer { from: &from, to, amount: SOL, mint: None, memo: Some("for lunch"), versioned: true };
    node.send(&node.sign(transfer).await).await;
    node.send_unchecked(&node.sign_transfer(&from, to, 70 * SOL).await).await;
    node.advance(32).await;
    let told: Vec<_> = reader.rest().await.into_iter().map(|event| (event.data, event.succeeded)).collect();
    assert_eq!(told, [("[9] for lunch".to_owned(), true), (String::new(), false)]);
}

/// A node lists a thousand at once.
#[tokio::test]
async fn more_than_a_page_is_told_whole() {
    let watched = Watched::start().await;
    let adapter = watched.adapter();
    let mut reader = Reader::new(&*adapter, &watched.filter);
    reader.rest().await;
    let mut happened = vec![];
    for number in 0..1_005 {
        happened.push(watched.node.airdrop(watched.account(), SOL + number).await);
    }
    watched.node.advance(32).await;
    assert_eq!(transactions(&reader.rest().await), happened);
    let later = watched.node.airdrop(watched.account(), 2 * SOL).await;
    watched.node.advance(32).await;
    assert_eq!(transactions(&reader.rest().await), [later]);
}

#[tokio::test]
async fn reading_begins_where_the_filter_says() {
    let watched = Watched::start().await;
    let adapter = watched.adapter();
    watched.node.airdrop(watched.account(), SOL).await;
    let second = watched.node.airdrop(watched.account(), SOL + 1).await;
    let from_block = Some(watched.node.advance(0).await);
    watched.node.advance(32).await;
    let filter = EventFilter { from_block, ..watched.filter.clone() };
    assert_eq!(transactions(&Reader::new(&*adapter, &filter).rest().await), [second]);
}

/// What is told until there are so many.
async fn heard(adapter: &dyn ChainAdapter, filter: &EventFilter, count: usize) -> Vec<ChainEvent> {
    let mut scans = adapter.subscribe_to_events(filter, Trail::default());
    let mut events = vec![];
    while events.len() < count {
        let scan = timeout(PATIENCE, scans.next()).await.expect("something is told").expect("it does not end");
        events.extend(scan.unwrap().events);
    }
    events
}

#[tokio::test]
async fn a_socket_that_dies_loses_and_doubles_nothing() {
    let watched = Watched::start().await;
    let network = Proxy::to(watched.node.ws_url().rsplit('/').next().unwrap()).await;
    let adapter = solana(&watched.name, &[&watched.node.url(), &format!("ws://{}", network.address())]);
    let filter = EventFilter { from_block: Some(0), ..watched.filter.clone() };
    let happens = async {
        eventually("somebody listens", async || network.requests() > 0).await;
        let mut happened = vec![];
        for number in 0..12 {
            happened.push(watched.node.airdrop(watched.account(), SOL + number).await);
            watched.node.advance(32).await;
            if number % 5 == 3 {
                network.set(Network::Resets).await;
                network.set(Network::Good).await;
            }
        }
        happened
    };
    let (told, happened) = tokio::join!(heard(&*adapter, &filter, 12), happens);
    assert_eq!(transactions(&told), happened);
}

#[tokio::test]
async fn without_a_socket_it_is_looked_for_now_and_then() {
    let watched = Watched::start().await;
    let adapter = watched.adapter();
    let filter = EventFilter { from_block: Some(0), ..watched.filter.clone() };
    let happens = async {
        let happened = [watched.node.airdrop(watched.account(), SOL).await];
        watched.node.advance(32).await;
        happened
    };
    let (told, happened) = tokio::join!(heard(&*adapter, &filter, 1), happens);
    assert_eq!(transactions(&told), happened);
}
