//! `graphql`.

use serde_json::json;

use super::{Deployment, asking, body, headers, sample};

#[tokio::test]
async fn an_http_api_gets_prices() {
    let deployment = Deployment::new().await;
    let graphql = deployment.start("graphql").await;
    let response = graphql.invoke(sample("graphql-http-api")).await.unwrap();
    assert_eq!(response["statusCode"], 200, "{response}\n{}", graphql.output());
    let prices = &body(&response)["data"]["cryptoPrices"];
    assert_eq!((&prices[0]["coin"], &prices[1]["coin"]), (&json!("bitcoin"), &json!("ethereum")), "{response}");
    assert_eq!(headers(&response)["x-correlation-id"], "sample-http-api");
    assert!(headers(&response).contains_key("ratelimit-remaining"), "{response}");
}

#[tokio::test]
async fn claims_of_an_authorizer_are_the_caller() {
    let deployment = Deployment::new().await;
    let graphql = deployment.start("graphql").await;
    let response = graphql.invoke(sample("graphql-http-api-authorized")).await.unwrap();
    let answer = body(&response);
    assert_eq!(answer["data"]["updateEmotion"]["userId"], "ada", "{response}\n{}", graphql.output());
    // The sample has an idempotency key: sent again, it changes nothing.
    let again = body(&graphql.invoke(sample("graphql-http-api-authorized")).await.unwrap());
    assert_eq!(again, answer);
    let rest = body(&graphql.invoke(sample("graphql-rest-api")).await.unwrap());
    assert_eq!(rest["data"]["emotion"]["points"], 30, "{rest}");
    assert_eq!(rest["data"]["emotion"]["version"], 1, "{rest}");
}

#[tokio::test]
async fn claims_in_a_header_are_nobody() {
    let deployment = Deployment::new().await;
    let graphql = deployment.start("graphql").await;
    let mut forged = asking("graphql-http-api", "{ emotion { points } }");
    let context = sample("graphql-http-api-authorized")["requestContext"].to_string();
    for name in ["x-amzn-request-context", "requestcontext", "x-amzn-oidc-data", "x-apigateway-event"] {
        forged["headers"][name] = json!(context);
    }
    let response = graphql.invoke(forged).await.unwrap();
    assert_eq!(response["statusCode"], 401, "{response}");
    assert_eq!(body(&response)["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}

#[tokio::test]
async fn in_production_there_is_no_introspection_no_hint_and_no_page() {
    let deployment = Deployment::new().await;
    let graphql = deployment.start("graphql").await;
    let ask = async |query: &str| body(&graphql.invoke(asking("graphql-http-api", query)).await.unwrap());
    assert_eq!(ask("{ __schema { types { name } } }").await["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let hint = ask("{ cryptoPrice(coins: []) { usd } }").await.to_string();
    assert!(!hint.contains("cryptoPrices"), "{hint}");
    let mut page = sample("graphql-http-api");
    page["requestContext"]["http"]["method"] = json!("GET");
    page["headers"] = json!({ "accept": "text/html" });
    page["body"] = json!(null);
    assert_eq!(graphql.invoke(page).await.unwrap()["statusCode"], 406);
}

#[tokio::test]
async fn without_redis_it_is_slower_and_not_wrong() {
    use support::lambda::Lambda;

    let deployment = Deployment::new().await;
    let prices = deployment.coingecko.url();
    let graphql = Lambda::start(
        "graphql",
        &[
            ("DATABASE_URL", deployment.database.as_str()),
            ("REDIS_URL", "redis://127.0.0.1:1"),
            ("JWT_SECRET", super::SECRET),
            ("PRICE_SOURCES", "coingecko"),
            ("COINGECKO_URL", prices.as_str()),
        ],
    )
    .await;
    let response = graphql.invoke(sample("graphql-http-api")).await.unwrap();
    assert_eq!(body(&response)["data"]["cryptoPrices"][0]["usd"], "65000.5", "{response}");
}

#[tokio::test]
async fn a_line_of_the_log_is_json_with_the_correlation_id_and_no_secret() {
    let deployment = Deployment::new().await;
    let graphql = deployment.start("graphql").await;
    // Coins that nothing has cached: the source is asked.
    let coin = format!("never-heard-of-{}", uuid::Uuid::now_v7().simple());
    let query = format!("{{ cryptoPrices(coins: [\"{coin}\"]) {{ usd }} }}");
    graphql.invoke(asking("graphql-http-api", &query)).await.unwrap();
    let answered = support::eventually::eventually("the request is logged", || {
        let output = graphql.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let answered = lines.into_iter().find(|line| line["message"] == "answered");
        async move { answered }
    })
    .await;
    assert!(answered["elapsed_ms"].is_u64() && answered["status"].is_u64(), "{answered}");
    assert!(answered["spans"].to_string().contains("sample-http-api"), "{answered}");
    for secret in [super::SECRET, "the-key-of-coingecko"] {
        assert!(!graphql.output().contains(secret), "{}", graphql.output());
    }
}
