//! Clients of an API Gateway WebSocket API, through `PostToConnection` and `DeleteConnection`.
