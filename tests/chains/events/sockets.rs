//! Who subscribes hears soon, and loses nothing when a socket dies: it wakes, and what happened is read behind the trail.

use std::time::Duration;

use futures_util::StreamExt;
use mcp_core::domain::watch::{ChainEvent, Trail};
use support::eventually::eventually;
use support::proxy::{Network, Proxy};
use tokio::time::timeout;

use super::*;
use crate::chains::reader::transactions;

const PATIENCE: Duration = Duration::from_secs(60);

fn address(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
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

/// From the next block on.
async fn from_now(ledger: &Ledger) -> EventFilter {
    EventFilter { from_block: Some(ledger.anvil.block_number().await + 1), ..ledger.filter() }
}

#[tokio::test]
async fn a_socket_that_dies_again_and_again_loses_and_doubles_nothing() {
    let ledger = Ledger::start().await;
    let network = Proxy::to(address(&ledger.anvil.ws_url())).await;
    let adapter = evm("anvil", &[&ledger.proxy.url(), &format!("ws://{}", network.address())]);
    let filter = from_now(&ledger).await;
    let happens = async {
        let mut happened = vec![];
        for round in 0..4 {
            eventually("somebody listens", async || network.requests() > 0).await;
            for units in 1..6 {
                happened.push(ledger.transfer(TO, round * 10 + units).await);
                if units == 3 && round < 3 {
                    network.set(Network::Resets).await;
                    network.set(Network::Good).await;
                }
            }
        }
        happened
    };
    let (told, happened) = tokio::join!(heard(&*adapter, &filter, 20), happens);
    assert_eq!(transactions(&told), happened);
    assert!(told.is_sorted_by_key(|event| event.block.number));
}

#[tokio::test]
async fn where_the_socket_stays_away_it_is_looked_for_now_and_then() {
    let ledger = Ledger::start().await;
    let network = Proxy::to(address(&ledger.anvil.ws_url())).await;
    let adapter = evm("anvil", &[&ledger.proxy.url(), &format!("ws://{}", network.address())]);
    let filter = from_now(&ledger).await;
    let happens = async {
        eventually("somebody listens", async || network.requests() > 0).await;
        let before = ledger.transfer(TO, 1).await;
        network.set(Network::Refuses).await;
        [before, ledger.transfer(TO, 2).await]
    };
    let (told, happened) = tokio::join!(heard(&*adapter, &filter, 2), happens);
    assert_eq!(transactions(&told), happened);
}

#[tokio::test]
async fn without_a_socket_it_is_looked_for_now_and_then() {
    let ledger = Ledger::start().await;
    let adapter = ledger.adapter();
    let filter = from_now(&ledger).await;
    let happens = async {
        eventually("it was looked for", async || ledger.proxy.requests() > 1).await;
        [ledger.transfer(TO, 1).await, ledger.transfer(TO, 2).await]
    };
    let (told, happened) = tokio::join!(heard(&*adapter, &filter, 2), happens);
    assert_eq!(transactions(&told), happened);
}

#[tokio::test]
async fn a_socket_of_another_chain_is_left_for_the_next() {
    let ledger = Ledger::start().await;
    let other = Anvil::start(AnvilOptions { chain_id: 999, ..AnvilOptions::default() }).await;
    let wrong = Proxy::to(address(&other.ws_url())).await;
    let right = Proxy::to(address(&ledger.anvil.ws_url())).await;
    let sockets = [&wrong, &right].map(|proxy| format!("ws://{}", proxy.address()));
    let adapter = evm("anvil", &[&ledger.proxy.url(), &sockets[0], &sockets[1]]);
    let filter = from_now(&ledger).await;
    let happens = async {
        eventually("the right one is listened to", async || wrong.requests() > 0 && right.requests() > 0).await;
        [ledger.transfer(TO, 1).await]
    };
    let (told, happened) = tokio::join!(heard(&*adapter, &filter, 1), happens);
    assert_eq!(transactions(&told), happened);
}

#[tokio::test]
async fn a_fork_is_heard_of() {
    let ledger = Ledger::start().await;
    let adapter = evm("anvil", &[&ledger.proxy.url(), &ledger.anvil.ws_url()]);
    let filter = from_now(&ledger).await;
    let fork = ledger.anvil.block_number().await;
    let mut scans = adapter.subscribe_to_events(&filter, Trail::default());
    let mut next = async || timeout(PATIENCE, scans.next()).await.unwrap().unwrap().unwrap();
    let (raw, hash) = ledger.sign(1, 5).await;
    ledger.mine(&[&raw]).await;
    ledger.anvil.mine(1).await;
    let mut told = vec![];
    while told.is_empty() {
        told = next().await.events;
    }
    assert_eq!(transactions(&told), std::slice::from_ref(&hash));
    ledger.anvil.reorg(2, &[(raw, 1)]).await;
    let scan = loop {
        let scan = next().await;
        if scan.from <= fork + 2 && !scan.events.is_empty() {
            break scan;
        }
    };
    assert_eq!(transactions(&scan.events), [hash]);
    assert_eq!(scan.events[0].block.number, fork + 2);
    assert_ne!(scan.events[0].block, told[0].block);
}
