use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use chrono::TimeDelta;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use prost::Message;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::platform::clock::ManualClock;
use crate::platform::config::Vars;
use crate::platform::trace;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const KEY: &str = "the-key-of-the-collector";

/// How a collector answers.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Takes,
    Refuses,
    Hangs,
}

/// A collector of one test.
struct Collecting {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    requests: Mutex<Vec<ExportTraceServiceRequest>>,
    keys: Mutex<Vec<String>>,
}

async fn take(State(collecting): State<Arc<Collecting>>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    collecting.asked.fetch_add(1, Ordering::SeqCst);
    let mood = *collecting.mood.lock().unwrap();
    match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Refuses => StatusCode::SERVICE_UNAVAILABLE,
        Mood::Takes => {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            collecting.keys.lock().unwrap().push(headers["x-api-key"].to_str().unwrap().to_owned());
            collecting.requests.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
            StatusCode::OK
        }
    }
}

impl Collecting {
    /// Its spans, in the order in which they came.
    fn spans(&self) -> Vec<Sent> {
        let requests = self.requests.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

/// Spans of this test's thread go to a collector of its own.
struct Scene {
    traces: Arc<Traces>,
    collecting: Arc<Collecting>,
    clock: ManualClock,
    _here: DefaultGuard,
}

impl Scene {
    async fn new() -> Self {
        Self::with("parentbased_always_on").await
    }

    async fn with(sampler: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let collecting = Arc::new(Collecting {
            mood: Mutex::new(Mood::Takes),
            asked: AtomicUsize::new(0),
            requests: Mutex::default(),
            keys: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(collecting.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let vars = Vars::from_iter([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-api-key={KEY}")),
            ("OTEL_TRACES_SAMPLER", sampler),
        ]);
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let config = OtlpConfig::from_vars(&vars).unwrap().unwrap();
        let traces = Arc::new(Traces::new(&config, Arc::new(clock.clone())));
        let here = set_default(tracing_subscriber::registry().with(traces.layer()));
        Self { traces, collecting, clock, _here: here }
    }

    async fn flush(&self) {
        self.traces.flush().await;
    }

    fn dropped(&self) -> u64 {
        self.traces.gathered.dropped.load(Ordering::Relaxed)
    }
}

fn attributes(span: &Sent) -> HashMap<&str, String> {
    let text = |value: &Any| match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |(key, value): (_, Option<&Any>)| value.map(|value| (key, text(value)));
    let all =
        span.attributes.iter().map(|one| (one.key.as_str(), one.value.as_ref().and_then(|any| any.value.as_ref())));
    all.filter_map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request as the router has it, with a call to somebody else in it.
fn request(incoming: Option<&str>) -> String {
    let span =
        tracing::info_span!("request", method = "POST", route = "/graphql", path = "/graphql", correlation_id = "c");
    let traceparent = trace::begin(&span, incoming);
    let entered = span.enter();
    drop(tracing::info_span!("upstream", service = "coingecko", method = "GET", status = 200));
    tracing::debug_span!("too much").in_scope(|| tracing::info!("a line of the log, a private thought"));
    trace::note(&span, "http.response.status_code", 503);
    drop(entered);
    traceparent
}

#[tokio::test]
async fn a_request_that_is_sampled_is_a_span_of_its_callers_trace() {
    let scene = Scene::new().await;
    assert!(trace::is_exported());
    let traceparent = request(Some(CALLER));
    assert_eq!(scene.collecting.asked(), 0, "nothing is sent before it is flushed");
    scene.flush().await;
    let spans = scene.collecting.spans();
    let [upstream, request] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (CALLER[3..35].into(), CALLER[36..52].into()));
    // What it leads to is its child.
    assert_eq!(traceparent, format!("00-{}-{}-01", &CALLER[3..35], hex(&request.span_id)));
    assert_eq!((&upstream.trace_id, &upstream.parent_span_id), (&request.trace_id, &request.span_id));
    assert_eq!((request.name.as_str(), upstream.name.as_str()), ("POST /graphql", "GET coingecko"));
    let known = attributes(request);
    assert_eq!((known["http.route"].as_str(), known["http.response.status_code"].as_str()), ("/graphql", "503"));
    assert_eq!(known["mcp.correlation_id"], "c");
    assert_eq!((request.kind, upstream.kind), (2, 3), "server and client");
    let failed = |span: &Sent| span.status.as_ref().is_some_and(|status| status.code == 2);
    assert!(failed(request) && !failed(upstream));
    // No lines of the log, and no keys.
    assert!(!format!("{:?}", scene.collecting.requests.lock().unwrap()).contains("private"));
    assert!(!format!("{:?}", scene.collecting.requests.lock().unwrap()).contains(KEY));
    assert_eq!(*scene.collecting.keys.lock().unwrap(), [KEY]);
}

#[tokio::test]
async fn what_nobody_wants_sampled_is_not_sent() {
    let scene = Scene::with("parentbased_always_off").await;
    let unsampled = CALLER.replace("-01", "-00");
    for incoming in [Some(unsampled.as_str()), None] {
        let traceparent = request(incoming);
        assert!(!trace::is_sampled(Some(&traceparent)) && parts(&traceparent).is_some(), "{traceparent}");
        assert!(incoming.is_none() || traceparent.contains(&CALLER[3..35]), "{traceparent}");
    }
    scene.flush().await;
    assert_eq!(scene.collecting.asked(), 0);
    request(Some(CALLER));
    scene.flush().await;
    assert_eq!(scene.collecting.spans().len(), 2, "what the caller says holds");
}

#[tokio::test]
async fn a_batch_is_in_the_trace_of_its_first_record_and_linked_to_the_others() {
    let scene = Scene::new().await;
    let span = tracing::info_span!("kafka.consume", topic = "mcp.events", partition = 3);
    let unsampled = CALLER.replace("-01", "-00");
    trace::join(&span, [unsampled.as_str(), "garbage", CALLER, OTHER, CALLER].into_iter());
    drop(span);
    scene.flush().await;
    let spans = scene.collecting.spans();
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (CALLER[3..35].into(), CALLER[36..52].into()));
    assert_eq!(span.links.iter().map(|link| hex(&link.trace_id)).collect::<Vec<_>>(), [OTHER[3..35].to_owned()]);
    let known = attributes(span);
    assert_eq!(
        (span.name.as_str(), known["topic"].as_str(), known["partition"].as_str()),
        ("kafka.consume", "mcp.events", "3")
    );
    assert_eq!((span.kind, known["messaging.system"].as_str()), (5, "kafka"));
}

#[tokio::test]
async fn a_collector_that_is_down_is_let_alone_and_gets_what_it_missed() {
    let scene = Scene::new().await;
    for mood in [Mood::Refuses, Mood::Hangs] {
        let before = (scene.collecting.asked(), scene.collecting.spans().len());
        scene.collecting.is(mood);
        for _ in 0..20 {
            request(Some(CALLER));
            scene.flush().await;
        }
        assert_eq!(scene.collecting.asked(), before.0 + 1, "it is asked once, and the other 19 do not wait for it");
        scene.clock.advance(TimeDelta::seconds(3));
        scene.flush().await;
        assert_eq!(scene.collecting.asked(), before.0 + 2, "and once more, after a while");
        scene.clock.advance(TimeDelta::seconds(3));
        scene.flush().await;
        assert_eq!(scene.collecting.asked(), before.0 + 2, "which is longer each time");
        scene.collecting.is(Mood::Takes);
        scene.clock.advance(TimeDelta::seconds(10));
        scene.flush().await;
        assert_eq!(scene.collecting.spans().len(), before.1 + 40, "nothing is lost");
    }
    assert_eq!(scene.dropped(), 0);
}

#[tokio::test]
async fn there_is_room_for_so_many_spans_and_no_more() {
    let scene = Scene::new().await;
    scene.collecting.is(Mood::Refuses);
    for _ in 0..=ROOM / 2 {
        request(Some(CALLER));
    }
    assert_eq!((scene.traces.gathered.take(0).len(), scene.dropped()), (0, 2));
    for _ in 0..TRIES {
        scene.flush().await;
        scene.clock.advance(TimeDelta::seconds(300));
    }
    assert_eq!(scene.dropped(), 2 + BATCH as u64, "a batch that is never taken makes room");
    scene.collecting.is(Mood::Takes);
    scene.flush().await;
    assert_eq!(scene.collecting.spans().len(), ROOM - BATCH);
}
