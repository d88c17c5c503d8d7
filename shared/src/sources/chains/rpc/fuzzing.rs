//! Answers of nodes, as any bytes.

use serde_json::json;

use super::RpcError;
use super::message::{Outcomes, outcomes};

/// As many outcomes as calls, each a part of what came; and what a node says of an error is short.
pub(crate) fn answer(bytes: &[u8]) -> bool {
    let mut understood = false;
    for count in [1, 3] {
        let calls = vec![("eth_blockNumber", json!([])); count];
        match outcomes(&calls, bytes) {
            Ok(Outcomes::Each(outcomes)) => {
                assert_eq!(outcomes.len(), count);
                for outcome in outcomes {
                    match outcome {
                        Ok(result) => assert!(result.get().len() <= bytes.len()),
                        Err(error) => check(&error),
                    }
                }
                understood = true;
            }
            Ok(Outcomes::BatchRefused) => assert!(count > 1),
            Err(error) => check(&error),
        }
    }
    understood
}

fn check(error: &RpcError) {
    if let RpcError::Answer(error) = error {
        let message = &error.message;
        assert!(message.chars().count() <= 300 && !message.chars().any(char::is_control), "{message:?}");
        assert!(!message.contains("://"), "{message:?}");
    }
}
