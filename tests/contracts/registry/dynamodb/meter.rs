//! What a registry, or a store, asks of DynamoDB, and what that costs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

/// Calls since it was last read, and the capacity units that they consumed. What is refused does not tell its units. Those
/// of transactions are counted here, two for each item, none being over 1 KB: DynamoDB Local tells those of one alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<Reading>>);

/// What a meter shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) calls: BTreeMap<&'static str, usize>,
    pub(crate) read_units: f64,
    pub(crate) write_units: f64,
}

impl Meter {
    pub(crate) fn take(&self) -> Reading {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Reading {
    pub(crate) fn total(&self) -> usize {
        self.calls.values().sum()
    }
}

/// Asks every kind of call what it consumes, and adds it up.
macro_rules! metered {
    ($($module:ident $input:ident $output:ident $kind:ident),* $(,)?) => {
        impl Intercept for Meter {
            fn name(&self) -> &'static str {
                "Meter"
            }

            fn modify_before_serialization(
                &self,
                context: &mut BeforeSerializationInterceptorContextMut<'_>,
                _: &RuntimeComponents,
                _: &mut ConfigBag,
            ) -> Result<(), BoxError> {
                if let Some(input) = context.input().downcast_ref::<TransactWriteItemsInput>() {
                    let items = u32::try_from(input.transact_items().len())?;
                    self.0.lock().unwrap().write_units += f64::from(2 * items);
                }
                $(
                    if let Some(input) =
                        context.input_mut().downcast_mut::<aws_sdk_dynamodb::operation::$module::$input>()
                    {
                        input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
                        *self.0.lock().unwrap().calls.entry(stringify!($module)).or_default() += 1;
                    }
                )*
                Ok(())
            }

            fn read_after_deserialization(
                &self,
                context: &AfterDeserializationInterceptorContextRef<'_>,
                _: &RuntimeComponents,
                _: &mut ConfigBag,
            ) -> Result<(), BoxError> {
                let Ok(output) = context.output_or_error() else { return Ok(()) };
                if output.downcast_ref::<TransactWriteItemsOutput>().is_some() {
                    return Ok(());
                }
                $(
                    if let Some(output) =
                        output.downcast_ref::<aws_sdk_dynamodb::operation::$module::$output>()
                    {
                        let consumed = output.consumed_capacity.iter().flat_map(Each::each);
                        let units: f64 = consumed.filter_map(ConsumedCapacity::capacity_units).sum();
                        self.0.lock().unwrap().$kind += units;
                    }
                )*
                Ok(())
            }
        }
    };
}

metered!(
    get_item GetItemInput GetItemOutput read_units,
    batch_get_item BatchGetItemInput BatchGetItemOutput read_units,
    query QueryInput QueryOutput read_units,
    scan ScanInput ScanOutput read_units,
    put_item PutItemInput PutItemOutput write_units,
    update_item UpdateItemInput UpdateItemOutput write_units,
    delete_item DeleteItemInput DeleteItemOutput write_units,
    batch_write_item BatchWriteItemInput BatchWriteItemOutput write_units,
    transact_write_items TransactWriteItemsInput TransactWriteItemsOutput write_units,
);

/// One consumption or several: answers differ in that.
trait Each {
    fn each(&self) -> &[ConsumedCapacity];
}

impl Each for ConsumedCapacity {
    fn each(&self) -> &[ConsumedCapacity] {
        std::slice::from_ref(self)
    }
}

impl Each for Vec<ConsumedCapacity> {
    fn each(&self) -> &[ConsumedCapacity] {
        self
    }
}
