//! The rows of the read models: their keys, and what an attribute's value means. Names of attributes are short, as every item
//! pays for them; `read_models.rs` tells what they stand for.

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

use super::items::{ALONE, sortable};
use crate::domain::coin::Coin;
use crate::domain::price::Quote;
use crate::domain::projection::{EmotionChange, TransactionChange};
use crate::domain::transaction::{Submission, TransactionState};
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{Item, key, number, put_time, read_number, read_text, read_time, text};
use crate::store::read_models::{signed, unsigned};
use crate::store::{PricePoint, StoreError};

/// What the partitions of all rows of all generations begin with.
pub(super) const VIEWS: &str = "V#";
/// In how many parts the index of pending transactions is.
pub(super) const PENDING_SHARDS: u8 = 4;

/// What the partitions of a generation begin with.
pub(super) fn generation_prefix(generation: i32) -> String {
    format!("{VIEWS}{generation}#")
}

/// The generation of a row, by the key of its partition.
pub(super) fn generation_of(pk: &str) -> Option<i32> {
    pk.strip_prefix(VIEWS)?.split_once('#')?.0.parse().ok()
}

fn partition(generation: i32, kind: char, id: &str) -> String {
    format!("{}{kind}#{id}", generation_prefix(generation))
}

fn partition_of(generation: i32, kind: char, id: &Uuid) -> String {
    partition(generation, kind, id.simple().encode_lower(&mut Uuid::encode_buffer()))
}

pub(super) fn emotion_key(generation: i32, owner: &Uuid) -> Item {
    key(&partition_of(generation, 'E', owner), ALONE)
}

pub(super) fn latest_key(generation: i32, coin: &Coin) -> Item {
    key(&partition(generation, 'L', coin.as_str()), ALONE)
}

pub(super) fn history_partition(generation: i32, coin: &Coin) -> String {
    partition(generation, 'H', coin.as_str())
}

pub(super) fn days_partition(generation: i32, coin: &Coin) -> String {
    partition(generation, 'D', coin.as_str())
}

pub(super) fn memories_partition(generation: i32, owner: Uuid) -> String {
    partition_of(generation, 'M', &owner)
}

pub(super) fn transaction_key(generation: i32, id: &Uuid) -> Item {
    key(&partition_of(generation, 'T', id), ALONE)
}

pub(super) fn stream_key(generation: i32, stream: &Uuid) -> Item {
    key(&partition_of(generation, 'S', stream), ALONE)
}

/// What stands behind the kind in the key of a partition.
fn id_of(item: &Item) -> Option<&str> {
    read_text(item, "pk")?.splitn(4, '#').nth(3)
}

/// A version, or the number of a day, as part of a sort key: in their order.
pub(super) fn ordered(number: impl Into<i64>) -> String {
    format!("{:010}", number.into().max(0))
}

/// The partition of the index in which a transaction is while it is pending.
pub(super) fn pending_partition(generation: i32, shard: u8) -> String {
    format!("P#{generation}#{shard}")
}

/// Its place there: those first that were heard of longest ago, then by their ids.
pub(super) fn pending_place(updated_at: Timestamp, id: Uuid) -> String {
    format!("{}#{}", sortable(updated_at), id.simple())
}

/// Reads a row. One that cannot be read was written by nobody who knows this code.
pub(super) fn read<T>(item: &Item, row: impl FnOnce(&Item) -> Option<T>) -> Result<T, StoreError> {
    row(item).ok_or_else(|| {
        let [pk, sk] = ["pk", "sk"].map(|name| read_text(item, name).unwrap_or_default());
        StoreError::Failed(format!("the row {pk:?} {sk:?} cannot be read"))
    })
}

fn with<const N: usize>(mut item: Item, attributes: [(&str, Option<AttributeValue>); N]) -> Item {
    item.extend(attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    item
}

pub(super) fn stream_item(generation: i32, stream: Uuid, version: i32) -> Item {
    with(stream_key(generation, &stream), [("v", Some(number(version)))])
}

pub(super) fn read_stream(item: &Item) -> Option<(Uuid, i32)> {
    Some((id_of(item)?.parse().ok()?, read_number(item, "v")?))
}

pub(super) fn emotion_item(generation: i32, owner: Uuid, emotion: &EmotionChange) -> Item {
    let attributes = [
        ("v", Some(number(emotion.version))),
        ("u", emotion.user_id.as_deref().map(text)),
        ("e", Some(text(emotion.emotion.as_str()))),
        ("p", Some(number(emotion.points))),
        ("t", Some(number(emotion.updated_at.timestamp_micros()))),
    ];
    with(emotion_key(generation, &owner), attributes)
}

pub(super) fn read_emotion(item: &Item) -> Option<(Uuid, EmotionChange)> {
    let emotion = EmotionChange {
        version: read_number(item, "v")?,
        user_id: read_text(item, "u").map(str::to_owned),
        emotion: read_text(item, "e")?.parse().ok()?,
        points: read_number(item, "p")?,
        updated_at: read_time(item, "t")?,
    };
    Some((id_of(item)?.parse().ok()?, emotion))
}

pub(super) fn latest_item(generation: i32, version: i32, quote: &Quote) -> Item {
    let attributes = [
        ("v", Some(number(version))),
        ("q", Some(text(&quote.usd.to_string()))),
        ("g", quote.change24h.map(|change| text(&change.to_string()))),
        ("k", quote.market_cap.map(|cap| text(&cap.to_string()))),
        ("t", Some(number(quote.updated_at.timestamp_micros()))),
        ("s", Some(text(&quote.source))),
    ];
    with(latest_key(generation, &quote.coin), attributes)
}

pub(super) fn read_latest(item: &Item) -> Option<Quote> {
    let decimal = |name: &str| read_text(item, name).map(|text| text.parse().ok());
    Some(Quote {
        coin: id_of(item)?.parse().ok()?,
        usd: decimal("q")??,
        change24h: decimal("g").map_or(Some(None), |change| change.map(Some))?,
        market_cap: decimal("k").map_or(Some(None), |cap| cap.map(Some))?,
        updated_at: read_time(item, "t")?,
        source: read_text(item, "s")?.to_owned(),
    })
}

pub(super) fn point_item(generation: i32, version: i32, quote: &Quote) -> Item {
    let attributes = [
        ("q", Some(text(&quote.usd.to_string()))),
        ("t", Some(number(quote.updated_at.timestamp_micros()))),
        ("s", Some(text(&quote.source))),
    ];
    with(key(&history_partition(generation, &quote.coin), &ordered(version)), attributes)
}

pub(super) fn read_point(item: &Item) -> Option<PricePoint> {
    Some(PricePoint {
        version: read_text(item, "sk")?.parse().ok()?,
        usd: read_text(item, "q")?.parse().ok()?,
        at: read_time(item, "t")?,
        source: read_text(item, "s")?.to_owned(),
    })
}

pub(super) fn transaction_item(generation: i32, id: Uuid, change: &TransactionChange) -> Item {
    let TransactionChange { version, submission, state, block, reason, updated_at } = change;
    let attributes = [
        ("v", Some(number(*version))),
        ("c", Some(text(submission.chain.as_str()))),
        ("h", Some(text(&submission.hash))),
        ("u", submission.user_id.as_deref().map(text)),
        ("f", Some(text(&submission.from))),
        ("o", submission.to.as_deref().map(text)),
        ("n", signed(submission.nonce).map(number)),
        ("b", signed(*block).map(number)),
        ("e", Some(text(state.as_str()))),
        ("r", reason.as_deref().map(text)),
    ];
    let mut item = with(transaction_key(generation, &id), attributes);
    put_time(&mut item, "s", Some(submission.submitted_at));
    put_time(&mut item, "t", Some(*updated_at));
    if is_pending(*state) {
        // The last byte of an id is random, whatever made the id.
        let shard = id.as_bytes()[15] % PENDING_SHARDS;
        item.insert("lp".to_owned(), text(&pending_partition(generation, shard)));
        item.insert("ls".to_owned(), text(&pending_place(*updated_at, id)));
    }
    item
}

pub(super) fn read_transaction(item: &Item) -> Option<(Uuid, TransactionChange)> {
    let optional = |name: &str| read_text(item, name).map(str::to_owned);
    let submission = Submission {
        chain: read_text(item, "c")?.parse().ok()?,
        hash: optional("h")?,
        user_id: optional("u"),
        from: optional("f")?,
        to: optional("o"),
        nonce: unsigned(read_number(item, "n")),
        submitted_at: read_time(item, "s")?,
    };
    let change = TransactionChange {
        version: read_number(item, "v")?,
        submission,
        block: unsigned(read_number(item, "b")),
        state: read_text(item, "e")?.parse().ok()?,
        reason: optional("r"),
        updated_at: read_time(item, "t")?,
    };
    Some((id_of(item)?.parse().ok()?, change))
}

fn is_pending(state: TransactionState) -> bool {
    matches!(state, TransactionState::Submitted | TransactionState::Accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_of_a_row_is_in_its_key() {
        let row = stream_key(12, &Uuid::nil());
        assert_eq!(generation_of(read_text(&row, "pk").unwrap()), Some(12));
        for other in ["E#12#x", "V#", "V#x#E#", "P#"] {
            assert_eq!(generation_of(other), None);
        }
        assert!(!read_text(&row, "pk").unwrap().starts_with(&generation_prefix(1)));
    }

    #[test]
    fn what_is_ordered_as_numbers_is_ordered_as_text() {
        let numbers = [0, 1, 9, 10, 999, 1_000, i32::MAX];
        assert!(numbers.map(ordered).is_sorted());
        assert_eq!(ordered(-1), ordered(0));
        let times =
            [-5, 0, 1, 1_000_000, i64::from(i32::MAX)].map(|micros| Timestamp::from_timestamp_micros(micros).unwrap());
        assert!(times.map(|at| pending_place(at, Uuid::nil())).is_sorted());
        // Everything at a time is behind the time itself.
        assert!(times.iter().all(|at| pending_place(*at, Uuid::nil()) > sortable(*at)));
    }
}
