//! The Postgres, Redis, Kafka, S3 API and DynamoDB that all tests share (`scripts/services.sh`), each test in a corner of its
//! own. A service that is not there fails the test: it is never skipped.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

/// The shared Postgres, as a superuser.
pub fn postgres_url() -> String {
    service("TEST_POSTGRES_URL")
}

/// The shared Redis.
pub fn redis_url() -> String {
    service("TEST_REDIS_URL")
}

/// The brokers of the shared Kafka.
pub fn kafka_brokers() -> String {
    service("TEST_KAFKA_BROKERS")
}

/// The folder with Kafka's jars.
pub fn kafka_libs() -> String {
    service("TEST_KAFKA_LIBS")
}

/// The endpoint of the shared S3 API, with the bucket in the path. It is moto's: in memory, and it takes any credentials.
pub fn s3_url() -> String {
    service("TEST_S3_URL")
}

/// The endpoint of the shared Secrets Manager and Systems Manager: moto's, as for S3.
pub fn moto_url() -> String {
    let s3 = s3_url();
    let scheme = s3.find("://").expect("a URL has a scheme") + 3;
    let end = s3[scheme..].find('/').map_or(s3.len(), |path| scheme + path);
    s3[..end].to_owned()
}

/// The endpoint of the shared DynamoDB, which takes any region and credentials.
pub fn dynamodb_url() -> String {
    service("TEST_DYNAMODB_URL")
}

/// A prefix for the topics of one test.
pub fn topic_prefix() -> String {
    format!("t{}.", Uuid::now_v7().simple())
}

pub(crate) fn service(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run `make test`; or `make services-up`, then `eval \"$(scripts/services.sh env)\"`"
        )
    })
}

/// The URL of an empty database that nobody else uses.
///
/// It stays until `make services-down`: with fsync on, as benchmarks need it, to drop one is a checkpoint, and takes a second.
pub async fn fresh_postgres_database() -> String {
    let server = postgres_url();
    let name = format!("test_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap_or_else(|error| panic!("{server}: {error}"));
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
        .execute(&mut connection)
        .await
        .expect("a database can be created");
    on_server(&server, &name)
}

/// The same server and credentials, another database.
fn on_server(server: &str, database: &str) -> String {
    let (address, _) = server.rsplit_once('/').expect("TEST_POSTGRES_URL ends with a database");
    format!("{address}/{database}")
}

/// A prefix for the keys of one test.
pub fn redis_prefix() -> String {
    format!("test:{}:", Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn databases_are_apart() {
        let (one, other) = (fresh_postgres_database().await, fresh_postgres_database().await);
        for url in [one, other] {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            sqlx::raw_sql("CREATE TABLE mine ()").execute(&mut connection).await.unwrap();
        }
    }

    #[tokio::test]
    async fn redis_answers() {
        let client = redis::Client::open(redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let key = format!("{}key", redis_prefix());
        let first: Option<String> = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
        assert_eq!(first, None);
    }
}
