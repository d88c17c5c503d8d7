//! solana-client on our transport: one client a session, so that all its calls go to one node, within that node's
//! breaker and deadline.

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;
use serde_json::value::RawValue;
use solana_client::client_error::{self, ClientError, ClientErrorKind};
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_client::rpc_client::RpcClientConfig;
use solana_client::rpc_custom_error as code;
use solana_client::rpc_request::RpcRequest;
use solana_client::rpc_sender::{RpcSender, RpcTransportStats};
use solana_commitment_config::CommitmentConfig;

use crate::sources::SourceError;
use crate::sources::chains::rpc::{RpcError, Session};

/// Carries solana-client's calls.
struct SessionSender(Session);

/// The typed client, over `session`.
pub(super) fn client(session: Session, commitment: CommitmentConfig) -> RpcClient {
    RpcClient::new_sender(SessionSender(session), RpcClientConfig::with_commitment(commitment))
}

/// Several calls in one request: what the typed client does not do.
///
/// # Errors
/// [`RpcError::Source`], where there is no outcome at all, or one of them says that another node should be asked.
pub(super) async fn batch(
    session: &Session,
    calls: &[(RpcRequest, Value)],
) -> Result<Vec<Result<Box<RawValue>, RpcError>>, RpcError> {
    let calls: Vec<_> = calls.iter().map(|(request, params)| (request.as_str(), params.clone())).collect();
    let outcomes = session.batch(&calls).await?.into_iter().map(|outcome| outcome.map_err(judged));
    outcomes
        .map(|outcome| match outcome {
            Err(error @ RpcError::Source(_)) => Err(error),
            outcome => Ok(outcome),
        })
        .collect()
}

/// As many outcomes as were asked for.
pub(super) fn take<T, const N: usize>(outcomes: Vec<T>) -> Result<[T; N], RpcError> {
    outcomes.try_into().map_err(|_| SourceError::Malformed("an answer is missing".to_owned()).into())
}

// What `#[async_trait]` would write.
impl RpcSender for SessionSender {
    fn send<'life, 'async_trait>(
        &'life self,
        request: RpcRequest,
        params: Value,
    ) -> Pin<Box<dyn Future<Output = client_error::Result<Value>> + Send + 'async_trait>>
    where
        'life: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.0.call(request.as_str(), params).await.map_err(into_client) })
    }

    /// Ours are in the breaker.
    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    /// Not the URL, which may hold a key.
    fn url(&self) -> String {
        self.0.endpoint().to_owned()
    }
}

/// Our error travels inside the client's, whole.
fn into_client(error: RpcError) -> ClientError {
    ClientErrorKind::Middleware(error.into()).into()
}

/// Our error again; what the client could not read is [`SourceError::Malformed`].
pub(super) fn from_client(error: ClientError) -> RpcError {
    let malformed = |text: String| SourceError::Malformed(text).into();
    match *error.kind {
        ClientErrorKind::Middleware(carried) => match carried.downcast::<RpcError>() {
            Ok(error) => judged(error),
            Err(other) => malformed(other.to_string()),
        },
        other => malformed(other.to_string()),
    }
}

/// What a node cannot answer because of how far it is or what it keeps, another may.
fn judged(error: RpcError) -> RpcError {
    const ELSEWHERE: [i64; 9] = [
        code::JSON_RPC_SERVER_ERROR_BLOCK_CLEANED_UP,
        code::JSON_RPC_SERVER_ERROR_BLOCK_NOT_AVAILABLE,
        code::JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY,
        code::JSON_RPC_SERVER_ERROR_KEY_EXCLUDED_FROM_SECONDARY_INDEX,
        code::JSON_RPC_SERVER_ERROR_TRANSACTION_HISTORY_NOT_AVAILABLE,
        code::JSON_RPC_SCAN_ERROR,
        code::JSON_RPC_SERVER_ERROR_BLOCK_STATUS_NOT_AVAILABLE_YET,
        code::JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
        code::JSON_RPC_SERVER_ERROR_LONG_TERM_STORAGE_UNREACHABLE,
    ];
    match error {
        RpcError::Answer(error) if ELSEWHERE.contains(&error.code) => SourceError::Unavailable(error.message).into(),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::chains::rpc::ErrorObject;

    fn answer(code: i64) -> RpcError {
        let data = Some(json!({ "err": "AccountNotFound", "logs": ["one", "two"] }));
        RpcError::Answer(ErrorObject { code, message: "Transaction simulation failed".to_owned(), data })
    }

    #[test]
    fn an_error_comes_through_the_client_whole() {
        let RpcError::Answer(error) = from_client(into_client(answer(-32002))) else { panic!() };
        assert_eq!((error.code, error.message.as_str()), (-32002, "Transaction simulation failed"));
        assert_eq!(error.data, Some(json!({ "err": "AccountNotFound", "logs": ["one", "two"] })));
        let limited = SourceError::RateLimited { retry_after: Some(std::time::Duration::from_secs(7)) };
        let RpcError::Source(error) = from_client(into_client(limited.into())) else { panic!() };
        assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
        let error = from_client(into_client(RpcError::Unsupported("getSlot".to_owned())));
        assert!(matches!(error, RpcError::Unsupported(method) if method == "getSlot"));
    }

    #[test]
    fn a_node_that_has_not_come_so_far_is_not_the_chain() {
        let error = from_client(into_client(answer(-32016)));
        assert!(matches!(error, RpcError::Source(SourceError::Unavailable(_))));
        let error = from_client(ClientErrorKind::Custom("odd".to_owned()).into());
        assert!(matches!(error, RpcError::Source(SourceError::Malformed(_))));
    }
}
