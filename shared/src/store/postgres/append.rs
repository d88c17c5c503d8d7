//! Appending: one call of the function `append_events`, which a migration defines.

use serde::Deserialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::error::{failure, raised};
use super::rows::event;
use super::{DEADLINE, PostgresStore, within};
use crate::domain::StreamId;
use crate::store::{Append, Appended, Expected, StoreError};

/// The columns are those of the function: `replayed`, then an event's.
const APPEND: &str = "SELECT * FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

impl PostgresStore {
    pub(super) async fn append_events(&self, append: &Append) -> Result<Appended, StoreError> {
        append.check()?;
        within(DEADLINE, async {
            let mut held = self.pool.acquire().await?;
            let result = call(&mut held, append).await;
            held.give_back(result)
        })
        .await
    }
}

async fn call(connection: &mut PgConnection, append: &Append) -> Result<Appended, StoreError> {
    let Arguments { streams, types, expected, ids, places, offsets, names, schemas, payloads } = Arguments::of(append);
    let key = append.idempotency.as_ref();
    let query = sqlx::query(APPEND)
        .bind(streams)
        .bind(types)
        .bind(expected)
        .bind(ids)
        .bind(places)
        .bind(offsets)
        .bind(names)
        .bind(schemas)
        .bind(payloads)
        .bind(Json(&append.metadata))
        .bind(key.map(|key| key.key.as_str()))
        .bind(key.map(|key| key.fingerprint.as_str()));
    let rows = query.fetch_all(connection).await.map_err(|error| refusal(error, append))?;
    Ok(Appended {
        replayed: rows.first().is_some_and(is_replayed),
        events: rows.iter().map(|row| event(row, 1)).collect::<Result<_, _>>()?,
    })
}

fn is_replayed(row: &PgRow) -> bool {
    row.try_get(0).unwrap_or_default()
}

/// The function's arguments: an array a column, of streams and of events.
#[derive(Default)]
struct Arguments<'a> {
    streams: Vec<Uuid>,
    types: Vec<&'a str>,
    expected: Vec<Option<i32>>,
    ids: Vec<Uuid>,
    places: Vec<i32>,
    offsets: Vec<i32>,
    names: Vec<&'a str>,
    schemas: Vec<i32>,
    payloads: Vec<Json<&'a Value>>,
}

impl<'a> Arguments<'a> {
    fn of(append: &'a Append) -> Self {
        let mut arguments = Self::default();
        for (stream, place) in append.streams.iter().zip(1..) {
            arguments.streams.push(stream.stream.aggregate_id);
            arguments.types.push(&stream.stream.aggregate_type);
            arguments.expected.push(match stream.expected {
                Expected::Any => None,
                Expected::Exact(version) => Some(version),
            });
            for (event, offset) in stream.events.iter().zip(1..) {
                arguments.ids.push(event.id);
                arguments.places.push(place);
                arguments.offsets.push(offset);
                arguments.names.push(&event.event_type);
                arguments.schemas.push(event.schema_version);
                arguments.payloads.push(Json(&event.data));
            }
        }
        arguments
    }
}

/// What the function raises, or what else went wrong.
fn refusal(error: sqlx::Error, append: &Append) -> StoreError {
    match raised(&error) {
        Some(("MC001", detail)) => conflict(detail, append).unwrap_or_else(|| failure(error)),
        Some(("MC002", _)) => StoreError::KeyReused,
        _ => failure(error),
    }
}

fn conflict(detail: &str, append: &Append) -> Option<StoreError> {
    #[derive(Deserialize)]
    struct Detail {
        stream: Uuid,
        expected: i32,
        actual: i32,
    }
    let Detail { stream, expected, actual } = serde_json::from_str(detail).ok()?;
    let named = |id: &&StreamId| id.aggregate_id == stream;
    let stream = append.streams.iter().map(|append| &append.stream).find(named)?.clone();
    Some(StoreError::Conflict { stream, expected, actual })
}
