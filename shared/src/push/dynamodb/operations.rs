//! What clients asked for, each text once.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::DynamoDbRegistry;
use super::items::ALONE;
use crate::platform::clock::{Timestamp, after};
use crate::platform::dynamodb::{Item, is_over, key, number, put_if, read_number, read_text, seconds, text};
use crate::push::{Operation, OperationHash, RegistryError};

/// How much longer an operation is kept than was asked for: as long, nobody else who asks the same writes it.
const AHEAD: Duration = Duration::from_secs(60 * 60);
/// How many bytes of operations a sandbox remembers.
const REMEMBERED: u64 = 16 << 20;

/// The operations that this sandbox has seen.
pub(super) type Operations = Cache<OperationHash, Kept>;

/// An operation in the table.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    operation: Arc<Operation>,
    /// The bytes of its text.
    size: u32,
    expires: i64,
}

pub(super) fn operations() -> Operations {
    Cache::builder().max_capacity(REMEMBERED).weigher(|_, kept: &Kept| kept.size.saturating_add(256)).build()
}

impl DynamoDbRegistry {
    pub(super) async fn write_operation(
        &self,
        operation: &Operation,
        until: Timestamp,
    ) -> Result<OperationHash, RegistryError> {
        let hash = operation.hash();
        if self.operations.get(&hash).is_some_and(|kept| kept.expires >= seconds(until)) {
            return Ok(hash);
        }
        let json = serde_json::to_string(operation).map_err(unreadable)?;
        let (size, expires) = (u32::try_from(json.len()).unwrap_or(u32::MAX), seconds(after(until, AHEAD)));
        let mut item = operation_key(&hash);
        item.insert("q".to_owned(), text(&json));
        item.insert("expires".to_owned(), number(expires));
        let put = self.table.put(item).await;
        let put = put
            .condition_expression("attribute_not_exists(pk) OR expires < :until")
            .expression_attribute_values(":until", number(expires));
        // Refused where it is kept that long already.
        put_if(put).await?;
        self.operations.insert(hash.clone(), Kept { operation: Arc::new(operation.clone()), size, expires });
        Ok(hash)
    }

    pub(super) async fn read_operation(&self, hash: &OperationHash) -> Result<Option<Arc<Operation>>, RegistryError> {
        let now = self.clock.now();
        if let Some(kept) = self.operations.get(hash).filter(|kept| kept.expires > now.timestamp()) {
            return Ok(Some(kept.operation));
        }
        let item = self.table.get(operation_key(hash)).await?.filter(|item| !is_over(item, now));
        let Some(item) = item else { return Ok(None) };
        let (json, expires) = (read_text(&item, "q").unwrap_or_default(), read_number(&item, "expires"));
        let operation: Arc<Operation> = Arc::new(serde_json::from_str(json).map_err(unreadable)?);
        let size = u32::try_from(json.len()).unwrap_or(u32::MAX);
        let kept = Kept { operation: operation.clone(), size, expires: expires.unwrap_or_default() };
        self.operations.insert(hash.clone(), kept);
        Ok(Some(operation))
    }
}

fn operation_key(hash: &OperationHash) -> Item {
    key(&format!("Q#{}", hash.0), ALONE)
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn unreadable(error: serde_json::Error) -> RegistryError {
    RegistryError::Failed(format!("an operation: {error}"))
}
