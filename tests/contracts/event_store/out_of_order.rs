//! Transactions that commit in another order than they began. SQLite has one writer, so it cannot happen there; on
//! Postgres it happens all the time.

use std::time::Duration;

use mcp_core::store::Cursor;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::contracts::Fixture;
use crate::contracts::build::{a_stream, given, ids, metadata, tail};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_misses_nothing_that_commits_late_on_postgres() {
    a_reader_misses_nothing_that_commits_late(Fixture::postgres().await).await;
}

/// Twelve transactions at a time append, and commit in a shuffled order while a reader tails.
pub(crate) async fn a_reader_misses_nothing_that_commits_late(fixture: Fixture) {
    let seed = u64::from(Uuid::now_v7().as_u128() as u32);
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let (mut cursor, mut written, mut read) = (None, Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut open = Vec::new();
        for _ in 0..12 {
            let mut connection = fixture.database.connection().await;
            sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
            written.extend(append_in(&mut connection, 1 + dice.below(3)).await);
            open.push(connection);
        }
        while !open.is_empty() {
            let mut connection = open.swap_remove(dice.below(open.len()));
            sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
            read.extend(page(&fixture, &mut cursor).await);
        }
    }
    read.extend(ids(&tail(&fixture, &mut cursor, written.len().saturating_sub(read.len())).await));
    read.sort_unstable();
    written.sort_unstable();
    assert_eq!(read, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_still_be_overtaken_is_not_shown() {
    let fixture = Fixture::postgres().await;
    let mut late = fixture.database.connection().await;
    sqlx::raw_sql("BEGIN").execute(&mut late).await.unwrap();
    let mut wanted = append_in(&mut late, 1).await;
    wanted.extend(ids(&given(fixture.store.as_ref(), &a_stream(), 2).await.events));
    assert!(page(&fixture, &mut None).await.is_empty());
    sqlx::raw_sql("COMMIT").execute(&mut late).await.unwrap();
    assert_eq!(ids(&tail(&fixture, &mut None, 3).await), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rolled_back_is_never_shown() {
    let fixture = Fixture::postgres().await;
    let mut gone = fixture.database.connection().await;
    sqlx::raw_sql("BEGIN").execute(&mut gone).await.unwrap();
    append_in(&mut gone, 2).await;
    let kept = given(fixture.store.as_ref(), &a_stream(), 2).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut gone).await.unwrap();
    assert_eq!(tail(&fixture, &mut None, 2).await, kept.events);
}

async fn page(fixture: &Fixture, cursor: &mut Option<Cursor>) -> Vec<Uuid> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    let page = fixture.store.read_all(cursor.as_ref(), 3).await.unwrap();
    *cursor = page.next;
    ids(&page.events)
}

/// Appends to a stream of its own in the transaction that is open.
async fn append_in(connection: &mut PgConnection, count: usize) -> Vec<Uuid> {
    const APPEND: &str = "
        SELECT id FROM append_events(ARRAY[$1::uuid], '{test}', ARRAY[NULL::int], $2::uuid[],
            array_fill(1, ARRAY[$3::int]), ARRAY(SELECT generate_series(1, $3)),
            array_fill('Happened'::text, ARRAY[$3]), array_fill(1, ARRAY[$3]), array_fill($4::jsonb, ARRAY[$3]),
            $5::jsonb, NULL, NULL)";
    let new: Vec<_> = (0..count).map(|_| Uuid::now_v7()).collect();
    let rows: Vec<Uuid> = sqlx::query_scalar(APPEND)
        .bind(a_stream().aggregate_id)
        .bind(&new)
        .bind(i32::try_from(count).unwrap())
        .bind(json!({}))
        .bind(serde_json::to_value(metadata()).unwrap())
        .fetch_all(connection)
        .await
        .unwrap();
    assert_eq!(rows, new);
    rows
}

/// Numbers that look random and follow from a seed (a linear congruential generator, with Knuth's constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
