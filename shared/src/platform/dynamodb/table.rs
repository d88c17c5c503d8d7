//! Calls to the table: what an answer means, and what is tried again.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, WriteRequest,
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::TableError;
use super::item::{Item, text};
use crate::platform::ids::jitter;

/// How often a write is tried while others hold its items, or DynamoDB leaves part of it undone.
const ATTEMPTS: u32 = 10;
/// The longest wait before the second attempt; it doubles each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The most writes of one call.
const BATCH: usize = 25;
/// The most items that one call reads by their keys.
const KEYS: usize = 100;

/// The table and its client.
pub(crate) struct Table {
    pub(crate) name: String,
    /// Made at the first call: a function that never asks does not pay for it.
    client: OnceCell<Client>,
}

/// What became of a write with a condition. With it comes the item: as it is after the write where that was asked for, or
/// as it was found where the condition does not hold.
pub(crate) enum Written {
    Done(Item),
    Refused(Option<Item>),
}

/// What became of a transaction.
pub(crate) enum Transacted {
    Done,
    /// What was found, for each write in order.
    Refused(Vec<Found>),
}

/// What a transaction found where it wanted to write.
pub(crate) enum Found {
    /// What the condition allows, or it is not known.
    Well,
    /// This, or nothing, against the condition.
    Against(Option<Item>),
}

impl Table {
    pub(crate) fn new(name: &str, client: Option<Client>) -> Self {
        Self { name: name.to_owned(), client: OnceCell::new_with(client) }
    }

    pub(crate) async fn client(&self) -> &Client {
        self.client.get_or_init(|| Box::pin(client())).await
    }

    /// An item as the last write left it.
    pub(crate) async fn get(&self, key: Item) -> Result<Option<Item>, TableError> {
        let get = self.client().await.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(Box::pin(get.send()).await.map_err(failure)?.item)
    }

    /// A query that sees every write before it.
    pub(crate) async fn query(&self, partition: &str) -> QueryFluentBuilder {
        let query = self.client().await.query().table_name(&self.name).consistent_read(true);
        query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(partition))
    }

    /// All that a query finds.
    pub(crate) async fn all(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, TableError> {
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let (page, next) = self.page(query.clone(), from).await?;
            items.extend(page);
            from = next;
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    /// A page of what a query finds, from there on, and from where the next one is.
    pub(crate) async fn page(
        &self,
        query: QueryFluentBuilder,
        from: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), TableError> {
        let page = Box::pin(query.set_exclusive_start_key(from).send()).await.map_err(failure)?;
        Ok((page.items.unwrap_or_default(), page.last_evaluated_key))
    }

    /// Those items that there are, in no order, as the last write left them.
    pub(crate) async fn get_all(&self, keys: Vec<Item>) -> Result<Vec<Item>, TableError> {
        let mut found = Vec::new();
        for some in keys.chunks(KEYS) {
            let mut left = some.to_vec();
            for attempt in 1.. {
                let asked = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true);
                let get = self.client().await.batch_get_item();
                let get = get.request_items(&self.name, asked.build().map_err(unbuilt)?);
                let answer = Box::pin(get.send()).await.map_err(failure)?;
                found.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
                left = answer
                    .unprocessed_keys
                    .unwrap_or_default()
                    .remove(&self.name)
                    .map(|left| left.keys)
                    .unwrap_or_default();
                if left.is_empty() {
                    break;
                }
                pause(attempt).await?;
            }
        }
        Ok(found)
    }

    /// Begins an update, to be given to [`write`](Self::write).
    pub(crate) async fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client().await.update_item().table_name(&self.name).set_key(Some(key))
    }

    /// Makes an update, and tells the item.
    pub(crate) async fn write(&self, update: UpdateItemFluentBuilder) -> Result<Written, TableError> {
        let update = update
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        patiently(|| async {
            match Box::pin(update.clone().send()).await {
                Ok(done) => Ok(Some(Written::Done(done.attributes.unwrap_or_default()))),
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                        Ok(Some(Written::Refused(refused.item.clone())))
                    }
                    Some(UpdateItemError::TransactionConflictException(_)) => Ok(None),
                    _ => Err(failure(error)),
                },
            }
        })
        .await
    }

    /// Begins to write an item.
    pub(crate) async fn put(&self, item: Item) -> PutItemFluentBuilder {
        self.client().await.put_item().table_name(&self.name).set_item(Some(item))
    }

    /// Deletes an item, if the condition holds: nothing happens otherwise.
    pub(crate) async fn delete(&self, key: Item, condition: Option<&str>) -> Result<(), TableError> {
        let delete = self.client().await.delete_item().table_name(&self.name).set_key(Some(key));
        let delete = delete.set_condition_expression(condition.map(str::to_owned));
        patiently(|| async {
            match Box::pin(delete.clone().send()).await {
                Err(error) if is(&error, "TransactionConflictException") => Ok(None),
                Err(error) if !is(&error, "ConditionalCheckFailedException") => Err(failure(error)),
                _ => Ok(Some(())),
            }
        })
        .await
    }

    /// All of these writes, to be made or none. Under one token: an attempt whose answer was lost is not made a second time.
    pub(crate) async fn transaction(&self, writes: Vec<TransactWriteItem>) -> TransactWriteItemsFluentBuilder {
        let transaction = self.client().await.transact_write_items().set_transact_items(Some(writes));
        transaction.client_request_token(Uuid::now_v7().to_string())
    }

    /// Makes all of these writes or none, whoever else is at them.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<Transacted, TableError> {
        let transaction = self.transaction(writes).await;
        patiently(|| try_to_commit(&transaction)).await
    }

    /// Makes all of these writes, in order as far as one call does not hold them all.
    pub(crate) async fn batch(&self, writes: Vec<WriteRequest>) -> Result<(), TableError> {
        for chunk in writes.chunks(BATCH) {
            let mut left = chunk.to_vec();
            for attempt in 1.. {
                let batch = self.client().await.batch_write_item().request_items(&self.name, left);
                let mut undone = Box::pin(batch.send()).await.map_err(failure)?.unprocessed_items.unwrap_or_default();
                left = undone.remove(&self.name).unwrap_or_default();
                if left.is_empty() {
                    break;
                }
                pause(attempt).await?;
            }
        }
        Ok(())
    }
}

/// Tries to make a transaction. `None`: others are at its items, or it was throttled; it can be tried again as it is.
pub(crate) async fn try_to_commit(
    transaction: &TransactWriteItemsFluentBuilder,
) -> Result<Option<Transacted>, TableError> {
    match Box::pin(transaction.clone().send()).await {
        Ok(_) => Ok(Some(Transacted::Done)),
        Err(error) => match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                let reasons = cancelled.cancellation_reasons();
                let (refused, passes) = (refused(reasons), passes(reasons));
                if passes || refused.is_some() { Ok(refused) } else { Err(failure(error)) }
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(None),
            _ => Err(failure(error)),
        },
    }
}

pub(crate) fn put_request(item: Item) -> Result<WriteRequest, TableError> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(unbuilt)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

pub(crate) fn delete_request(key: Item) -> Result<WriteRequest, TableError> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(unbuilt)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

/// A mistake of ours in a request.
pub(crate) fn unbuilt(error: impl std::fmt::Display) -> TableError {
    TableError::Failed(error.to_string())
}

/// Tries until the answer is `Some`: with `None`, another transaction holds what is asked for.
async fn patiently<T, F>(attempt: impl Fn() -> F) -> Result<T, TableError>
where
    F: Future<Output = Result<Option<T>, TableError>>,
{
    for count in 1.. {
        if let Some(done) = attempt().await? {
            return Ok(done);
        }
        pause(count).await?;
    }
    Err(busy())
}

/// Waits before the next attempt, unless there were enough.
pub(crate) async fn pause(attempt: u32) -> Result<(), TableError> {
    if attempt >= ATTEMPTS {
        return Err(busy());
    }
    wait(attempt).await;
    Ok(())
}

/// Waits before the next attempt, however many there were.
pub(crate) async fn wait(attempt: u32) {
    tokio::time::sleep(jitter(LONGEST_PAUSE.min(FIRST_PAUSE * (1 << attempt.min(8))))).await;
}

fn busy() -> TableError {
    TableError::Unavailable(format!("DynamoDB has not done it at {ATTEMPTS} attempts"))
}

/// What a cancelled transaction found, if it was a condition that it was cancelled for.
fn refused(reasons: &[CancellationReason]) -> Option<Transacted> {
    let is_refused = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let found =
        reasons.iter().map(|reason| if is_refused(reason) { Found::Against(reason.item.clone()) } else { Found::Well });
    reasons.iter().any(is_refused).then(|| Transacted::Refused(found.collect()))
}

/// Whether a transaction was cancelled for what will be over soon.
fn passes(reasons: &[CancellationReason]) -> bool {
    let soon = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    reasons.iter().filter_map(CancellationReason::code).any(|code| soon.contains(&code))
}

fn is<E: ProvideErrorMetadata>(error: &SdkError<E>, code: &str) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(code)
}

/// Whether a put with a condition was refused for it.
pub(crate) async fn put_if(put: PutItemFluentBuilder) -> Result<bool, TableError> {
    match Box::pin(put.send()).await {
        Ok(_) => Ok(true),
        Err(error) if is(&error, "ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(failure(error)),
    }
}

/// What a call that failed means to who asked.
#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
pub(crate) fn failure<E>(error: SdkError<E>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    const MAY_PASS: [&str; 6] = [
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "InternalServerError",
        "ServiceUnavailable",
        "TransactionConflictException",
    ];
    let passes = match &error {
        SdkError::ConstructionFailure(_) => false,
        SdkError::ServiceError(answer) => {
            let by_code = answer.err().code().is_some_and(|code| MAY_PASS.contains(&code));
            by_code || answer.raw().status().is_server_error()
        }
        _ => true,
    };
    let message = DisplayErrorContext(&error).to_string();
    if passes { TableError::Unavailable(message) } else { TableError::Failed(message) }
}

/// A call is short, and somebody waits: what is throttled, or fails, is tried again soon, with jitter, and not for long.
async fn client() -> Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(8)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(500));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(1))
        .operation_timeout(Duration::from_secs(4))
        .build();
    let config = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries).timeout_config(timeouts);
    Client::new(&config.load().await)
}
