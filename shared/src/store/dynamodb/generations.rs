//! Which generations of the read models there are, and where a rebuild stands: one item, changed by one conditional write.
//!
//! Why nothing is lost when a rebuild begins or ends between a projector's look at the generations and its writes: what
//! is projected was committed before. A projector that does not see the shadow looked before the rebuild began, so its
//! events were committed before it began, and the rebuild's pass, which began later still, shows every event that was
//! committed before the pass. A projector that sees the shadow writes to it, whether or not it is the live one by then.
//! One that is late by a whole rebuild writes to a generation that nobody reads any more, and is of the first kind.

use uuid::Uuid;

use super::DynamoDbStore;
use super::items::ALONE;
use crate::platform::dynamodb::{Item, Written, key, number, read_number, read_text, text};
use crate::store::{Cursor, Rebuild, StoreError};

/// The partition of what there is one of.
pub(super) const STATE: &str = "P#";
/// The generation that is live before there was a rebuild.
pub(super) const FIRST: i32 = 1;

/// The generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generations {
    pub(super) live: i32,
    pub(super) rebuild: Option<Rebuild>,
}

impl Generations {
    /// Those that are written to.
    pub(super) fn all(&self) -> Vec<i32> {
        [self.live].into_iter().chain(self.rebuild.iter().map(|rebuild| rebuild.generation)).collect()
    }
}

impl DynamoDbStore {
    pub(super) async fn generations(&self) -> Result<Generations, StoreError> {
        Ok(read_generations(&self.table.get(state_key()).await?.unwrap_or_default()))
    }

    pub(super) async fn begin(&self) -> Result<Rebuild, StoreError> {
        let update = self.table.update(state_key()).await;
        let update = update
            .update_expression(
                "SET s = if_not_exists(n, :first) + :one, n = if_not_exists(n, :first) + :one, \
                     l = if_not_exists(l, :first), d = :none REMOVE c, m",
            )
            .condition_expression("attribute_not_exists(s)")
            .expression_attribute_values(":first", number(FIRST))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":none", number(0));
        let item = match self.table.write(update).await? {
            Written::Done(item) => Some(item),
            Written::Refused(item) => item,
        };
        let begun = item.and_then(|item| read_generations(&item).rebuild);
        begun.ok_or_else(|| StoreError::Failed("the generations of the read models cannot be read".to_owned()))
    }

    /// Whether it was where `rebuild` says, and has now come to `cursor`.
    pub(super) async fn note_step(&self, rebuild: &Rebuild, cursor: &Cursor, events: u64) -> Result<bool, StoreError> {
        let update = self.table.update(state_key()).await;
        let mut update = update
            .update_expression("SET c = :cursor, m = :mark ADD d :events")
            .condition_expression(match rebuild.cursor {
                Some(_) => "s = :shadow AND c = :seen",
                None => "s = :shadow AND attribute_not_exists(c)",
            })
            .expression_attribute_values(":cursor", text(cursor.as_text()))
            .expression_attribute_values(":events", number(i64::try_from(events).unwrap_or(i64::MAX)))
            .expression_attribute_values(":shadow", number(rebuild.generation));
        if let Some(seen) = &rebuild.cursor {
            update = update.expression_attribute_values(":seen", text(seen.as_text()));
        }
        let mark = mark();
        let written = self.table.write(update.expression_attribute_values(":mark", text(&mark))).await?;
        Ok(is_ours(&written, &mark))
    }

    /// Whether `rebuild` was still on.
    pub(super) async fn swap(&self, rebuild: &Rebuild) -> Result<bool, StoreError> {
        let update = self.table.update(state_key()).await;
        let mark = mark();
        let update = update
            .update_expression("SET l = :shadow, m = :mark REMOVE s, c")
            .condition_expression("s = :shadow")
            .expression_attribute_values(":shadow", number(rebuild.generation))
            .expression_attribute_values(":mark", text(&mark));
        let written = self.table.write(update).await?;
        Ok(is_ours(&written, &mark))
    }
}

fn state_key() -> Item {
    key(STATE, ALONE)
}

/// An attempt whose answer was lost is made again, and finds its own mark.
fn mark() -> String {
    Uuid::now_v7().simple().to_string()
}

fn is_ours(written: &Written, mark: &str) -> bool {
    match written {
        Written::Done(_) => true,
        Written::Refused(found) => found.as_ref().and_then(|item| read_text(item, "m")) == Some(mark),
    }
}

/// Without the item there was no rebuild yet.
fn read_generations(item: &Item) -> Generations {
    let rebuild = |generation: i32| Rebuild {
        generation,
        cursor: read_text(item, "c").map(Cursor::from_text),
        done: read_number(item, "d").unwrap_or_default(),
        total: None,
    };
    Generations { live: read_number(item, "l").unwrap_or(FIRST), rebuild: read_number(item, "s").map(rebuild) }
}
