use mcp_core::sources::chains::ChainError;

use super::{Ground, OnChain, chain_contract};

chain_contract!(
    a_signed_transaction_tells_whose_it_is_and_its_hash,
    what_is_not_wholly_signed_is_invalid,
    what_is_no_transaction_is_invalid,
);

pub(super) async fn a_signed_transaction_tells_whose_it_is_and_its_hash<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let bytes = on.ground.sign(&from, &to, 1_000_000.into()).await;
    let signed = on.adapter.decode_signed(&bytes).unwrap();
    assert_eq!((&signed.from, &signed.bytes), (&from.address, &bytes));
    assert!(signed.to.is_none_or(|told| told == to));
    assert_eq!(on.adapter.check_hash(&signed.hash).unwrap(), signed.hash);
    assert_eq!(on.proxy.calls(), [""; 0], "nobody is asked");
    on.ground.land(&bytes).await;
    assert!(on.adapter.get_transaction(&signed.hash).await.unwrap().is_some(), "the chain calls it so too");
}

pub(super) async fn what_is_not_wholly_signed_is_invalid<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let unsigned = on.ground.not_signed(&from, &to, 1_000_000.into()).await;
    assert!(is_invalid(&on, &unsigned), "unsigned");
    let whole = on.ground.sign(&from, &to, 1_000_000.into()).await;
    for length in 0..whole.len() {
        assert!(is_invalid(&on, &whole[..length]), "{length} of {} bytes", whole.len());
    }
    assert!(is_invalid(&on, &[&whole[..], &[0]].concat()), "something follows it");
}

pub(super) async fn what_is_no_transaction_is_invalid<G: Ground>(on: OnChain<G>) {
    for length in [1, 2, 64, 100, 1_000, 100_000, 2_000_000] {
        for byte in [0x00, 0x01, 0x02, 0x03, 0x04, 0x7f, 0x80, 0xc0, 0xf8, 0xff] {
            assert!(is_invalid(&on, &vec![byte; length]), "{length} times {byte:#x}");
        }
    }
}

fn is_invalid<G: Ground>(on: &OnChain<G>, bytes: &[u8]) -> bool {
    matches!(on.adapter.decode_signed(bytes), Err(ChainError::Invalid(_)))
}
