//! A pass over all events: a scan of the table in parts, several at a time.

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use serde::{Deserialize, Serialize};

use super::items::{is_event, read_event};
use super::{DEADLINE, DynamoDbStore};
use crate::domain::RecordedEvent;
use crate::platform::dynamodb::{Item, failure, key, read_text, text};
use crate::store::{Cursor, Page, StoreError, within};

/// The parts of the table that are read side by side.
const PARTS: usize = 8;

/// Where a pass stands in each part.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    parts: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Start,
    After(String, String),
    End,
}

impl DynamoDbStore {
    pub(super) async fn scan(&self, cursor: Option<&Cursor>, limit: u32) -> Result<Page, StoreError> {
        let mut places = cursor.map_or_else(|| Ok(Places { parts: vec![Place::Start; PARTS] }), read_cursor)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut events = Vec::new();
        while events.len() < limit && places.parts.iter().any(|place| *place != Place::End) {
            within(DEADLINE, self.scan_on(&mut places, limit - events.len(), &mut events)).await?;
        }
        let next = if events.is_empty() { cursor.cloned() } else { Some(write_cursor(&places)?) };
        Ok(Page { events, next })
    }

    /// Reads a little on in the parts that are not at their end; `most` items in all, so that nothing is read in vain.
    async fn scan_on(
        &self,
        places: &mut Places,
        most: usize,
        events: &mut Vec<RecordedEvent>,
    ) -> Result<(), StoreError> {
        let all = places.parts.len();
        let open: Vec<usize> = (0..all).filter(|part| places.parts[*part] != Place::End).take(most).collect();
        let each = (most / open.len().max(1)).max(1);
        let scans = open.iter().map(|part| self.scan_part((*part, all), &places.parts[*part], each));
        let pages = futures_util::future::try_join_all(scans).await?;
        for (part, (items, last)) in open.into_iter().zip(pages) {
            for item in items.iter().filter(|item| is_event(item)) {
                events.push(read_event(item)?);
            }
            places.parts[part] = last;
        }
        Ok(())
    }

    async fn scan_part(
        &self,
        (part, of): (usize, usize),
        place: &Place,
        limit: usize,
    ) -> Result<(Vec<Item>, Place), StoreError> {
        let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let scan: ScanFluentBuilder = self.table.client().await.scan().table_name(&self.table.name);
        let scan = scan.consistent_read(true).segment(number(part)).total_segments(number(of)).limit(number(limit));
        let scan = scan.filter_expression("begins_with(pk, :streams) AND attribute_exists(i)");
        let scan = scan.expression_attribute_values(":streams", text("E#"));
        let from = if let Place::After(pk, sk) = place { Some(key(pk, sk)) } else { None };
        let page = Box::pin(scan.set_exclusive_start_key(from).send()).await.map_err(failure)?;
        let last =
            page.last_evaluated_key.as_ref().and_then(|last| Some((read_text(last, "pk")?, read_text(last, "sk")?)));
        let place = last.map_or(Place::End, |(pk, sk)| Place::After(pk.to_owned(), sk.to_owned()));
        Ok((page.items.unwrap_or_default(), place))
    }
}

fn read_cursor(cursor: &Cursor) -> Result<Places, StoreError> {
    let places: Option<Places> = serde_json::from_str(cursor.as_text()).ok();
    places
        .filter(|places| places.parts.len() == PARTS)
        .ok_or_else(|| StoreError::Invalid(format!("{:?} is not a cursor of this store", cursor.as_text())))
}

fn write_cursor(places: &Places) -> Result<Cursor, StoreError> {
    serde_json::to_string(places).map(Cursor).map_err(|error| StoreError::Failed(error.to_string()))
}
