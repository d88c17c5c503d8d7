//! Who is connected.

use std::net::IpAddr;

use aws_sdk_dynamodb::types::AttributeValue;
use uuid::Uuid;

use super::DynamoDbRegistry;
use super::items::{ALONE, Places, connection_key, connection_partition, listener_key, put_principal, read_principal};
use super::slots::{is_closed, slot_id};
use crate::platform::auth::Principal;
use crate::platform::clock::Timestamp;
use crate::platform::dynamodb::{
    Item, Written, delete_request, key, number, put_if, put_request, put_time, read_text, read_time, seconds, text,
};
use crate::push::{Connection, ConnectionId, Initialised, RegistryError};

impl DynamoDbRegistry {
    /// A connection that is written down already stays as it is.
    pub(super) async fn write_connection(&self, connection: &Connection) -> Result<(), RegistryError> {
        let put = self.table.put(connection_item(connection)).await;
        put_if(put.condition_expression("attribute_not_exists(pk)")).await?;
        Ok(())
    }

    pub(super) async fn read_connection(&self, id: &ConnectionId) -> Result<Option<Connection>, RegistryError> {
        let Some(item) = self.table.get(connection_key(id)).await? else { return Ok(None) };
        let connection = read_connection(id, &item)
            .ok_or_else(|| RegistryError::Failed(format!("the connection {id} cannot be read")))?;
        Ok(Some(connection).filter(|connection| connection.ends_at > self.clock.now()))
    }

    pub(super) async fn write_initialised(
        &self,
        id: &ConnectionId,
        principal: Option<&Principal>,
    ) -> Result<Initialised, RegistryError> {
        // An attempt whose answer was lost is made again, and finds its own mark.
        let mark = Uuid::now_v7().simple().to_string();
        let mut set = Item::from([("i".to_owned(), text(&mark))]);
        put_principal(&mut set, principal);
        let without: Vec<_> = ["u", "r", "x"].into_iter().filter(|name| !set.contains_key(*name)).collect();
        let sets: Vec<_> = set.keys().map(|name| format!("{name} = :{name}")).collect();
        let mut expression = format!("SET {}", sets.join(", "));
        if !without.is_empty() {
            expression = format!("{expression} REMOVE {}", without.join(", "));
        }
        let now = self.clock.now().timestamp_micros();
        let mut update = self.table.update(connection_key(id)).await.update_expression(expression);
        for (name, value) in set {
            update = update.expression_attribute_values(format!(":{name}"), value);
        }
        let update = update
            .condition_expression("e > :now AND attribute_not_exists(i)")
            .expression_attribute_values(":now", number(now));
        Ok(match self.table.write(update).await? {
            Written::Done(_) => Initialised::Now,
            Written::Refused(Some(item)) if read_text(&item, "i") == Some(&mark) => Initialised::Now,
            Written::Refused(Some(item)) if is_connected(&item, self.clock.now()) => Initialised::Before,
            Written::Refused(_) => Initialised::Unknown,
        })
    }

    /// First the connection, so that nothing more is opened. Then its slots are closed, so that none begins to listen; then
    /// their rows, and the slots last: where this ends half-way, the next call finds what is left.
    pub(super) async fn forget_connection(&self, id: &ConnectionId) -> Result<(), RegistryError> {
        self.table.delete(connection_key(id), None).await?;
        let partition = connection_partition(id);
        let left = self.table.all(self.table.query(&partition).await).await?;
        let (mut closed, mut rows, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for mut slot in left {
            let Some(sk) = read_text(&slot, "sk").map(str::to_owned).filter(|sk| sk != ALONE) else { continue };
            let places = Places::read(&slot);
            for (topic, shard) in places.iter() {
                rows.push(delete_request(listener_key(topic, shard, id, slot_id(&sk)))?);
            }
            keys.push(delete_request(key(&partition, &sk))?);
            if places.iter().next().is_some() && !is_closed(&slot) {
                slot.insert("d".to_owned(), AttributeValue::Bool(true));
                closed.push(put_request(slot)?);
            }
        }
        self.table.batch(closed).await?;
        rows.append(&mut keys);
        Ok(self.table.batch(rows).await?)
    }
}

/// Whether there is a connection, and its time is not over.
pub(super) fn is_connected(item: &Item, now: Timestamp) -> bool {
    read_time(item, "e").is_some_and(|ends_at| ends_at > now)
}

fn connection_item(connection: &Connection) -> Item {
    let Connection { id, principal, address, initialised, ends_at } = connection;
    let mut item = connection_key(id);
    put_principal(&mut item, principal.as_ref());
    item.insert("a".to_owned(), text(&address.to_string()));
    if *initialised {
        item.insert("i".to_owned(), text(""));
    }
    item.insert("n".to_owned(), number(0));
    put_time(&mut item, "e", Some(*ends_at));
    item.insert("expires".to_owned(), number(seconds(*ends_at)));
    item
}

fn read_connection(id: &ConnectionId, item: &Item) -> Option<Connection> {
    let address: IpAddr = read_text(item, "a")?.parse().ok()?;
    let (principal, initialised) = (read_principal(item), item.contains_key("i"));
    Some(Connection { id: id.clone(), principal, address, initialised, ends_at: read_time(item, "e")? })
}
