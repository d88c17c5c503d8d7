use mcp_core::sources::chains::{ChainError, Draft};

use super::{Ground, OnChain, chain_contract};

chain_contract!(
    an_estimate_covers_what_is_then_paid,
    who_pays_more_is_served_sooner,
    what_would_fail_is_refused,
    a_draft_of_another_kind_of_chain_is_invalid,
);

pub(super) async fn an_estimate_covers_what_is_then_paid<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let estimate = on.adapter.estimate_fee(&on.ground.draft(&from, &to, 1_000_000.into()).await).await.unwrap();
    let bytes = on.ground.sign_at(&from, &to, 1_000_000.into(), &estimate).await;
    on.ground.land(&bytes).await;
    let hash = on.adapter.decode_signed(&bytes).unwrap().hash;
    let paid = on.adapter.get_transaction(&hash).await.unwrap().unwrap().fee.unwrap();
    assert!(!paid.units.is_zero() && paid.units <= estimate.fast.total.units, "{paid:?} of {estimate:?}");
    assert_eq!(paid.symbol, estimate.fast.total.symbol);
}

pub(super) async fn who_pays_more_is_served_sooner<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let told = on.adapter.estimate_fee(&on.ground.draft(&from, &to, 1_000_000.into()).await).await.unwrap();
    assert!(told.units > 0);
    for (less, more) in [(&told.slow, &told.normal), (&told.normal, &told.fast)] {
        assert!(less.max_price <= more.max_price && less.total.units <= more.total.units, "{told:?}");
    }
}

pub(super) async fn what_would_fail_is_refused<G: Ground>(on: OnChain<G>) {
    let from = on.ground.rich().await;
    let outcome = on.adapter.estimate_fee(&on.ground.failing_draft(&from).await).await;
    assert!(matches!(&outcome, Err(ChainError::Refused(why)) if !why.is_empty()), "{outcome:?}");
}

pub(super) async fn a_draft_of_another_kind_of_chain_is_invalid<G: Ground>(on: OnChain<G>) {
    let (from, to) = (on.ground.rich().await, on.ground.nobody().await);
    let right = on.ground.draft(&from, &to, 1_000_000.into()).await;
    let message = if right.message.is_some() { None } else { Some(vec![1, 2, 3]) };
    let wrong = Draft { message, ..right };
    let outcome = on.adapter.estimate_fee(&wrong).await;
    assert!(matches!(outcome, Err(ChainError::Invalid(_))), "{outcome:?}");
    assert_eq!(on.proxy.calls(), [""; 0]);
}
