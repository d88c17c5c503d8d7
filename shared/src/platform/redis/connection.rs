//! How a connection is opened, to one server or to a cluster.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, try_join_all};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisFuture, TlsCertificates, Value,
};
use tokio::time::timeout;

use super::discovery::{Discovery, Role};
use super::{RedisOptions, TRIES};
use crate::platform::config::{ConfigError, RedisEndpoint};

/// Where a connection leads.
pub(super) enum Server {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
    /// To either: that is known when a connection is opened.
    Discovered(Arc<Discovery>, Role),
}

impl Server {
    pub(super) fn new(endpoint: &RedisEndpoint, options: RedisOptions) -> Result<Self, ConfigError> {
        let url = endpoint.url.expose();
        let trusted = endpoint.trusted()?;
        let certificates = trusted.map(|root_cert| TlsCertificates { client_tls: None, root_cert: Some(root_cert) });
        let server = if endpoint.cluster {
            let mut builder = ClusterClient::builder([url])
                .retries(TRIES)
                .min_retry_wait(50)
                .max_retry_wait(300)
                .connection_timeout(options.connect_timeout)
                .response_timeout(options.deadline);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates);
            }
            builder.build().map(|client| Self::Cluster(Box::new(client)))
        } else {
            let client = match certificates {
                Some(certificates) => Client::build_with_tls(url, certificates),
                None => Client::open(url),
            };
            client.map(|client| Self::Single(Box::new(client)))
        };
        // The reason may quote the URL, and with it a password.
        server.map_err(|_| endpoint.unusable())
    }

    pub(super) fn open(&self, options: RedisOptions) -> BoxFuture<'static, Result<Connection, RedisError>> {
        match self {
            Self::Single(client) => {
                let client = client.clone();
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(options.connect_timeout))
                    .set_response_timeout(Some(options.deadline));
                async move { Ok(Connection::Single(client.get_multiplexed_async_connection_with_config(&config).await?)) }
                    .boxed()
            }
            Self::Cluster(client) => {
                let client = client.clone();
                let config = ClusterConfig::new()
                    .set_connection_timeout(options.connect_timeout)
                    .set_response_timeout(options.deadline);
                let connect = async move { client.get_async_connection_with_config(config).await };
                async move {
                    match timeout(options.connect_timeout, connect).await {
                        Ok(connection) => Ok(Connection::Cluster(connection?)),
                        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
                    }
                }
                .boxed()
            }
            Self::Discovered(discovery, role) => {
                let (discovery, role) = (Arc::clone(discovery), *role);
                async move {
                    let (lookup, addresses) = discovery.addresses().await.map_err(std::io::Error::other)?;
                    let opened = match Self::new(role.of(&addresses), options) {
                        Ok(server) => server.open(options).await,
                        Err(unusable) => Err(std::io::Error::other(unusable).into()),
                    };
                    if opened.is_err() {
                        discovery.doubt(lookup);
                    }
                    opened
                }
                .boxed()
            }
        }
    }
}

/// An open connection; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Sends independent commands with keys of any shard: what each answers, or the first error.
    pub(super) async fn send_all<T: FromRedisValue>(self, commands: &[Cmd]) -> Result<Vec<T>, RedisError> {
        match self {
            Self::Single(mut connection) => {
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                pipeline.query_async(&mut connection).await
            }
            Self::Cluster(connection) => {
                let send = |command: &Cmd| {
                    let (command, mut connection) = (command.clone(), connection.clone());
                    async move { command.query_async::<T>(&mut connection).await }
                };
                try_join_all(commands.iter().map(send)).await
            }
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
