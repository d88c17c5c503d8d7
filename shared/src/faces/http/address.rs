//! The address of the client, as far as it can be trusted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::Extensions;

/// Where a request came from: set by the trigger from the Lambda request context. Never read from a header, which a
/// client could write itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The client's address: the trigger's word, else the peer of the connection. Requests that have neither share one.
pub(super) fn of(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<ClientAddress>()
        .map(|address| address.0)
        .or_else(|| extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip()))
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
