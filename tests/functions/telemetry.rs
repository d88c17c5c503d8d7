//! What functions hand over at the end of an invocation: traces to a collector, metrics to CloudWatch.

use serde_json::{Value, json};
use support::collector::Collector;
use support::eventually::eventually;
use support::lambda::Lambda;

use super::{Deployment, SECRET, asking};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A request whose caller asked for it to be recorded, for coins that nothing has cached.
fn traced() -> Value {
    let coin = format!("never-heard-of-{}", uuid::Uuid::now_v7().simple());
    let mut request = asking("graphql-http-api", &format!("{{ priceResults(coins: [\"{coin}\"]) {{ __typename }} }}"));
    request["headers"]["traceparent"] = json!(format!("00-{TRACE}-{CALLER}-01"));
    request
}

#[tokio::test]
async fn a_trace_is_sent_before_the_answer_is() {
    let (deployment, collector) = (Deployment::new().await, Collector::start().await);
    let url = collector.url();
    let graphql =
        deployment.start_with("graphql", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("RUST_LOG", "warn")]).await;
    let answer = graphql.invoke(traced()).await.unwrap();
    // No waiting: a sandbox may be frozen from here on.
    let spans = collector.spans_of(TRACE);
    assert_eq!(answer["statusCode"], 200, "{answer}\n{}", graphql.output());
    let request = spans.iter().find(|span| span.name == "POST /graphql").unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!((request.parent.as_str(), request.service.as_str()), (CALLER, "graphql"));
    assert_eq!(request.attributes["http.response.status_code"], "200");
    assert_eq!(request.attributes["mcp.correlation_id"], "sample-http-api");
    let upstream = spans.iter().find(|span| span.name == "GET coingecko").unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(upstream.parent, request.id);
    for secret in [SECRET, "the-key-of-coingecko"] {
        assert!(!format!("{spans:?}").contains(secret), "{spans:?}");
    }
}

#[tokio::test]
async fn a_collector_that_does_not_answer_fails_no_request_and_is_let_alone() {
    let (deployment, collector) = (Deployment::new().await, Collector::hanging().await);
    for endpoint in [collector.url(), "http://127.0.0.1:1".to_owned()] {
        let graphql = deployment.start_with("graphql", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
        for _ in 0..5 {
            let answer = graphql.invoke(traced()).await.unwrap();
            assert_eq!(answer["statusCode"], 200, "{answer}\n{}", graphql.output());
        }
        let told = graphql.output().matches("traces cannot be sent").count();
        assert_eq!(told, 1, "{}", graphql.output());
    }
    assert!(collector.asked() < 5, "not every request waits for it: {}", collector.asked());
}

/// The lines for CloudWatch that a function printed.
fn metrics(function: &Lambda) -> Vec<Value> {
    let output = function.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["_aws"].is_object()).collect()
}

/// What a metric's lines say, in order.
fn told(lines: &[Value], name: &str, label: (&str, &str)) -> Vec<f64> {
    lines.iter().filter(|line| line[label.0] == label.1).filter_map(|line| line[name].as_f64()).collect()
}

#[tokio::test]
async fn metrics_are_lines_that_cloudwatch_reads_and_counters_are_differences() {
    let deployment = Deployment::new().await;
    let graphql = deployment.start("graphql").await;
    // Three questions, so that no kept answer is given again.
    for alias in ["a", "b", "c"] {
        let query = format!("{{ {alias}: cryptoPrices(coins: [\"coin-96\"]) {{ usd }} }}");
        graphql.invoke(asking("graphql-http-api", &query)).await.unwrap();
    }
    let lines = eventually("the last invocation's metrics are printed", || {
        let lines = metrics(&graphql);
        let requests = told(&lines, "http.request_seconds", ("route", "/graphql"));
        async move { if requests.len() == 3 { Ok(lines) } else { Err(lines) } }
    })
    .await;
    for line in &lines {
        let [directive] = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().as_slice() else { panic!("{line}") };
        assert_eq!(directive["Namespace"], "mcp-server", "{line}");
        let names =
            |list: &Value| list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        let dimensions: Vec<String> = names(&directive["Dimensions"][0]);
        assert!(dimensions.iter().all(|name| line[name].is_string()), "{line}");
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!(metrics.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_number()), "{line}");
    }
    let took = told(&lines, "http.request_seconds", ("status", "2xx"));
    assert!(took.len() == 3 && took.iter().all(|seconds| (0.0..30.0).contains(seconds)), "{took:?}");
    // The first may have asked the source; the others found it here, one each.
    let hits = told(&lines, "cache.hit", ("tier", "memory"));
    assert!(hits.len() >= 2 && hits.iter().all(|hits| *hits <= 2.0), "{hits:?}: a sum would grow");
}
