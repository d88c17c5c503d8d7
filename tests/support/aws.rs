//! The few AWS APIs that functions call themselves, as far as they call them: Lambda's asynchronous `Invoke`, MSK's
//! `GetBootstrapBrokers`, and ElastiCache's `DescribeReplicationGroups`. Not checked: signatures and permissions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The only replication group that there is.
pub const REPLICATION_GROUP: &str = "mcp-redis";
const ELASTICACHE: &str = "http://elasticache.amazonaws.com/doc/2015-02-02/";

/// Plays AWS. Ends when dropped.
#[derive(Debug)]
pub struct Aws {
    url: String,
    shared: Shared,
    _server: JoinSet<()>,
}

#[derive(Clone, Debug)]
struct Shared {
    brokers: Arc<Mutex<String>>,
    /// `HOST:PORT` of [`REPLICATION_GROUP`]'s primary and of its reader, if there is that group.
    redis: Option<String>,
    invoked: Arc<Mutex<Vec<String>>>,
    /// How many requests there were.
    asked: Arc<AtomicUsize>,
    /// How many of the next ones are refused.
    throttled: Arc<AtomicUsize>,
}

impl Aws {
    /// One whose clusters all have these brokers.
    pub async fn start(brokers: &str) -> Self {
        Self::serve(brokers, None).await
    }

    /// One with a [`REPLICATION_GROUP`] whose primary and reader are both at `address` (`HOST:PORT`).
    pub async fn with_redis(address: &str) -> Self {
        Self::serve("", Some(address.to_owned())).await
    }

    async fn serve(brokers: &str, redis: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound port"));
        let shared = Shared {
            brokers: Arc::new(Mutex::new(brokers.to_owned())),
            redis,
            invoked: Arc::default(),
            asked: Arc::default(),
            throttled: Arc::default(),
        };
        let routes = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .route("/v1/clusters/{arn}/bootstrap-brokers", get(bootstrap_brokers))
            .route("/", post(query))
            .layer(from_fn_with_state(shared.clone(), throttle))
            .with_state(shared.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { url, shared, _server: server }
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The functions that were invoked asynchronously, in order.
    pub fn invoked(&self) -> Vec<String> {
        self.shared.invoked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many requests there were, refused ones too.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Refuses so many requests from now on, as AWS does where there are too many of them.
    pub fn throttle(&self, requests: usize) {
        self.shared.throttled.store(requests, Ordering::SeqCst);
    }

    /// From now on clusters have these brokers.
    pub fn move_brokers(&self, brokers: &str) {
        brokers.clone_into(&mut self.shared.brokers.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn throttle(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let one_less = |left: usize| left.checked_sub(1);
    if shared.throttled.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_err() {
        return next.run(request).await;
    }
    if request.uri().path() == "/" {
        return xml(StatusCode::BAD_REQUEST, error("Throttling", "Rate exceeded"));
    }
    let headers = [("content-type", "application/json"), ("x-amzn-errortype", "TooManyRequestsException")];
    (StatusCode::TOO_MANY_REQUESTS, headers, r#"{"message":"Too Many Requests"}"#).into_response()
}

async fn invoke(State(shared): State<Shared>, Path(name): Path<String>, headers: HeaderMap, _: Bytes) -> Response {
    if headers.get("x-amz-invocation-type").is_none_or(|kind| kind != "Event") {
        return (StatusCode::BAD_REQUEST, "only asynchronous invocations").into_response();
    }
    shared.invoked.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    StatusCode::ACCEPTED.into_response()
}

async fn bootstrap_brokers(State(shared): State<Shared>, Path(arn): Path<String>) -> Response {
    if !arn.starts_with("arn:aws:kafka:") {
        return StatusCode::NOT_FOUND.into_response();
    }
    let brokers = shared.brokers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let answer = json!({ "bootstrapBrokerString": brokers, "bootstrapBrokerStringTls": "tls.invalid:9094" });
    ([("content-type", "application/json")], answer.to_string()).into_response()
}

/// The APIs that are called by a form: ElastiCache's.
async fn query(State(shared): State<Shared>, form: String) -> Response {
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    if field("Action") != Some("DescribeReplicationGroups") || field("Version") != Some("2015-02-02") {
        return xml(StatusCode::BAD_REQUEST, error("InvalidAction", "only DescribeReplicationGroups"));
    }
    let known = field("ReplicationGroupId") == Some(REPLICATION_GROUP);
    match shared.redis.as_deref().and_then(|address| address.rsplit_once(':')).filter(|_| known) {
        Some((host, port)) => xml(StatusCode::OK, described(host, port)),
        None => xml(StatusCode::NOT_FOUND, error("ReplicationGroupNotFoundFault", "no such replication group")),
    }
}

/// A group without cluster mode: one shard of a primary and a replica.
fn described(host: &str, port: &str) -> String {
    let endpoint = format!("<Address>{host}</Address><Port>{port}</Port>");
    format!(
        r#"<DescribeReplicationGroupsResponse xmlns="{ELASTICACHE}"><DescribeReplicationGroupsResult><ReplicationGroups>
<ReplicationGroup>
  <ReplicationGroupId>{REPLICATION_GROUP}</ReplicationGroupId><Status>available</Status>
  <ClusterEnabled>false</ClusterEnabled><TransitEncryptionEnabled>false</TransitEncryptionEnabled>
  <NodeGroups><NodeGroup>
    <NodeGroupId>0001</NodeGroupId><Status>available</Status>
    <PrimaryEndpoint>{endpoint}</PrimaryEndpoint><ReaderEndpoint>{endpoint}</ReaderEndpoint>
  </NodeGroup></NodeGroups>
</ReplicationGroup>
</ReplicationGroups></DescribeReplicationGroupsResult></DescribeReplicationGroupsResponse>"#
    )
}

fn error(code: &str, message: &str) -> String {
    format!(
        r#"<ErrorResponse xmlns="{ELASTICACHE}"><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>
<RequestId>test</RequestId></ErrorResponse>"#
    )
}

fn xml(status: StatusCode, body: String) -> Response {
    (status, [("content-type", "text/xml")], body).into_response()
}
