//! Leases: an item a name, taken over once it has expired.

use std::time::Duration;

use super::items::ALONE;
use super::{DEADLINE, DynamoDbStore};
use crate::platform::BoxFuture;
use crate::platform::clock::{Timestamp, after};
use crate::platform::dynamodb::{Item, Written, key, number, seconds, text};
use crate::store::{Leases, StoreError, within};

impl Leases for DynamoDbStore {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        holder: &'a str,
        now: Timestamp,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(within(DEADLINE, async move {
            let until = after(now, ttl);
            let update = self.table.update(lease_key(name)).await;
            let update = update
                .update_expression("SET h = :holder, e = :until, expires = :expires")
                .condition_expression("attribute_not_exists(pk) OR h = :holder OR e <= :now")
                .expression_attribute_values(":holder", text(holder))
                .expression_attribute_values(":until", number(until.timestamp_micros()))
                .expression_attribute_values(":expires", number(seconds(until)))
                .expression_attribute_values(":now", number(now.timestamp_micros()));
            Ok(matches!(self.table.write(update).await?, Written::Done(_)))
        }))
    }

    fn release<'a>(&'a self, name: &'a str, holder: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, async move {
            // An end in the past, not a deletion: that could not be told from one that DynamoDB makes itself.
            let update = self.table.update(lease_key(name)).await;
            let update = update
                .update_expression("SET e = :over, expires = :over")
                .condition_expression("h = :holder")
                .expression_attribute_values(":over", number(0))
                .expression_attribute_values(":holder", text(holder));
            self.table.write(update).await?;
            Ok(())
        }))
    }
}

fn lease_key(name: &str) -> Item {
    key(&format!("L#{name}"), ALONE)
}
