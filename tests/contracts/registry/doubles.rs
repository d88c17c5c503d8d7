//! Registries that break one promise each. The suite must catch every one of them, or it would not catch a backend.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use mcp_core::platform::BoxFuture;
use mcp_core::platform::auth::Principal;
use mcp_core::platform::clock::Timestamp;
use mcp_core::push::{
    Begun, Claimed, Connection, ConnectionId, Due, Initialised, Listeners, MAX_OPEN, Operation, OperationHash,
    Registry, RegistryError, Slot,
};
use uuid::Uuid;

use super::{Fixture, connections, due, gap, operations, slots, topics};

/// Each fault and a promise that it breaks.
macro_rules! caught {
    ($($test:ident: $fault:ident breaks $($promise:ident)::+),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let real = Fixture::memory();
                let double = Double { real: real.registry, fault: Fault::$fault, seen: Mutex::default() };
                let broken = Fixture { registry: Arc::new(double), clock: real.clock };
                let outcome = tokio::spawn($($promise)::+(broken)).await;
                assert!(
                    outcome.is_err_and(|error| error.is_panic()),
                    "the suite accepts a registry that breaks the promise",
                );
            }
        )*
    };
}

caught!(
    one_that_connects_anew_is_caught: ConnectsAnew breaks connections::connecting_again_changes_nothing,
    one_that_introduces_twice_is_caught:
        IntroducesTwice breaks connections::a_connection_introduces_itself_once,
    one_that_leaves_rows_behind_is_caught:
        LeavesRows breaks connections::disconnecting_forgets_all_that_was_open,
    one_that_counts_before_it_opens_is_caught:
        CountsFirst breaks slots::of_many_claims_at_once_no_more_are_open_than_may_be,
    one_that_looks_before_it_takes_is_caught: LooksFirst breaks slots::of_two_claims_of_an_id_one_wins,
    one_that_forgets_early_completion_is_caught:
        ForgetsCompletion breaks slots::what_is_completed_early_is_not_opened,
    one_that_remembers_it_for_ever_is_caught:
        RemembersForEver breaks slots::early_completion_is_forgotten_in_time,
    one_that_listens_whatever_was_begun_is_caught:
        ListensAnyway breaks topics::one_listens_after_what_was_begun_or_not_at_all,
    one_that_lets_a_version_fall_in_the_gap_is_caught:
        ListensAnyway breaks gap::no_version_is_both_above_what_one_knows_and_untold,
    one_that_says_what_was_begun_last_is_caught:
        ForgetsNewer breaks topics::an_older_version_told_again_hides_no_newer_one,
    one_that_tells_what_was_finished_is_caught: TellsFinished breaks topics::what_is_finished_is_not_told_again,
    one_that_skips_a_page_is_caught: OnePage breaks topics::thousands_of_listeners_come_in_pages_each_once,
    one_that_repeats_a_listener_is_caught:
        RepeatsOne breaks topics::thousands_of_listeners_come_in_pages_each_once,
    one_that_mixes_up_operations_is_caught: MixesUp breaks operations::an_operation_is_read_as_it_was_kept,
    one_that_lists_the_latest_first_is_caught: LatestFirst breaks due::those_that_wait_longest_come_first,
    one_that_does_not_strike_off_is_caught: StrikesNothing breaks due::what_is_struck_off_does_not_come_again,
    one_that_drops_what_is_behind_it_is_caught:
        DropsThePast breaks due::what_is_written_behind_the_reader_comes,
);

enum Fault {
    ConnectsAnew,
    IntroducesTwice,
    LeavesRows,
    CountsFirst,
    LooksFirst,
    ForgetsCompletion,
    RemembersForEver,
    ListensAnyway,
    ForgetsNewer,
    TellsFinished,
    OnePage,
    RepeatsOne,
    MixesUp,
    LatestFirst,
    StrikesNothing,
    DropsThePast,
}

/// The twin, but for one fault.
struct Double {
    real: Arc<dyn Registry>,
    fault: Fault,
    seen: Mutex<Seen>,
}

/// What some faults go by.
#[derive(Default)]
struct Seen {
    begun: HashMap<Uuid, i32>,
    last: Option<OperationHash>,
    looked_until: Option<Timestamp>,
}

impl Registry for Double {
    fn connect<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            if matches!(self.fault, Fault::ConnectsAnew) {
                self.real.disconnect(&connection.id).await?;
            }
            self.real.connect(connection).await
        })
    }

    fn connection<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<Option<Connection>, RegistryError>> {
        self.real.connection(id)
    }

    fn initialise<'a>(
        &'a self,
        id: &'a ConnectionId,
        principal: Option<&'a Principal>,
    ) -> BoxFuture<'a, Result<Initialised, RegistryError>> {
        Box::pin(async move {
            let done = self.real.initialise(id, principal).await?;
            let twice = matches!(self.fault, Fault::IntroducesTwice) && done == Initialised::Before;
            Ok(if twice { Initialised::Now } else { done })
        })
    }

    fn disconnect<'a>(&'a self, id: &'a ConnectionId) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            if !matches!(self.fault, Fault::LeavesRows) {
                return self.real.disconnect(id).await;
            }
            // All but what listens.
            for slot in self.real.open(id).await?.iter().filter(|slot| &***slot != "many") {
                self.real.release(id, slot, None).await?;
            }
            Ok(())
        })
    }

    fn claim<'a>(&'a self, slot: &'a Slot) -> BoxFuture<'a, Result<Claimed, RegistryError>> {
        Box::pin(async move {
            match self.fault {
                Fault::CountsFirst => {
                    let full = self.real.open(&slot.connection).await?.len() >= MAX_OPEN as usize;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    // A place that is not counted: that of another connection.
                    let elsewhere = Slot { connection: ConnectionId::new("elsewhere"), ..slot.clone() };
                    let connection = Connection { id: elsewhere.connection.clone(), ..super::build::a_connection("") };
                    self.real.connect(&connection).await?;
                    return match self.real.claim(slot).await? {
                        Claimed::Full if !full => self.real.claim(&elsewhere).await,
                        claimed => Ok(claimed),
                    };
                }
                Fault::LooksFirst => {
                    let taken = self.real.open(&slot.connection).await?.contains(&slot.id);
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    let claimed = self.real.claim(slot).await?;
                    return Ok(if taken { claimed } else { Claimed::Open });
                }
                _ => {}
            }
            self.real.claim(slot).await
        })
    }

    fn listen<'a>(&'a self, slot: &'a Slot, topic: Uuid, after: i32) -> BoxFuture<'a, Result<bool, RegistryError>> {
        Box::pin(async move {
            let begun = self.seen.lock().unwrap().begun.get(&topic).copied();
            match (&self.fault, begun) {
                (Fault::ListensAnyway, Some(begun)) => {
                    // As a row that is written without a look at what was begun: it knows no more than it says.
                    let listens = self.real.listen(slot, topic, after.max(begun)).await?;
                    Ok(listens)
                }
                (Fault::ForgetsNewer, Some(begun)) if after >= begun => self.real.listen(slot, topic, i32::MAX).await,
                _ => self.real.listen(slot, topic, after).await,
            }
        })
    }

    fn release<'a>(
        &'a self,
        connection: &'a ConnectionId,
        id: &'a str,
        remember_until: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<bool, RegistryError>> {
        let remember_until = match self.fault {
            Fault::ForgetsCompletion => None,
            Fault::RemembersForEver => remember_until.and(Some(Timestamp::MAX_UTC)),
            _ => remember_until,
        };
        self.real.release(connection, id, remember_until)
    }

    fn open<'a>(&'a self, connection: &'a ConnectionId) -> BoxFuture<'a, Result<Vec<Arc<str>>, RegistryError>> {
        self.real.open(connection)
    }

    fn keep_operation<'a>(
        &'a self,
        operation: &'a Operation,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<OperationHash, RegistryError>> {
        Box::pin(async move {
            let hash = self.real.keep_operation(operation, until).await?;
            self.seen.lock().unwrap().last.get_or_insert_with(|| hash.clone());
            Ok(hash)
        })
    }

    fn operation<'a>(
        &'a self,
        hash: &'a OperationHash,
    ) -> BoxFuture<'a, Result<Option<Arc<Operation>>, RegistryError>> {
        Box::pin(async move {
            let first = self.seen.lock().unwrap().last.clone().filter(|_| matches!(self.fault, Fault::MixesUp));
            self.real.operation(first.as_ref().unwrap_or(hash)).await
        })
    }

    fn begin(&self, topic: Uuid, version: i32, newest: bool) -> BoxFuture<'_, Result<Option<Begun>, RegistryError>> {
        Box::pin(async move {
            let begun = self.real.begin(topic, version, newest).await?;
            if begun.is_some() {
                self.seen.lock().unwrap().begun.insert(topic, version);
            }
            let again = Some(Begun { finished: 0, shards: 1 }).filter(|_| matches!(self.fault, Fault::TellsFinished));
            Ok(begun.or(again))
        })
    }

    fn finish(&self, topic: Uuid, version: i32, listeners: u64) -> BoxFuture<'_, Result<(), RegistryError>> {
        self.real.finish(topic, version, listeners)
    }

    fn listeners<'a>(
        &'a self,
        topic: Uuid,
        shard: u32,
        from: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Listeners, RegistryError>> {
        Box::pin(async move {
            let mut page = self.real.listeners(topic, shard, from).await?;
            match self.fault {
                Fault::OnePage => page.next = None,
                Fault::RepeatsOne => page.listeners.extend(page.listeners.last().filter(|_| from.is_some()).cloned()),
                _ => {}
            }
            Ok(page)
        })
    }

    fn look_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            let behind = self.seen.lock().unwrap().looked_until.is_some_and(|until| due.at < until);
            if behind && matches!(self.fault, Fault::DropsThePast) {
                return Ok(());
            }
            self.real.look_at(due).await
        })
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<Due>, RegistryError>> {
        Box::pin(async move {
            self.seen.lock().unwrap().looked_until = Some(now);
            let mut due = self.real.due(now, limit).await?;
            if matches!(self.fault, Fault::LatestFirst) {
                due.reverse();
            }
            Ok(due)
        })
    }

    fn looked_at<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            if matches!(self.fault, Fault::StrikesNothing) {
                return Ok(());
            }
            self.real.looked_at(due).await
        })
    }
}
