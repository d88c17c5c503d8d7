//! A collector of traces that a test owns: it takes OTLP over HTTP, and tells what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A running one. Ends when dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    _server: JoinSet<()>,
}

/// What came.
#[derive(Debug, Default)]
struct Book {
    hangs: bool,
    asked: usize,
    spans: Vec<Span>,
}

/// A span. Ids are in hexadecimal.
#[derive(Debug, Clone)]
pub struct Span {
    /// Who sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// The trace that it belongs to.
    pub trace: String,
    /// Its own.
    pub id: String,
    /// That of the span around it; empty where there is none.
    pub parent: String,
    /// As text.
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::with(Book::default()).await
    }

    /// One that never answers.
    pub async fn hanging() -> Self {
        Self::with(Book { hangs: true, ..Book::default() }).await
    }

    async fn with(book: Book) -> Self {
        let book = Arc::new(Mutex::new(book));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let routes = Router::new().route("/v1/traces", post(take)).with_state(book.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { address, book, _server: server }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans of a trace that came so far, in the order in which they did.
    pub fn spans_of(&self, trace: &str) -> Vec<Span> {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// How often something was sent.
    pub fn asked(&self) -> usize {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).asked
    }
}

async fn take(State(book): State<Arc<Mutex<Book>>>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).expect("a request of OTLP");
    let hangs = {
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        book.asked += 1;
        for sent in request.resource_spans {
            let about = sent.resource.map(|resource| texts(resource.attributes)).unwrap_or_default();
            let service = about.get("service.name").cloned().unwrap_or_default();
            for span in sent.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                book.spans.push(Span {
                    service: service.clone(),
                    name: span.name,
                    trace: hex(&span.trace_id),
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    attributes: texts(span.attributes),
                });
            }
        }
        book.hangs
    };
    if hangs {
        std::future::pending::<()>().await;
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |attribute: KeyValue| Some((attribute.key, text(attribute.value?.value?)));
    attributes.into_iter().filter_map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
