//! Deleting what no reader sees any more. Nothing lists the rows of a generation, so the table is looked through, a stretch
//! a call, from where the last call ended. Only generations before the live one are deleted: none of them is ever live or
//! a shadow again.

use super::DynamoDbStore;
use super::generations::{FIRST, STATE};
use super::views::{VIEWS, generation_of, generation_prefix};
use crate::platform::dynamodb::{
    Item, all, delete_request, failure, key, number, persistently, put_if, read_number, read_text, text,
};
use crate::store::{StoreError, Swept};

/// How many pages, of a megabyte each, one call looks through.
const PAGES: usize = 16;
/// How many rows one call to DynamoDB deletes, and how many such calls are made at once.
const BATCH: usize = 25;
const AT_ONCE: usize = 8;

/// How far the table is looked through for what is older than `live`.
struct Pass {
    live: i32,
    /// `None` at the end.
    at: Option<Item>,
}

impl DynamoDbStore {
    pub(super) async fn sweep(&self, limit: u32) -> Result<Swept, StoreError> {
        let live = self.generations().await?.live;
        let pass = self.table.get(pass_key()).await?.and_then(|item| read_pass(&item));
        let mut at = match pass.filter(|pass| pass.live == live) {
            Some(Pass { at: None, .. }) => return Ok(Swept { rows: 0, over: true }),
            Some(Pass { at, .. }) => at,
            None if live == FIRST => return Ok(Swept { rows: 0, over: true }),
            None => None,
        };
        let mut keys = Vec::new();
        for _ in 0..PAGES {
            // Pages that are no longer than what may be deleted: then all that one shows can be.
            let left = limit as usize - keys.len();
            let (found, next) = self.look_through(live, at, left).await?;
            keys.extend(found);
            at = next;
            if at.is_none() || keys.len() >= limit as usize {
                break;
            }
        }
        let rows = keys.len() as u64;
        self.delete_rows(keys).await?;
        let over = at.is_none();
        put_if(self.write_pass(&Pass { live, at }).await).await?;
        Ok(Swept { rows, over })
    }

    /// A page of the table, at most `limit` items: the keys of rows before `live` in it, and where the next page begins. What
    /// was written a moment ago may be missed, and is left for the sweep after the next rebuild.
    async fn look_through(
        &self,
        live: i32,
        from: Option<Item>,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let scan = self.table.client().await.scan().table_name(&self.table.name);
        let scan = scan
            .filter_expression("begins_with(pk, :views) AND NOT begins_with(pk, :live)")
            .projection_expression("pk, sk")
            .expression_attribute_values(":views", text(VIEWS))
            .expression_attribute_values(":live", text(&generation_prefix(live)))
            .set_exclusive_start_key(from)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX).max(1));
        let page = persistently(|| async { Box::pin(scan.clone().send()).await.map_err(failure) }).await?;
        let is_old = |item: &Item| read_text(item, "pk").and_then(generation_of).is_some_and(|of| of < live);
        let found = page.items.unwrap_or_default().into_iter().filter(is_old).collect();
        Ok((found, page.last_evaluated_key))
    }

    async fn delete_rows(&self, keys: Vec<Item>) -> Result<(), StoreError> {
        let deletes = keys.into_iter().map(delete_request).collect::<Result<Vec<_>, _>>()?;
        let mut work = Vec::new();
        for chunk in deletes.chunks(BATCH) {
            work.push(persistently(|| self.table.batch(chunk.to_vec())));
        }
        all(work, AT_ONCE).await?;
        Ok(())
    }

    /// Unless one for a later generation has begun.
    async fn write_pass(&self, pass: &Pass) -> aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder {
        let mut item = pass_key();
        item.insert("w".to_owned(), number(pass.live));
        if let Some([pk, sk]) = pass.at.as_ref().and_then(|at| Some([read_text(at, "pk")?, read_text(at, "sk")?])) {
            item.insert("i".to_owned(), text(pk));
            item.insert("j".to_owned(), text(sk));
        }
        let put = self.table.put(item).await.condition_expression("attribute_not_exists(w) OR w <= :live");
        put.expression_attribute_values(":live", number(pass.live))
    }
}

fn pass_key() -> Item {
    key(STATE, "sweep")
}

fn read_pass(item: &Item) -> Option<Pass> {
    let at = read_text(item, "i").zip(read_text(item, "j")).map(|(pk, sk)| key(pk, sk));
    Some(Pass { live: read_number(item, "w")?, at })
}
