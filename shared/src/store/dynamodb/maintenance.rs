//! The table itself. A deployment makes it; where that has not happened, it is made here.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification,
};

use super::items::ALONE;
use super::{DEADLINE, DynamoDbStore, INDEX};
use crate::platform::BoxFuture;
use crate::platform::dynamodb::{failure, key, unbuilt};
use crate::store::{Maintenance, StoreError, within};

/// How long it may take to make the table.
const MAKING: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Maintenance for DynamoDbStore {
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(within(DEADLINE, async {
            self.table.get(key("L#ping", ALONE)).await?;
            Ok(())
        }))
    }

    fn migrate(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(within(MAKING, async {
            let made = match self.describe().await? {
                Some(_) => false,
                None => self.make().await?,
            };
            loop {
                match self.describe().await? {
                    Some(table) if table.table_status == Some(TableStatus::Active) => {
                        self.check(&table)?;
                        break;
                    }
                    _ => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
            if !made {
                return Ok(vec![]);
            }
            let expires = TimeToLiveSpecification::builder().attribute_name("expires").enabled(true).build();
            let update = self.table.client().await.update_time_to_live().table_name(&self.table.name);
            let update = update.time_to_live_specification(expires.map_err(unbuilt)?);
            Box::pin(update.send()).await.map_err(failure)?;
            Ok(vec![format!("table {}", self.table.name)])
        }))
    }
}

impl DynamoDbStore {
    async fn describe(&self) -> Result<Option<TableDescription>, StoreError> {
        let describe = self.table.client().await.describe_table().table_name(&self.table.name);
        match Box::pin(describe.send()).await {
            Ok(found) => Ok(found.table),
            Err(error) if error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) => {
                Ok(None)
            }
            Err(error) => Err(failure(error).into()),
        }
    }

    /// Makes the table; `false` where another does that just now.
    async fn make(&self) -> Result<bool, StoreError> {
        let keys = [key_schema("pk", KeyType::Hash)?, key_schema("sk", KeyType::Range)?];
        let index = GlobalSecondaryIndex::builder()
            .index_name(INDEX)
            .key_schema(key_schema("lp", KeyType::Hash)?)
            .key_schema(key_schema("ls", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
        let mut create = self.table.client().await.create_table().table_name(&self.table.name);
        for name in ["pk", "sk", "lp", "ls"] {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S).build().map_err(unbuilt)?;
            create = create.attribute_definitions(attribute);
        }
        let create = create
            .set_key_schema(Some(keys.to_vec()))
            .global_secondary_indexes(index.build().map_err(unbuilt)?)
            .billing_mode(BillingMode::PayPerRequest);
        match Box::pin(create.send()).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.as_service_error(), Some(CreateTableError::ResourceInUseException(_))) => {
                Ok(false)
            }
            Err(error) => Err(failure(error).into()),
        }
    }

    /// Whether the table is as it must be.
    fn check(&self, table: &TableDescription) -> Result<(), StoreError> {
        let keys =
            |keys: &[KeySchemaElement]| -> Vec<String> { keys.iter().map(|key| key.attribute_name.clone()).collect() };
        let indexes = table.global_secondary_indexes();
        let index = indexes.iter().find(|index| index.index_name() == Some(INDEX));
        let well = keys(table.key_schema()) == ["pk", "sk"]
            && index.is_some_and(|index| keys(index.key_schema()) == ["lp", "ls"]);
        if well {
            return Ok(());
        }
        let name = &self.table.name;
        Err(StoreError::Failed(format!("table {name} must have keys pk and sk, and an index {INDEX} by lp and ls")))
    }
}

fn key_schema(name: &str, kind: KeyType) -> Result<KeySchemaElement, StoreError> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(unbuilt)?)
}
