//! `admin`.

use serde_json::json;
use support::lambda::Lambda;
use support::services::fresh_postgres_database;

use super::sample;

#[tokio::test]
async fn migrating_twice_applies_nothing_the_second_time() {
    let database = fresh_postgres_database().await;
    let admin = Lambda::start("admin", &[("DATABASE_URL", database.as_str())]).await;
    let first = admin.invoke(sample("admin-migrate")).await.unwrap();
    assert!(first["applied"].as_array().is_some_and(|applied| !applied.is_empty()), "{first}");
    let second = admin.invoke(sample("admin-migrate")).await.unwrap();
    assert_eq!(second, json!({ "applied": [] }));
}

#[tokio::test]
async fn an_unknown_command_is_refused() {
    let database = fresh_postgres_database().await;
    let admin = Lambda::start("admin", &[("DATABASE_URL", database.as_str())]).await;
    for payload in [json!({ "command": "drop" }), json!({}), json!("migrate"), json!(null)] {
        let error = admin.invoke(payload).await.unwrap_err();
        assert!(error["errorMessage"].as_str().is_some_and(|text| text.contains("migrate")), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_its_name_and_no_secret() {
    let admin = Lambda::start("admin", &[("DATABASE_URL", "mysql://root:hunter2@db")]).await;
    support::eventually::eventually("the function ends", || {
        let output = admin.output();
        async move { output.contains("DATABASE_URL").then_some(()).ok_or(output) }
    })
    .await;
    assert!(!admin.output().contains("hunter2"), "{}", admin.output());
}
