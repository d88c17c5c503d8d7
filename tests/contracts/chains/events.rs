use crate::chains::reader::{Reader, transactions};

use super::{Ground, OnChain, chain_contract};

chain_contract!(
    nothing_is_told_before_it_happened,
    what_happens_is_told_once_and_in_order,
    what_is_not_deep_enough_is_told_later,
    a_trail_goes_on_where_it_ended_for_any_reader,
    what_happened_elsewhere_is_not_told,
);

pub(super) async fn nothing_is_told_before_it_happened<G: Ground>(on: OnChain<G>) {
    let filter = on.ground.watch().await;
    let mut reader = Reader::new(&*on.adapter, &filter);
    assert_eq!(reader.rest().await, []);
    on.ground.settle().await;
    assert_eq!(reader.rest().await, []);
}

pub(super) async fn what_happens_is_told_once_and_in_order<G: Ground>(on: OnChain<G>) {
    let filter = on.ground.watch().await;
    let mut reader = Reader::new(&*on.adapter, &filter);
    assert_eq!(reader.rest().await, []);
    let (mut happened, mut told) = (vec![], vec![]);
    for round in 0..3 {
        for number in 0..4 {
            happened.push(on.ground.happen(&filter, round * 4 + number).await);
        }
        on.ground.settle().await;
        told.extend(reader.rest().await);
    }
    assert_eq!(transactions(&told), happened);
    assert!(told.iter().all(|event| event.address == filter.addresses[0] && event.succeeded));
    assert!(told.is_sorted_by_key(|event| (event.block.number, event.index)));
    assert_eq!(reader.rest().await, [], "nothing comes twice");
}

pub(super) async fn what_is_not_deep_enough_is_told_later<G: Ground>(on: OnChain<G>) {
    let filter = on.ground.watch().await;
    let mut reader = Reader::new(&*on.adapter, &filter);
    reader.rest().await;
    let happened = on.ground.happen(&filter, 1).await;
    assert_eq!(reader.rest().await, []);
    on.ground.settle().await;
    assert_eq!(transactions(&reader.rest().await), [happened]);
}

pub(super) async fn a_trail_goes_on_where_it_ended_for_any_reader<G: Ground>(on: OnChain<G>) {
    let filter = on.ground.watch().await;
    let mut first = Reader::new(&*on.adapter, &filter);
    first.rest().await;
    let mut happened = vec![];
    for number in 0..3 {
        happened.push(on.ground.happen(&filter, number).await);
    }
    on.ground.settle().await;
    let begun = first.trail.clone();
    assert_eq!(transactions(&first.rest().await), happened);
    let later = on.ground.happen(&filter, 3).await;
    on.ground.settle().await;
    // Who crashed before they kept the trail, and who did after.
    let mut again = Reader { adapter: &*on.adapter, filter: filter.clone(), trail: begun };
    assert_eq!(transactions(&again.rest().await), [&happened[..], std::slice::from_ref(&later)].concat());
    let mut after = Reader { adapter: &*on.adapter, filter, trail: first.trail.clone() };
    assert_eq!(transactions(&after.rest().await), [later]);
    assert_eq!(again.rest().await, []);
}

pub(super) async fn what_happened_elsewhere_is_not_told<G: Ground>(on: OnChain<G>) {
    let (filter, other) = (on.ground.watch().await, on.ground.watch().await);
    let mut reader = Reader::new(&*on.adapter, &filter);
    reader.rest().await;
    on.ground.happen(&other, 1).await;
    let ours = on.ground.happen(&filter, 2).await;
    on.ground.happen(&other, 3).await;
    on.ground.settle().await;
    assert_eq!(transactions(&reader.rest().await), [ours]);
}
