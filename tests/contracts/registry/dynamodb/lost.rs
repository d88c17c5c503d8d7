//! Answers that do not arrive.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// Of every two answers the first is lost: each call is made, and then made again.
#[derive(Debug, Default)]
pub(crate) struct EveryFirstAnswer(AtomicBool);

impl Intercept for EveryFirstAnswer {
    fn name(&self) -> &'static str {
        "EveryFirstAnswer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.0.fetch_xor(true, Ordering::SeqCst) {
            let body = context.response_mut().take_body();
            *context.response_mut() = HttpResponse::new(500.try_into()?, body);
        }
        Ok(())
    }
}
