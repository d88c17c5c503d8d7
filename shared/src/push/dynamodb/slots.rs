//! What a connection has open.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use uuid::Uuid;

use super::DynamoDbRegistry;
use super::connections::is_connected;
use super::items::{
    Places, SLOTS, connection_key, connection_partition, head_key, listener_item, listener_key, slot_key,
};
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{
    Found, Item, Transacted, Written, is_over, number, pause, read_number, read_text, seconds, unbuilt,
};
use crate::push::{Claimed, ConnectionId, MAX_OPEN, RegistryError, Slot};

/// Nothing stands under a slot's key, or its time is over.
const FREE: &str = "attribute_not_exists(pk) OR expires <= :now";
/// A slot is open.
const OPEN: &str = "expires > :now AND attribute_not_exists(d)";

impl DynamoDbRegistry {
    pub(super) async fn open_slot(&self, slot: &Slot) -> Result<Claimed, RegistryError> {
        // Before a row of a topic is there, an event must find that the topic is known.
        let places = self.places(slot).await?;
        match self.try_to_open(slot, &places).await? {
            Claimed::Full if self.recount(&slot.connection).await? => self.try_to_open(slot, &places).await,
            claimed => Ok(claimed),
        }
    }

    async fn try_to_open(&self, slot: &Slot, places: &Places) -> Result<Claimed, RegistryError> {
        let now = self.clock.now();
        let mut writes = vec![self.take_one(&slot.connection, now)?, self.put_slot(slot, places, now)?];
        let live = slot.subscription.as_ref().is_some_and(|subscription| subscription.live);
        if let Some(listener) = slot.listener(0).filter(|_| live) {
            for (topic, shard) in places.iter() {
                let put = Put::builder().table_name(&self.table.name).set_item(Some(listener_item(
                    topic,
                    shard,
                    &listener,
                    slot.ends_at,
                )));
                writes.push(TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build());
            }
        }
        let Transacted::Refused(found) = self.table.transact(writes).await? else { return Ok(Claimed::Open) };
        let mut found = found.into_iter();
        let (connection, id) = (found.next(), found.next());
        match (connection, id) {
            (Some(Found::Against(connection)), _)
                if !connection.as_ref().is_some_and(|item| is_connected(item, now)) =>
            {
                Ok(Claimed::Unknown)
            }
            (_, Some(Found::Against(Some(item)))) if is_closed(&item) => {
                self.table.delete(slot_key(&slot.connection, &slot.id), Some("attribute_exists(d)")).await?;
                Ok(Claimed::Completed)
            }
            (_, Some(Found::Against(_))) => Ok(Claimed::Taken),
            _ => Ok(Claimed::Full),
        }
    }

    fn take_one(&self, connection: &ConnectionId, now: Timestamp) -> Result<TransactWriteItem, RegistryError> {
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(connection_key(connection)))
            .update_expression("ADD n :one")
            .condition_expression("e > :now AND n < :most")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(MAX_OPEN))
            .expression_attribute_values(":now", number(now.timestamp_micros()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().update(update.build().map_err(unbuilt)?).build())
    }

    fn put_slot(&self, slot: &Slot, places: &Places, now: Timestamp) -> Result<TransactWriteItem, RegistryError> {
        let mut item = slot_key(&slot.connection, &slot.id);
        item.insert("expires".to_owned(), number(seconds(slot.ends_at)));
        if let Some(places) = places.value() {
            item.insert("t".to_owned(), places);
        }
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression(FREE)
            .expression_attribute_values(":now", number(now.timestamp()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build())
    }

    /// Counts anew what a connection has open: slots whose time came before their connection's are counted until then.
    /// Whether there are fewer than was thought.
    async fn recount(&self, connection: &ConnectionId) -> Result<bool, RegistryError> {
        let Some(before) = self.table.get(connection_key(connection)).await? else { return Ok(false) };
        let Some(counted) = read_number::<u32>(&before, "n") else { return Ok(false) };
        let open = u32::try_from(self.open_slots(connection).await?.len()).unwrap_or(u32::MAX);
        if open >= counted {
            return Ok(false);
        }
        // What was opened or closed meanwhile has changed the count, and then this one is wrong.
        let update = self.table.update(connection_key(connection)).await;
        let update = update
            .update_expression("SET n = :open")
            .condition_expression("n = :counted")
            .expression_attribute_values(":open", number(open))
            .expression_attribute_values(":counted", number(counted));
        Ok(matches!(self.table.write(update).await?, Written::Done(_)))
    }

    pub(super) async fn open_slots(&self, connection: &ConnectionId) -> Result<Vec<Arc<str>>, RegistryError> {
        let now = self.clock.now();
        let query = self.table.query(&connection_partition(connection)).await;
        let query = query
            .key_condition_expression("pk = :pk AND begins_with(sk, :slots)")
            .expression_attribute_values(":slots", AttributeValue::S(SLOTS.to_owned()));
        let slots = self.table.all(query).await?;
        let open = slots.iter().filter(|slot| !is_closed(slot) && !is_over(slot, now));
        Ok(open.filter_map(|slot| read_text(slot, "sk")).map(|sk| slot_id(sk).into()).collect())
    }

    pub(super) async fn begin_to_listen(&self, slot: &Slot, topic: Uuid, after: i32) -> Result<bool, RegistryError> {
        let Some(listener) = slot.listener(after) else { return Ok(false) };
        let mut places = self.places(slot).await?;
        for attempt in 1.. {
            let (Some(shard), Some(written)) = (places.of(topic), places.value()) else { return Ok(false) };
            let put = Put::builder().table_name(&self.table.name).set_item(Some(listener_item(
                topic,
                shard,
                &listener,
                slot.ends_at,
            )));
            let put = TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build();
            let writes = vec![self.nothing_newer(topic, after)?, self.still_open(slot, written)?, put];
            let Transacted::Refused(found) = self.table.transact(writes).await? else { return Ok(true) };
            match found.as_slice() {
                // Its rows are to be where the slot says, or nobody finds them to delete them: parts were added meanwhile.
                [Found::Well, Found::Against(Some(item)), ..]
                    if !is_closed(item) && !is_over(item, self.clock.now()) && Places::read(item) != places =>
                {
                    places = Places::read(item);
                    pause(attempt).await?;
                }
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    fn nothing_newer(&self, topic: Uuid, after: i32) -> Result<TransactWriteItem, RegistryError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(head_key(topic)))
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(b) OR b <= :after)")
            .expression_attribute_values(":after", number(after));
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuilt)?).build())
    }

    fn still_open(&self, slot: &Slot, places: AttributeValue) -> Result<TransactWriteItem, RegistryError> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(slot_key(&slot.connection, &slot.id)))
            .condition_expression(format!("{OPEN} AND t = :places"))
            .expression_attribute_values(":now", number(self.clock.now().timestamp()))
            .expression_attribute_values(":places", places)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(TransactWriteItem::builder().condition_check(check.build().map_err(unbuilt)?).build())
    }

    pub(super) async fn close_slot(
        &self,
        connection: &ConnectionId,
        id: &str,
        remember_until: Option<Timestamp>,
    ) -> Result<bool, RegistryError> {
        for attempt in 1.. {
            let item = self.table.get(slot_key(connection, id)).await?;
            if let Some(open) = item.filter(|item| !is_closed(item) && !is_over(item, self.clock.now())) {
                if self.try_to_close(connection, id, &open).await? {
                    return Ok(true);
                }
            } else {
                let Some(until) = remember_until else { return Ok(false) };
                if self.remember_closed(connection, id, until).await? {
                    return Ok(false);
                }
            }
            // It was opened or closed since it was looked at.
            pause(attempt).await?;
        }
        Ok(false)
    }

    /// The slot, its rows and its place in the count, all at once: whether the slot was still as it was found.
    async fn try_to_close(&self, connection: &ConnectionId, id: &str, open: &Item) -> Result<bool, RegistryError> {
        let name = &self.table.name;
        let delete_slot = Delete::builder()
            .table_name(name)
            .set_key(Some(slot_key(connection, id)))
            .condition_expression(match open.get("t") {
                Some(_) => "attribute_exists(pk) AND attribute_not_exists(d) AND t = :places",
                None => "attribute_exists(pk) AND attribute_not_exists(d) AND attribute_not_exists(t)",
            })
            .set_expression_attribute_values(open.get("t").map(|t| Item::from([(":places".to_owned(), t.clone())])));
        let give_back = Update::builder()
            .table_name(name)
            .set_key(Some(connection_key(connection)))
            .update_expression("ADD n :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":one", number(-1));
        let delete_slot = TransactWriteItem::builder().delete(delete_slot.build().map_err(unbuilt)?).build();
        let give_back = TransactWriteItem::builder().update(give_back.build().map_err(unbuilt)?).build();
        let mut writes = vec![delete_slot];
        for (topic, shard) in Places::read(open).iter() {
            let delete = Delete::builder().table_name(name).set_key(Some(listener_key(topic, shard, connection, id)));
            writes.push(TransactWriteItem::builder().delete(delete.build().map_err(unbuilt)?).build());
        }
        let with_connection = [writes.as_slice(), &[give_back]].concat();
        match self.table.transact(with_connection).await? {
            Transacted::Done => Ok(true),
            Transacted::Refused(found) if matches!(found.first(), Some(Found::Against(_))) => Ok(false),
            // The connection is gone, and with it the count.
            Transacted::Refused(_) => Ok(matches!(self.table.transact(writes).await?, Transacted::Done)),
        }
    }

    /// Writes down that an operation was completed before it was opened: `false` where it is open by now.
    async fn remember_closed(
        &self,
        connection: &ConnectionId,
        id: &str,
        until: Timestamp,
    ) -> Result<bool, RegistryError> {
        let update = self.table.update(slot_key(connection, id)).await;
        let update = update
            .update_expression("SET d = :true, expires = :until")
            .condition_expression(format!("{FREE} OR attribute_exists(d)"))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":until", number(seconds(until)))
            .expression_attribute_values(":now", number(self.clock.now().timestamp()));
        Ok(matches!(self.table.write(update).await?, Written::Done(_)))
    }
}

/// Whether what stands under a slot's key is no open slot: it was completed early, or its connection is being forgotten.
pub(super) fn is_closed(item: &Item) -> bool {
    item.contains_key("d")
}

/// The id of an operation in the sort key of its slot.
pub(super) fn slot_id(sk: &str) -> &str {
    sk.strip_prefix(SLOTS).unwrap_or(sk)
}
