//! Rows and values: decimals travel as text.

use std::str::FromStr;

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::error::failure;
use crate::domain::{Metadata, RecordedEvent, StreamId};
use crate::store::StoreError;

/// The columns that [`event`] reads, in its order.
macro_rules! event_columns {
    () => {
        "id, aggregate_id, aggregate_type, event_version, event_type, schema_version, event_data, metadata"
    };
}
pub(super) use event_columns;

/// An event from a row that has the [`event_columns`] from column `first` on.
pub(super) fn event(row: &PgRow, first: usize) -> Result<RecordedEvent, StoreError> {
    let read = || {
        let (Json(data), Json(metadata)) = (row.try_get(first + 6)?, row.try_get::<Json<Metadata>, _>(first + 7)?);
        Ok(RecordedEvent {
            id: row.try_get(first)?,
            stream: StreamId { aggregate_id: row.try_get(first + 1)?, aggregate_type: row.try_get(first + 2)? },
            event_version: row.try_get(first + 3)?,
            event_type: row.try_get(first + 4)?,
            schema_version: row.try_get(first + 5)?,
            data,
            metadata,
        })
    };
    read().map_err(failure)
}

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::Failed(format!("a stored value: {error}")))
}
