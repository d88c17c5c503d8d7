use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;
use crate::domain::chain::Block;
use crate::domain::watch::{EventFilter, Scan, Trail};
use crate::sources::chains::{ChainAdapter, ChainError};

const ACCOUNT: &str = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T";

/// What mentions the account, oldest first: slots and signatures.
type Ledger = Arc<Mutex<Vec<(u64, String)>>>;

fn ledger(entries: impl IntoIterator<Item = (u64, &'static str)>) -> Ledger {
    Arc::new(Mutex::new(entries.into_iter().map(|(slot, signature)| (slot, signature.to_owned())).collect()))
}

/// A node with that ledger, and in every slot a transaction of somebody else before all others: `first-SLOT`.
async fn keeping(ledger: &Ledger) -> FakeNode {
    let ledger = Arc::clone(ledger);
    node(move |method, params| match method {
        "getSignaturesForAddress" => Ok(listed(&ledger.lock().unwrap(), params)),
        "getFirstAvailableBlock" => Ok(json!(500)),
        "getBlocksWithLimit" => Ok(json!([params[0]])),
        "getBlock" => Ok(json!({
            "blockhash": "b", "previousBlockhash": "p", "parentSlot": 1, "blockTime": null, "blockHeight": null,
            "signatures": [format!("first-{}", params[0]), "another"],
        })),
        _ => unknown(method),
    })
    .await
}

fn listed(ledger: &[(u64, String)], params: &Value) -> Value {
    let (address, config) = (&params[0], &params[1]);
    assert_eq!((address.as_str(), config["commitment"].as_str()), (Some(ACCOUNT), Some("finalized")));
    let place = |signature: &Value| {
        let signature = signature.as_str()?;
        let slot = signature.strip_prefix("first-").map(|slot| slot.parse::<u64>().unwrap());
        ledger.iter().position(|(at, other)| slot.is_some_and(|slot| *at >= slot) || other == signature)
    };
    let end = place(&config["before"]).unwrap_or(ledger.len());
    let start = place(&config["until"]).map_or(0, |place| place + 1).min(end);
    let limit = usize::try_from(config["limit"].as_u64().unwrap()).unwrap();
    let entry = |(slot, signature): &(u64, String)| {
        json!({ "signature": signature, "slot": slot, "memo": format!("memo of {signature}"), "blockTime": null,
            "err": if signature.starts_with("bad") { json!("AccountNotFound") } else { Value::Null },
            "confirmationStatus": "finalized" })
    };
    ledger[start..end].iter().rev().take(limit).map(entry).collect()
}

fn filter(from_block: Option<u64>) -> EventFilter {
    let (name, chain) = ("mine".to_owned(), chain().id);
    EventFilter { name, chain, addresses: vec![ACCOUNT.to_owned()], topics: vec![], from_block }
}

fn trail(number: u64, hash: &str) -> Trail {
    Trail { blocks: vec![Block { number, hash: hash.to_owned() }] }
}

fn signatures(scan: &Scan) -> Vec<&str> {
    scan.events.iter().map(|event| event.transaction.as_str()).collect()
}

#[tokio::test]
async fn it_begins_now_or_where_it_is_told() {
    let ledger = ledger([(999_900, "a"), (999_901, "bad"), (999_901, "c")]);
    let node = keeping(&ledger).await;
    let solana = solana(&[&node], 1);
    let scan = solana.events_after(&filter(None), &Trail::default()).await.unwrap();
    assert_eq!(scan.through, Some(Block { number: FINALIZED, hash: String::new() }));
    assert!(scan.events.is_empty() && scan.caught_up);
    let scan = solana.events_after(&filter(Some(999_901)), &Trail::default()).await.unwrap();
    assert_eq!(signatures(&scan), ["bad", "c"]);
    assert_eq!((scan.from, scan.through), (999_901, Some(Block { number: 999_901, hash: "c".to_owned() })));
    let bad = &scan.events[0];
    assert_eq!((bad.succeeded, bad.index, bad.data.as_str(), bad.address.as_str()), (false, 0, "memo of bad", ACCOUNT));
}

#[tokio::test]
async fn a_trail_is_followed_through_slots_with_several() {
    let ledger = ledger([(999_900, "a"), (999_901, "b"), (999_901, "c"), (999_902, "d"), (999_902, "e")]);
    let solana = solana(&[&keeping(&ledger).await], 1);
    for hash in ["c", "", "nobody knows this one"] {
        let scan = solana.events_after(&filter(None), &trail(999_901, hash)).await.unwrap();
        assert_eq!(signatures(&scan), ["d", "e"], "{hash}");
        assert_eq!((scan.from, scan.through.unwrap().hash.as_str()), (999_902, "e"));
    }
}

#[tokio::test]
async fn nothing_new_moves_the_trail_now_and_then() {
    let solana = solana(&[&keeping(&ledger([(999_700, "a")])).await], 1);
    let scan = solana.events_after(&filter(None), &trail(FINALIZED - 100, "a")).await.unwrap();
    assert_eq!((scan.through, scan.caught_up), (None, true));
    let scan = solana.events_after(&filter(None), &trail(FINALIZED - 200, "a")).await.unwrap();
    assert_eq!((scan.through, scan.caught_up), (Some(Block { number: FINALIZED, hash: "a".to_owned() }), true));
    let scan = solana.events_after(&filter(None), &trail(FINALIZED + 9, "a")).await.unwrap();
    assert_eq!(scan.through, None);
}

#[tokio::test]
async fn pages_are_read_back_to_the_trail() {
    let ledger = ledger([]);
    let entry = |place: u64| (999_000 + place / 7, format!("s{place}"));
    ledger.lock().unwrap().extend((0..1_500).map(entry));
    let node = keeping(&ledger).await;
    let scan = solana(&[&node], 1).events_after(&filter(None), &trail(999_000, "s6")).await.unwrap();
    assert_eq!(scan.events.len(), 1_493);
    assert!(scan.caught_up && scan.events.is_sorted_by_key(|event| event.transaction[1..].parse::<u64>().unwrap()));
    assert_eq!(node.calls("getSignaturesForAddress").len(), 2);
}

#[tokio::test]
async fn a_list_that_is_too_long_is_read_in_parts() {
    let ledger = ledger([]);
    // Three in a slot, and more the nearer to the trail.
    let old = (0..3_000_u64).map(|place| (900_000 + place / 30, format!("s{place}")));
    let new = (3_000..7_000_u64).map(|place| (910_000 + (place - 3_000) / 3, format!("s{place}")));
    ledger.lock().unwrap().extend(old.chain(new));
    let node = keeping(&ledger).await;
    let solana = solana(&[&node], 1);
    let (mut trail, mut seen, mut scans) = (trail(899_999, ""), 0_u64, 0);
    loop {
        let scan = solana.events_after(&filter(None), &trail).await.unwrap();
        for event in &scan.events {
            assert_eq!(event.transaction, format!("s{seen}"));
            seen += 1;
        }
        scans += 1;
        trail.blocks = vec![scan.through.unwrap()];
        if scan.caught_up {
            break;
        }
    }
    assert_eq!(seen, 7_000);
    assert!(scans > 3, "{scans}");
}

#[tokio::test]
async fn what_a_node_has_forgotten_is_not_passed_over() {
    let solana = solana(&[&keeping(&ledger([])).await], 1);
    let Err(ChainError::Unavailable { source, .. }) = solana.events_after(&filter(None), &trail(400, "a")).await else {
        panic!()
    };
    assert!(source.to_string().contains("no slots before 500"), "{source}");
}

/// A websocket server: every connection is told at once that it is subscribed, hears of one transaction as soon as there
/// is one more in the ledger, and is cut off then.
async fn socket(ledger: Ledger) -> reqwest::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![];
            while !read.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut read).await.unwrap();
            }
            let head = String::from_utf8(read).unwrap();
            let key = head.lines().find_map(|line| {
                line.to_ascii_lowercase().starts_with("sec-websocket-key:").then(|| line[18..].trim())
            });
            let key = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.unwrap());
            let accept = BASE64_STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()));
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // The subscription, whatever it says.
            stream.read_buf(&mut vec![]).await.unwrap();
            stream.write_all(&frame(&json!({ "jsonrpc": "2.0", "result": 7, "id": 1 }))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let count = ledger.lock().unwrap().len() as u64;
            ledger.lock().unwrap().push((999_910 + count, format!("heard-{count}")));
            let told = json!({ "signature": format!("heard-{count}"), "err": null, "logs": [] });
            let result = json!({ "context": { "slot": 999_910 + count }, "value": told });
            let params = json!({ "subscription": 7, "result": result });
            stream
                .write_all(&frame(&json!({ "jsonrpc": "2.0", "method": "logsNotification", "params": params })))
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(stream);
            // Nobody is told of this one.
            ledger.lock().unwrap().push((999_911 + count, format!("missed-{count}")));
        }
    });
    url
}

/// A text frame of less than 64 KiB (RFC 6455, 5.2).
fn frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let length = u16::try_from(text.len()).unwrap();
    let head = if length < 126 {
        vec![0x81, u8::try_from(length).unwrap()]
    } else {
        [&[0x81, 126][..], &length.to_be_bytes()].concat()
    };
    [head, text.into_bytes()].concat()
}

#[tokio::test]
async fn a_socket_that_dies_leaves_no_gap() {
    let ledger = ledger([]);
    let node = keeping(&ledger).await;
    let url = socket(Arc::clone(&ledger)).await;
    let solana = Solana::new(chain(), fake::nodes(chain().id, &[&node], Cluster, 1), vec![url]);
    let filter = filter(None);
    let mut stream = solana.subscribe_to_events(&filter, trail(FINALIZED - 100, ""));
    let mut seen = vec![];
    while seen.len() < 4 {
        let scan = timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap().unwrap();
        seen.extend(scan.events.into_iter().map(|event| event.transaction));
    }
    assert_eq!(seen, ["heard-0", "missed-0", "heard-2", "missed-2"]);
}
