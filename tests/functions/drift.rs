//! What a deployment is made from says the same thing everywhere: `[package.metadata.lambda]` of each function, the catalogue of
//! terraform/functions.tf, template.yaml for SAM, and the code, which is asked what variables it reads.

use std::collections::{BTreeMap, BTreeSet};

use mcp_core::app;
use mcp_core::platform::config::Vars;
use serde_json::{Value, json};
use support::lambda::Lambda;
use support::secrets::Secrets;
use support::services::{dynamodb_url, moto_url};

mod sam;
mod terraform;

use self::terraform::Terraform;

/// What a deployment never sets, of what the functions' code reads, and why.
/// A function before the name: only there.
const LEFT_ALONE: &[(&str, &str)] = &[
    ("AWS_LAMBDA_FUNCTION_NAME", "Lambda sets it"),
    ("AWS_REGION", "Lambda sets it"),
    ("price-poller SOLANA_RPC_URLS", "no price is asked of Solana"),
    ("price-poller UNISWAP_DEPLOYMENTS", "no swap is quoted there"),
    ("CRASH_AT", "for tests, and not in what is deployed"),
    ("GRAPHQL_RESPONSE_CACHE", "for benchmarks"),
    ("HTTP_ADDR", "the local process listens, a function does not"),
    ("JUPITER_URL", "the public API"),
    ("KAFKA_AUTH", "IAM, by MSK_CLUSTER_ARN"),
    ("KAFKA_BROKERS", "found by MSK_CLUSTER_ARN"),
    ("KAFKA_CA_FILE", "MSK's certificates are public"),
    ("LIFI_URL", "the public API"),
    ("LOG_FORMAT", "JSON on Lambda"),
    ("ONEINCH_URL", "the public API"),
    ("COINBASE_URL", "the public API"),
    ("OTEL_SERVICE_NAME", "the function's name is right"),
    ("RATE_LIMITS", "for benchmarks"),
    ("REDIS_CA_FILE", "ElastiCache's certificates are public"),
    ("REDIS_HOST", "found by ELASTICACHE_REPLICATION_GROUP"),
    ("REDIS_READER_URL", "found by ELASTICACHE_REPLICATION_GROUP"),
    ("REDIS_URL", "found by ELASTICACHE_REPLICATION_GROUP"),
    ("SECRETS_TTL_SECONDS", "its default is right"),
    ("ZEROX_URL", "the public API"),
];

/// A function as one of the descriptions has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Function {
    pub(super) memory: u32,
    pub(super) timeout: u32,
    /// `always`, `never` or `with-postgres`.
    vpc: String,
    triggers: BTreeSet<String>,
}

/// What `[package.metadata.lambda]` says.
pub(super) fn functions() -> BTreeMap<String, Function> {
    let folder = super::emulator::root().join("functions");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let read = |name: String| {
        let manifest = std::fs::read_to_string(folder.join(&name).join("Cargo.toml")).unwrap();
        let manifest: Value = toml::from_str(&manifest).unwrap();
        let lambda = &manifest["package"]["metadata"]["lambda"];
        let function = Function {
            memory: number(&lambda["memory"]),
            timeout: number(&lambda["timeout"]),
            vpc: lambda["vpc"].as_str().unwrap().to_owned(),
            triggers: triggers(&lambda["triggers"]),
        };
        (name, function)
    };
    names.filter(|name| name != "local").map(read).collect()
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).unwrap()
}

/// Triggers as one line each, so that they can be compared.
fn triggers(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(Value::to_string).collect()
}

fn terraforms() -> Vec<Terraform> {
    let every_secret = json!([
        "COINGECKO_API_KEY",
        "EVM_RPC_URLS",
        "SOLANA_RPC_URLS",
        "ZEROX_API_KEY",
        "ONEINCH_API_KEY",
        "LIFI_API_KEY",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "JUPITER_API_KEY",
        "JWT_SECRET",
        "MCP_UPSTREAM_TOKENS",
    ]);
    vec![
        Terraform::read("prod", json!({})),
        Terraform::read("dev", json!({})),
        Terraform::read("dev", json!({ "database": "postgres" })),
        Terraform::read(
            "prod",
            json!({
                "database": "dynamodb",
                "external_secrets": every_secret,
                "kafka_topic_prefix": "blue.",
                "otlp_endpoint": "http://127.0.0.1:4318",
                "quote_sources": ["lifi"],
                "chainlink_feeds": "{}",
                "chain_filters": "[]",
                "uniswap_deployments": "{}",
                "domain": { "name": "api.example.com", "certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/1" },
                "mcp_upstreams": ["news=https://news.example.com/mcp", "other=https://other.example.com/mcp"],
                "cors_origins": ["https://app.example.com", "https://other.example.com"],
                "rest_deprecation": "2027-01-31T00:00:00Z",
                "rest_sunset": "2027-03-31T00:00:00Z",
            }),
        ),
    ]
}

#[test]
fn memory_time_place_and_triggers_are_those_that_the_functions_say() {
    let wanted = functions();
    for terraform in terraforms() {
        assert_eq!(terraform.functions(), wanted, "{}", terraform.name);
        assert!(terraform.handlers().iter().all(|handler| handler == "bootstrap"));
    }
    let names = |functions: &BTreeMap<String, Function>| functions.keys().cloned().collect::<Vec<_>>();
    let sam = sam::functions();
    assert_eq!(names(&sam), names(&wanted));
    for (name, function) in &wanted {
        let of_sam = &sam[name];
        assert_eq!((of_sam.memory, of_sam.timeout), (function.memory, function.timeout), "{name}");
        assert_eq!(of_sam.vpc, function.vpc, "{name}");
        // Whoever may invoke a function needs no resource for it.
        let told = function.triggers.iter().filter(|trigger| !trigger.contains(r#""invoke""#)).cloned();
        assert_eq!(of_sam.triggers, told.collect(), "{name}");
    }
}

#[test]
fn topics_are_those_that_are_published_to() {
    let topics = mcp_core::bus::Topics::with_prefix("");
    let known: BTreeSet<_> = ["emotion", "price", "chain"].map(|kind| topics.of(kind)).into();
    for (name, function) in functions() {
        for trigger in function.triggers {
            let trigger: Value = serde_json::from_str(&trigger).unwrap();
            if let Some(topic) = trigger["topic"].as_str() {
                assert!(known.contains(topic), "{name} reads {topic}, which nobody writes");
            }
        }
    }
}

/// The variables that each function is told are those that its constructor asks for: none is misspelt, none is in vain, and
/// none that it asks for was forgotten.
#[tokio::test]
async fn variables_are_those_that_the_code_reads() {
    let terraforms = terraforms();
    let sam = sam::variables();
    let mut problems = vec![];
    for name in functions().keys() {
        let (mut told, mut asked) = (BTreeSet::new(), BTreeSet::new());
        for terraform in &terraforms {
            let variables = terraform.variables(name);
            // On Lambda: what is there for a person's machine alone is refused, or not read.
            let lambda = [("AWS_LAMBDA_FUNCTION_NAME", name.as_str()), ("AWS_REGION", "us-east-1")];
            let lambda = lambda.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let told_it = variables.iter().map(|(name, value)| (name.clone(), plain(name, value)));
            let vars: Vars = told_it.chain(lambda).collect();
            construct(name, &vars).await.unwrap_or_else(|error| panic!("{name} of {}: {error}", terraform.name));
            let read = vars.asked();
            let in_vain: Vec<_> = variables.keys().filter(|variable| !read.contains(*variable)).collect();
            if !in_vain.is_empty() {
                problems.push(format!("{name} of {} does not read {in_vain:?}", terraform.name));
            }
            told.extend(variables.into_keys());
            asked.extend(read);
        }
        let apart: Vec<_> = sam[name].symmetric_difference(&told).collect();
        if !apart.is_empty() {
            problems.push(format!("{name}: {apart:?} are set by SAM or by Terraform alone"));
        }
        let left_alone = |variable: &&String| {
            let here = format!("{name} {variable}");
            LEFT_ALONE.iter().any(|(left, _)| left == variable || *left == here)
        };
        let forgotten: Vec<_> = asked.difference(&told).filter(|variable| !left_alone(variable)).collect();
        if !forgotten.is_empty() {
            problems.push(format!("{name} reads {forgotten:?}, which no deployment sets"));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// What stands behind a reference, as far as a constructor looks at it.
fn plain(name: &str, value: &str) -> String {
    let plain = match name {
        "GRAPHQL_ENABLED" => "25%",
        _ if !value.starts_with("secretsmanager:") => value,
        "EVM_RPC_URLS" => "ethereum=https://rpc.example.com",
        "SOLANA_RPC_URLS" => "solana=https://rpc.example.com",
        "OTEL_EXPORTER_OTLP_HEADERS" => "x-api-key=secret",
        "MCP_UPSTREAM_TOKENS" => "news=secret",
        _ => "a secret of at least thirty-two characters",
    };
    plain.to_owned()
}

/// What the function's `main` does before its first invocation.
async fn construct(name: &str, vars: &Vars) -> Result<(), app::StartError> {
    match name {
        "admin" => app::admin(vars).await.map(drop),
        "chain-watcher" => app::chain_watcher(vars).await.map(drop),
        "dlq-replay" => app::dlq_replay(vars).await.map(drop),
        "event-projector" => app::event_projector(vars).await.map(drop),
        "graphql" => app::graphql(vars).await.map(drop),
        "outbox-relay" => app::outbox_relay(vars).await.map(drop),
        "price-poller" => app::price_poller(vars).await.map(drop),
        "subscription-fanout" => app::subscription_fanout(vars).await.map(drop),
        "subscriptions" => app::subscriptions(vars).await.map(drop),
        other => panic!("{other} is no function"),
    }
}

/// Each compiled function, told what Terraform would tell it, comes to where it waits for its first invocation.
#[tokio::test]
async fn each_function_starts_with_the_variables_of_terraform() {
    let secrets = Secrets::new();
    for terraform in terraforms() {
        for name in functions().keys() {
            let mut variables = BTreeMap::new();
            for (variable, value) in terraform.variables(name) {
                let plain = plain(&variable, &value);
                let kept = match value.split(':').next() {
                    Some("secretsmanager") => secrets.keep(&variable, &plain).await,
                    Some("ssm") => secrets.keep_parameter(&variable, &plain).await,
                    _ => value,
                };
                variables.insert(variable, kept);
            }
            variables.insert("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), moto_url());
            variables.insert("AWS_ENDPOINT_URL_SSM".to_owned(), moto_url());
            variables.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb_url());
            let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let function = Lambda::start(name, &pairs).await;
            function.started().await.unwrap_or_else(|error| panic!("{name} of {}: {error}", terraform.name));
        }
    }
}
