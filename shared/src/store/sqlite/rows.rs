//! Rows and values: times are microseconds, JSON and decimals are text.

use std::str::FromStr;

use chrono::DateTime;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::failure;
use crate::domain::{RecordedEvent, StreamId};
use crate::platform::clock::Timestamp;
use crate::store::StoreError;

/// The columns that [`event`] reads, in its order.
macro_rules! event_columns {
    () => {
        "id, aggregate_id, aggregate_type, event_version, event_type, schema_version, event_data, metadata"
    };
}
pub(super) use event_columns;

/// An event from a row that starts with the [`event_columns`].
pub(super) fn event(row: &SqliteRow) -> Result<RecordedEvent, StoreError> {
    let read = || {
        Ok((
            RecordedEvent {
                id: row.try_get(0)?,
                stream: StreamId { aggregate_id: row.try_get(1)?, aggregate_type: row.try_get(2)? },
                event_version: row.try_get(3)?,
                event_type: row.try_get(4)?,
                schema_version: row.try_get(5)?,
                data: serde_json::Value::Null,
                metadata: json(row.try_get(7)?).map_err(|error| sqlx::Error::Decode(error.into()))?,
            },
            row.try_get::<&str, _>(6)?,
        ))
    };
    let (event, data) = read().map_err(failure)?;
    Ok(RecordedEvent { data: json(data)?, ..event })
}

pub(super) fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Failed(format!("stored JSON: {error}")))
}

pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| StoreError::Failed(format!("a stored value: {error}")))
}

pub(super) fn time(micros: i64) -> Result<Timestamp, StoreError> {
    DateTime::from_timestamp_micros(micros)
        .ok_or_else(|| StoreError::Failed("a stored time is out of range".to_owned()))
}
