//! A deployment whose clients are connected to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use mcp_core::bus::event_message::to_message;
use mcp_core::bus::{Message, Record};
use mcp_core::domain::price::{PriceEvent, Quote};
use mcp_core::domain::{NewEvent, RecordedEvent, StreamId};
use mcp_core::platform::clock::SystemClock;
use mcp_core::push::Registry;
use mcp_core::push::dynamodb::DynamoDbRegistry;
use mcp_core::store::Expected::Any;
use mcp_core::store::{Append, Store};
use serde_json::{Value, json};
use support::coingecko::CoinGecko;
use support::lambda::Lambda;
use support::ports::free_port;
use support::services::dynamodb_url;
use support::websocket_api::{Backend, Limits, WebsocketApi};

use crate::contracts::Table;
use crate::contracts::build::{metadata, part, together};
use crate::graphql::SECRET;
use crate::graphql::server::sign;
use crate::pipeline::{Deployment, emotion_events, event};

/// The functions, what they stand on, and the API before them.
pub(crate) struct Live {
    pub(crate) front: WebsocketApi,
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) sandboxes: Vec<Arc<Lambda>>,
    pub(crate) fan_out: Lambda,
    pub(crate) table: Table,
    deployment: Deployment,
    coingecko: CoinGecko,
}

impl Live {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    /// One whose API has other limits.
    pub(crate) async fn with(limits: Limits) -> Self {
        let (deployment, table, coingecko) =
            (Deployment::without_topics().await, Table::fresh().await, CoinGecko::start().await);
        let registry = Arc::new(DynamoDbRegistry::with_client(&table.name, Arc::new(SystemClock), table.client()));
        // Each party is told of the other before it starts.
        let address = format!("127.0.0.1:{}", free_port());
        let endpoint = format!("http://{address}/{}", support::websocket_api::STAGE);
        let start = async |function| start(function, &deployment, &table, &coingecko, &endpoint, &[]).await;
        let sandboxes = vec![Arc::new(start("subscriptions").await), Arc::new(start("subscriptions").await)];
        let fan_out = start("subscription-fanout").await;
        let front = WebsocketApi::on(&address, Backend::lambda(sandboxes.iter().cloned()), limits).await;
        assert_eq!(front.endpoint(), endpoint);
        Self { front, registry, sandboxes, fan_out, table, deployment, coingecko }
    }

    /// The events.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.deployment.store
    }

    /// One more sandbox of a function, with more variables, or others.
    pub(crate) async fn start_with(&self, function: &str, more: &[(&str, &str)]) -> Lambda {
        start(function, &self.deployment, &self.table, &self.coingecko, &self.front.endpoint(), more).await
    }

    /// Appends an event to a coin's stream.
    pub(crate) async fn quoted(&self, coin: &str, usd: i64) -> RecordedEvent {
        let quote = Quote {
            coin: coin.parse().unwrap(),
            usd: usd.into(),
            change24h: None,
            market_cap: None,
            updated_at: Utc::now(),
            source: "test".into(),
        };
        let events = vec![NewEvent::from_domain(&PriceEvent::Updated(quote)).unwrap()];
        self.append(&StreamId::of("price", coin), events).await.remove(0)
    }

    /// Appends events with these points to a user's stream.
    pub(crate) async fn felt(&self, user: &str, points: std::ops::Range<i32>) -> Vec<RecordedEvent> {
        self.append(&StreamId::of("emotion", user), emotion_events(points)).await
    }

    async fn append(&self, stream: &StreamId, events: Vec<NewEvent>) -> Vec<RecordedEvent> {
        let mut append: Append = together(vec![part(stream, Any, events)]);
        append.metadata = mcp_core::domain::Metadata { occurred_at: Utc::now(), ..metadata() };
        self.deployment.store.append(&append).await.unwrap().events
    }

    /// The records that tell of events, as the relay writes them: a partition for each stream.
    pub(crate) fn records(&self, events: &[RecordedEvent]) -> Vec<Record> {
        let mut partitions = BTreeMap::new();
        let record = |(event, offset): (&RecordedEvent, i64)| {
            let Message { topic, key, value, headers } = to_message(event, &self.deployment.topics).unwrap();
            let next = i32::try_from(partitions.len()).unwrap();
            let partition = *partitions.entry(event.stream.aggregate_id).or_insert(next);
            Record { topic, partition, offset, timestamp: None, key, value, headers }
        };
        events.iter().zip(100..).map(record).collect()
    }

    /// Hands a batch to the fan-out: nothing has to come again.
    pub(crate) async fn tell(&self, events: &[RecordedEvent]) {
        let answer = self.fan_out.invoke(event(&self.records(events))).await.unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{}", self.fan_out.output());
    }

    /// The kinds of items that there are in the registry's table, by the first letter of their keys.
    pub(crate) async fn items(&self, kind: &str) -> usize {
        let scan = self.table.client().scan().table_name(&self.table.name).consistent_read(true);
        let page = Box::pin(scan.send()).await.unwrap();
        let key = |item: &&_| -> bool {
            let item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> = item;
            item["pk"].as_s().unwrap().starts_with(&format!("{kind}#"))
        };
        page.items().iter().filter(key).count()
    }

    /// What its functions printed.
    pub(crate) fn output(&self) -> String {
        let sandboxes = self.sandboxes.iter().map(|sandbox| sandbox.output());
        sandboxes.chain([self.fan_out.output()]).collect::<Vec<_>>().join("\n")
    }
}

async fn start(
    function: &str,
    deployment: &Deployment,
    table: &Table,
    coingecko: &CoinGecko,
    endpoint: &str,
    more: &[(&str, &str)],
) -> Lambda {
    let (dynamodb, prices) = (dynamodb_url(), coingecko.url());
    let mut variables = BTreeMap::from([
        ("SUBSCRIPTIONS_TABLE", table.name.as_str()),
        ("WEBSOCKET_API_ENDPOINT", endpoint),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.as_str()),
        ("JWT_SECRET", SECRET),
        ("RATE_LIMITS", "off"),
        ("PRICE_SOURCES", "coingecko"),
        ("COINGECKO_URL", prices.as_str()),
    ]);
    variables.extend(more.iter().copied());
    deployment.start_with(function, &variables.into_iter().collect::<Vec<_>>()).await
}

/// A token that ends in so many seconds.
pub(crate) fn short_token(user: &str, role: &str, seconds: i64) -> String {
    sign(&json!({ "sub": user, "role": role, "exp": Utc::now().timestamp() + seconds }), SECRET)
}

/// The answer of the fan-out, for all partitions: come again.
pub(crate) fn failed_partitions(answer: &Value) -> usize {
    answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
}
