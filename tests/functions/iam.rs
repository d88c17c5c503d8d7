//! Functions that Postgres lets in by a token that their role signs.

use serde_json::json;
use support::certificates::Certificates;
use support::eventually::eventually;
use support::folder::Folder;
use support::lambda::Lambda;
use support::rds_proxy::RdsProxy;
use support::services::{fresh_postgres_database, postgres_url};

use super::sample;

struct Scene {
    proxy: RdsProxy,
    folder: Folder,
    database: String,
}

impl Scene {
    async fn new() -> Self {
        let folder = Folder::new("rds");
        let certificates = Certificates::in_folder(folder.path()).await;
        let database = fresh_postgres_database().await;
        Self { proxy: RdsProxy::before(&postgres_url(), &certificates).await, folder, database }
    }

    /// `admin` on the database behind the proxy, with more in its URL.
    async fn admin(&self, more: &str) -> Lambda {
        let (_, database) = self.database.rsplit_once('/').unwrap();
        let url = format!("postgres://mcp_app@{}/{database}?{more}", self.proxy.address());
        let variables =
            [("DATABASE_URL", url.as_str()), ("DATABASE_AUTH", "iam"), ("AWS_SESSION_TOKEN", "a/session+token")];
        Lambda::start("admin", &variables).await
    }

    fn trusting(&self) -> String {
        format!("sslrootcert={}", self.folder.path().join("ca.pem").display())
    }
}

#[tokio::test]
async fn each_connection_has_a_token_of_its_own() {
    let scene = Scene::new().await;
    let admin = scene.admin(&scene.trusting()).await;
    let migrated =
        admin.invoke(sample("admin-migrate")).await.unwrap_or_else(|error| panic!("{error}: {}", admin.output()));
    assert!(migrated["applied"].as_array().is_some_and(|applied| !applied.is_empty()), "{migrated}");
    let first = scene.proxy.logins().remove(0);
    assert_eq!(first.user, "mcp_app");
    let begin = format!(
        "{}/?Action=connect&DBUser=mcp_app&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F",
        scene.proxy.address()
    );
    assert!(first.password.starts_with(&begin), "{first:?}");
    for part in
        ["%2Fus-east-1%2Frds-db%2Faws4_request&", "&X-Amz-Expires=900&", "=a%2Fsession%2Btoken", "&X-Amz-Signature="]
    {
        assert!(first.password.contains(part), "{part}: {first:?}");
    }
    // A token tells the second in which it was made.
    eventually("another connection has another token", || async {
        scene.proxy.cut();
        let again = admin.invoke(sample("admin-migrate")).await;
        let last = scene.proxy.logins().pop().unwrap();
        (again == Ok(json!({ "applied": [] })) && last.password != first.password).then_some(()).ok_or(again)
    })
    .await;
    assert!(!admin.output().contains("X-Amz-Signature"), "{}", admin.output());
}

#[tokio::test]
async fn no_token_is_sent_to_a_server_that_cannot_prove_who_it_is() {
    let scene = Scene::new().await;
    let admin = scene.admin("").await;
    assert!(admin.invoke(sample("admin-migrate")).await.is_err());
    assert_eq!(scene.proxy.logins(), []);
}

#[tokio::test]
async fn without_encryption_it_does_not_start() {
    let scene = Scene::new().await;
    let admin = scene.admin("sslmode=disable").await;
    eventually("the start is refused", || async { admin.output().contains("DATABASE_AUTH").then_some(()) }).await;
    assert!(admin.dies_of(sample("admin-migrate")).await);
    assert_eq!(scene.proxy.logins(), []);
}
