//! Functions whose variables refer to secrets.

use serde_json::json;
use support::eventually::eventually;
use support::lambda::Lambda;
use support::process::{Process, command, compiled};
use support::proxy::{Network, Proxy};
use support::redis_server::RedisServer;
use support::secrets::Secrets;
use support::services::moto_url;

use super::elasticache::persisted;
use super::{Deployment, SECRET, asking, body, sample};
use crate::graphql::server::sign;

const OTHER: &str = "another secret, which nobody knew before this test";

/// A deployment, and its secrets behind a network of the test's own.
struct Scene {
    deployment: Deployment,
    secrets: Secrets,
    network: Proxy,
}

impl Scene {
    async fn new() -> Self {
        let network = Proxy::to(moto_url().trim_start_matches("http://")).await;
        Self { deployment: Deployment::new().await, secrets: Secrets::new(), network }
    }

    /// `graphql`, its secrets asked for every second.
    async fn graphql(&self, variables: &[(&str, &str)]) -> Lambda {
        let url = format!("http://{}", self.network.address());
        let ways = [("AWS_ENDPOINT_URL_SECRETS_MANAGER", url.as_str()), ("AWS_ENDPOINT_URL_SSM", url.as_str())];
        let all = [&ways[..], &[("SECRETS_TTL_SECONDS", "1"), ("RATE_LIMITS", "off")], variables].concat();
        self.deployment.start_with("graphql", &all).await
    }
}

/// Whether a token that was signed with that secret lets its bearer in.
async fn lets_in(graphql: &Lambda, secret: &str) -> bool {
    let claims = json!({ "sub": "ada", "role": "USER", "exp": chrono::Utc::now().timestamp() + 3600 });
    let mut request = asking("graphql-http-api", "{ emotion { points } }");
    request["headers"]["authorization"] = json!(format!("Bearer {}", sign(&claims, secret)));
    let response = graphql.invoke(request).await.unwrap();
    match response["statusCode"].as_u64() {
        Some(200) => body(&response)["data"]["emotion"].is_object(),
        Some(401) => false,
        _ => panic!("{response}\n{}", graphql.output()),
    }
}

#[tokio::test]
async fn variables_refer_to_secrets_and_parameters() {
    let scene = Scene::new().await;
    let database = json!({ "url": scene.deployment.database, "unused": "hunter2" }).to_string();
    let (database, jwt) = (scene.secrets.keep("database", &database).await, scene.secrets.keep("jwt", OTHER).await);
    let key = scene.secrets.keep_parameter("coingecko", "a key that is a parameter").await;
    let database = format!("{database}#url");
    let variables = [("DATABASE_URL", database.as_str()), ("JWT_SECRET", &jwt), ("COINGECKO_API_KEY", &key)];
    let graphql = scene.graphql(&variables).await;
    assert!(lets_in(&graphql, OTHER).await && !lets_in(&graphql, SECRET).await, "{}", graphql.output());
    // A coin that nothing has cached: the source is asked.
    let coin = format!("never-heard-of-{}", uuid::Uuid::now_v7().simple());
    graphql
        .invoke(asking("graphql-http-api", &format!("{{ cryptoPrices(coins: [\"{coin}\"]) {{ usd }} }}")))
        .await
        .unwrap();
    assert!(
        scene.deployment.coingecko.keys().contains(&"a key that is a parameter".to_owned()),
        "{}",
        graphql.output()
    );
    for secret in [OTHER, "hunter2", "a key that is a parameter", scene.deployment.database.as_str()] {
        assert!(!graphql.output().contains(secret), "{}", graphql.output());
    }
}

#[tokio::test]
async fn a_secret_that_is_rotated_is_taken_up() {
    let scene = Scene::new().await;
    let jwt = scene.secrets.keep("jwt", SECRET).await;
    let graphql = scene.graphql(&[("JWT_SECRET", &jwt)]).await;
    assert!(lets_in(&graphql, SECRET).await && !lets_in(&graphql, OTHER).await);
    scene.secrets.keep("jwt", OTHER).await;
    eventually("the new secret is used", || lets_in(&graphql, OTHER)).await;
    assert!(!lets_in(&graphql, SECRET).await, "the old one is not");
}

#[tokio::test]
async fn a_password_that_is_rotated_opens_redis_again() {
    let scene = Scene::new().await;
    let redis = RedisServer::start_with_tls().await;
    let url = redis.url();
    let (password, address) = url.strip_prefix("rediss://:").and_then(|rest| rest.split_once('@')).unwrap();
    let reference = scene.secrets.keep("redis", "not the password").await;
    let variables = [
        ("REDIS_URL", ""),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", address.rsplit_once(':').unwrap().1),
        ("REDIS_TLS", "on"),
        ("REDIS_CA_FILE", redis.ca().to_str().unwrap()),
        ("REDIS_PASSWORD", &reference),
    ];
    let graphql = scene.graphql(&variables).await;
    // Documents that were never seen are kept in Redis, if there is one.
    let keys_after_a_request = async || {
        let response = graphql.invoke(persisted().0).await.unwrap();
        assert_eq!(response["statusCode"], 200, "{response}\n{}", graphql.output());
        redis.keys().await
    };
    assert_eq!(keys_after_a_request().await, 0);
    scene.secrets.keep("redis", password).await;
    eventually("a document is in Redis", || async { keys_after_a_request().await > 0 }).await;
}

#[tokio::test]
async fn an_outage_of_secrets_keeps_those_that_are_known() {
    const CAUSE: &str = "secrets cannot be read";
    let scene = Scene::new().await;
    let jwt = scene.secrets.keep("jwt", SECRET).await;
    let graphql = scene.graphql(&[("JWT_SECRET", &jwt)]).await;
    assert!(lets_in(&graphql, SECRET).await);
    scene.network.set(Network::BlackHole).await;
    eventually("it is noticed", || async {
        assert!(lets_in(&graphql, SECRET).await);
        graphql.output().contains(CAUSE)
    })
    .await;
    assert!(lets_in(&graphql, SECRET).await && !lets_in(&graphql, OTHER).await);
    let output = graphql.output();
    assert_eq!(output.lines().filter(|line| line.contains(CAUSE)).count(), 1, "{output}");
    assert!(output.contains("JWT_SECRET") && !output.contains(SECRET), "{output}");
}

/// Whether GraphQL is there; where it is not, the answer names REST.
async fn serves_graphql(graphql: &Lambda) -> bool {
    let response = graphql.invoke(asking("graphql-http-api", "{ __typename }")).await.unwrap();
    match response["statusCode"].as_u64() {
        Some(200) => true,
        Some(404) => {
            let problem = body(&response);
            assert_eq!(problem["code"], "NOT_FOUND", "{response}");
            assert!(problem["detail"].as_str().unwrap().contains("/v1"), "{response}");
            false
        }
        _ => panic!("{response}\n{}", graphql.output()),
    }
}

#[tokio::test]
async fn the_flag_of_graphql_is_changed_while_the_function_runs_and_keeps_its_last_value() {
    const UNUSABLE: &str = "what secrets hold now cannot be used";
    const UNREAD: &str = "secrets cannot be read";
    let scene = Scene::new().await;
    let flag = scene.secrets.keep_parameter("graphql-enabled", "off").await;
    let graphql = scene.graphql(&[("GRAPHQL_ENABLED", &flag)]).await;
    assert!(!serves_graphql(&graphql).await);
    scene.secrets.keep_parameter("graphql-enabled", "on").await;
    eventually("it is switched on", || serves_graphql(&graphql)).await;
    scene.secrets.keep_parameter("graphql-enabled", "onn").await;
    eventually("what is no value is noticed", || async {
        assert!(serves_graphql(&graphql).await);
        graphql.output().contains(UNUSABLE)
    })
    .await;
    assert!(serves_graphql(&graphql).await && graphql.output().contains("GRAPHQL_ENABLED: expected on, off"));
    // Looked for again half a minute after that: a sandbox that starts now is quicker.
    scene.secrets.keep_parameter("graphql-enabled", "0%").await;
    let graphql = scene.graphql(&[("GRAPHQL_ENABLED", &flag)]).await;
    assert!(!serves_graphql(&graphql).await);
    scene.network.set(Network::BlackHole).await;
    eventually("the outage is noticed", || async {
        assert!(!serves_graphql(&graphql).await);
        graphql.output().contains(UNREAD)
    })
    .await;
    assert!(!serves_graphql(&graphql).await);
}

#[tokio::test]
async fn a_reference_that_leads_nowhere_stops_the_start() {
    let scene = Scene::new().await;
    let nested = scene.secrets.keep("nested", r#"{"hunter2": "hunter2"}"#).await;
    let (missing, member) = (scene.secrets.missing(), format!("{nested}#password"));
    let parameter = scene.secrets.keep_parameter("there", "hunter2").await.replace("/there", "/not-there");
    let variables = [
        ("JWT_SECRET", missing.as_str()),
        ("REDIS_PASSWORD", &member),
        ("COINGECKO_API_KEY", &parameter),
        ("ONEINCH_API_KEY", "ssm:"),
    ];
    let graphql = scene.graphql(&variables[..3]).await;
    assert!(graphql.dies_of(sample("graphql-http-api")).await);
    let output = graphql.output();
    for part in
        ["JWT_SECRET: secretsmanager:", "ResourceNotFoundException", "REDIS_PASSWORD: ", "COINGECKO_API_KEY: ssm:/"]
    {
        assert!(output.contains(part), "{part}: {output}");
    }
    assert!(!output.contains("hunter2"), "{output}");
    let graphql = scene.graphql(&variables[3..]).await;
    assert!(graphql.dies_of(sample("graphql-http-api")).await);
    assert!(graphql.output().contains("ONEINCH_API_KEY: expected"), "{}", graphql.output());
}

#[tokio::test]
async fn the_local_process_refuses_references() {
    let mut local = command(compiled("mcp-local"));
    local.env("JWT_SECRET", "secretsmanager:jwt").current_dir(std::env::temp_dir());
    let mut local = Process::start("mcp-local", &mut local);
    assert!(!local.ended().await.success());
    assert!(local.output().text().contains("JWT_SECRET: "), "{}", local.output().text());
}
