use ethers::abi::{Token as Value, encode};

use super::*;
use crate::platform::clock::ManualClock;
use crate::sources::chains::evm::fake_contracts::FakeContracts;

const NOW: i64 = 1_800_000_000;

fn words(words: &[U256]) -> Vec<u8> {
    words.iter().flat_map(|word| encode(&[Value::Uint(*word)])).collect()
}

fn told(price: U256, updated: i64) -> Bytes {
    let updated = U256::from(u64::try_from(updated).unwrap());
    words(&[5.into(), price, updated, updated, 5.into()]).into()
}

fn read_at_now(answer: &Bytes, decimals: u32) -> Result<(Decimal, Timestamp), &'static str> {
    read(&Ok(answer.clone()), decimals, TimeDelta::hours(1), DateTime::from_timestamp(NOW, 0).unwrap())
}

#[test]
fn a_price_is_read_to_the_digit() {
    let (price, updated_at) = read_at_now(&told(6_718_733_000_001_u64.into(), NOW - 10), 8).unwrap();
    assert_eq!((price.to_string().as_str(), updated_at.timestamp()), ("67187.33000001", NOW - 10));
    let (price, _) = read_at_now(&told(U256::exp10(18), NOW), 18).unwrap();
    assert_eq!(price.to_string(), "1");
}

#[test]
fn what_is_stale_or_odd_is_left_out() {
    let fine = U256::from(100);
    assert!(read_at_now(&told(fine, NOW - 3600), 8).is_ok());
    assert!(read_at_now(&told(fine, NOW - 3600 - 300), 8).is_ok());
    for (answer, decimals) in [
        (told(fine, NOW - 3600 - 301), 8),
        (told(fine, NOW + 61), 8),
        (told(fine, 0), 8),
        (told(0.into(), NOW), 8),
        (told(U256::MAX, NOW), 8),
        (told(U256::exp10(30), NOW), 8),
        (told(fine, NOW), 29),
        (told(fine, NOW), 255),
        (Bytes::new(), 8),
        (words(&[fine; 4]).into(), 8),
        (words(&[6.into(), fine, 1.into(), u64::try_from(NOW).unwrap().into(), 5.into()]).into(), 8),
    ] {
        assert!(read_at_now(&answer, decimals).is_err(), "{answer:?}");
    }
    let reverted = Err(Revert { message: String::new(), data: vec![] });
    assert!(read(&reverted, 8, TimeDelta::hours(1), DateTime::UNIX_EPOCH).is_err());
}

#[tokio::test]
async fn one_request_brings_all_prices_and_decimals_only_once() {
    let (chain, fresh, stale) = (ChainId::evm(31337), Address::repeat_byte(1), Address::repeat_byte(2));
    let node = FakeContracts::new(move |to, data| {
        if data == call("decimals()", &[]) {
            return Ok(words(&[8.into()]));
        }
        Ok(told(150_000_000.into(), if to == stale { NOW - 90_000 } else { NOW - 5 }).to_vec())
    })
    .await;
    let feed = |feed: Address| serde_json::json!({ "feed": feed, "heartbeatSeconds": 3600 });
    let json = serde_json::json!({ "eip155:31337": { "bitcoin": feed(fresh), "tether": feed(stale) } });
    let feeds = Feeds::new(&serde_json::from_value(json).unwrap(), &[]).unwrap();
    let clock = ManualClock::at(DateTime::from_timestamp(NOW, 0).unwrap());
    let source = Chainlink::new([(chain, node.client.clone())].into(), feeds, Arc::new(clock));
    let coins: Vec<Coin> = ["bitcoin", "tether", "no-such-coin"].map(|coin| coin.parse().unwrap()).into();
    for _ in 0..2 {
        let quotes = source.quotes(&coins).await.unwrap();
        assert_eq!(quotes.len(), 1);
        assert_eq!((quotes[0].coin.as_str(), quotes[0].usd.to_string().as_str()), ("bitcoin", "1.5"));
        assert_eq!((quotes[0].updated_at.timestamp(), quotes[0].source.as_str()), (NOW - 5, "chainlink"));
    }
    assert_eq!(node.batches.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [4, 2]);
    assert!(source.quotes(&coins[2..]).await.unwrap().is_empty());
}
