//! Adapters that break one promise each. The suite must catch every one of them, or it would not catch an adapter.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;

use super::double::{Double, Fault};
use super::evm::EvmGround;
use super::solana::SolanaGround;
use super::{Ground, OnChain, addresses, balances, events, fees, send, signed, transactions};

/// The promise fails where it is broken.
async fn caught<G: Ground, F: Future<Output = ()>>(fault: Fault, promise: fn(OnChain<G>) -> F) {
    let on = OnChain::<G>::start().await;
    let double = Arc::new(Double::of(on.adapter.clone(), fault));
    let outcome = AssertUnwindSafe(promise(OnChain { adapter: double, ..on })).catch_unwind().await;
    assert!(outcome.is_err(), "the suite accepts an adapter that breaks the promise: {fault:?}");
}

/// On both kinds of chain.
macro_rules! caught {
    ($($name:ident: $fault:ident by $module:ident::$promise:ident;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                caught::<EvmGround, _>(Fault::$fault, $module::$promise).await;
                caught::<SolanaGround, _>(Fault::$fault, $module::$promise).await;
            }
        )*
    };
}

caught! {
    one_that_takes_any_address_is_caught:
        TakesAnyAddress by addresses::what_is_no_address_is_refused_before_anybody_is_asked;
    one_that_swaps_balances_is_caught: SwapsBalances by balances::balances_come_in_the_order_asked_in_their_units;
    one_that_tells_no_decimals_is_caught: TellsNoDecimals by balances::balances_come_in_the_order_asked_in_their_units;
    one_that_asks_one_by_one_is_caught: AsksOneByOne by balances::more_than_a_hundred_balances_are_a_few_requests;
    one_that_makes_up_transactions_is_caught:
        MakesUpTransactions by transactions::a_hash_that_nobody_knows_is_no_transaction;
    one_that_takes_pending_for_done_is_caught:
        TakesPendingForDone by transactions::a_transaction_is_pending_then_in_a_block_then_deep;
    one_that_takes_failure_for_success_is_caught:
        TakesFailureForSuccess by transactions::a_transaction_that_failed_says_so_and_cost_something;
    one_that_tells_half_the_fee_is_caught:
        TellsHalfTheFee by transactions::the_fee_is_what_the_sender_lost_beside_what_was_sent;
    one_that_takes_what_follows_is_caught: TakesWhatFollows by signed::what_is_not_wholly_signed_is_invalid;
    one_that_refuses_the_second_send_is_caught:
        RefusesTheSecondSend by send::sending_again_is_a_success_and_happens_once;
    one_that_forgets_to_send_is_caught: ForgetsToSend by send::what_was_sent_happens;
    one_that_takes_what_is_refused_is_caught: TakesWhatIsRefused by send::what_nobody_can_pay_is_refused;
    one_that_drops_an_event_is_caught: DropsAnEvent by events::what_happens_is_told_once_and_in_order;
    one_that_doubles_an_event_is_caught: DoublesAnEvent by events::what_happens_is_told_once_and_in_order;
    one_that_turns_events_around_is_caught: TurnsEventsAround by events::what_happens_is_told_once_and_in_order;
    one_that_begins_anew_each_time_is_caught: BeginsAnewEachTime by events::what_happens_is_told_once_and_in_order;
    one_that_estimates_a_tenth_is_caught: EstimatesATenth by fees::an_estimate_covers_what_is_then_paid;
    one_that_estimates_what_fails_is_caught: EstimatesWhatFails by fees::what_would_fail_is_refused;
    one_that_tells_of_all_is_caught: TellsOfAll by events::what_happened_elsewhere_is_not_told;
}
