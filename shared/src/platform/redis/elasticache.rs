//! ElastiCache: the endpoints of a replication group, from `DescribeReplicationGroups`.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_elasticache::Client;
use aws_sdk_elasticache::types::{Endpoint, ReplicationGroup as Described};
use futures_util::FutureExt;
use tokio::time::timeout;

use super::discovery::Discovery;
use crate::platform::aws::{configuration, reason};
use crate::platform::config::{RedisConfig, RedisEndpoint, ReplicationGroup};
use crate::platform::discovery::DiscoveryError;

/// How long the answer may take, all attempts included.
const DEADLINE: Duration = Duration::from_secs(2);

/// The endpoints of a group, asked for when they are needed.
///
/// A task of its own asks, as one opens a connection: the answer takes longer than one request waits for Redis, and its
/// deadline goes on while nobody waits. A sandbox with a request now and then would never come to an end.
pub(crate) fn discovery(group: ReplicationGroup) -> Arc<Discovery> {
    let group = Arc::new(group);
    Discovery::new("redis", move || {
        let group = Arc::clone(&group);
        let asked = tokio::spawn(async move { endpoints(&group).await });
        asked.map(|ended| ended.unwrap_or_else(|_| Err(DiscoveryError("the task that asks ended".to_owned())))).boxed()
    })
}

/// The endpoints of a group. Of a cluster its configuration endpoint alone.
///
/// # Errors
/// The API does not answer in time, or not with a group that has endpoints.
pub(crate) async fn endpoints(group: &ReplicationGroup) -> Result<RedisConfig, DiscoveryError> {
    let described = timeout(DEADLINE, Box::pin(describe(&group.id))).await;
    let described = described.map_err(|_| DiscoveryError(format!("no answer within {DEADLINE:?}")))??;
    config(group, &described).ok_or_else(|| DiscoveryError("the replication group has no endpoint".to_owned()))
}

async fn describe(id: &str) -> Result<Described, DiscoveryError> {
    let client = Client::new(&configuration(DEADLINE).await);
    let asked = client.describe_replication_groups().replication_group_id(id).send().await;
    let answer = asked.map_err(|error| DiscoveryError(reason(&error)))?;
    let group = answer.replication_groups.and_then(|groups| groups.into_iter().next());
    group.ok_or_else(|| DiscoveryError("no such replication group".to_owned()))
}

fn config(group: &ReplicationGroup, described: &Described) -> Option<RedisConfig> {
    let tls = described.transit_encryption_enabled().unwrap_or(false);
    if described.cluster_enabled().unwrap_or(false) {
        let primary = endpoint(group, described.configuration_endpoint(), tls, true)?;
        return Some(RedisConfig { primary, reader: None });
    }
    let nodes = described.node_groups().first()?;
    let primary = endpoint(group, nodes.primary_endpoint(), tls, false)?;
    Some(RedisConfig { primary, reader: endpoint(group, nodes.reader_endpoint(), tls, false) })
}

fn endpoint(group: &ReplicationGroup, endpoint: Option<&Endpoint>, tls: bool, cluster: bool) -> Option<RedisEndpoint> {
    let endpoint = endpoint?;
    let host = endpoint.address().filter(|host| !host.is_empty())?;
    let port = u16::try_from(endpoint.port()?).ok()?;
    Some(group.endpoint(host, port, tls, cluster))
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticache::types::NodeGroup;
    use aws_sdk_elasticache::types::builders::ReplicationGroupBuilder;

    use super::*;
    use crate::platform::secret::Secret;

    fn at(host: &str) -> Endpoint {
        Endpoint::builder().address(host).port(6379).build()
    }

    fn found(described: ReplicationGroupBuilder) -> Option<RedisConfig> {
        let password = Some(Secret::new("a/b"));
        let group = ReplicationGroup { id: "mcp-redis".to_owned(), password, ca_file: None, reader: None };
        config(&group, &described.build())
    }

    #[test]
    fn a_group_without_cluster_mode_has_a_primary_and_a_reader() {
        let nodes = NodeGroup::builder().primary_endpoint(at("primary")).reader_endpoint(at("reader")).build();
        let described = Described::builder().cluster_enabled(false).transit_encryption_enabled(true).node_groups(nodes);
        let RedisConfig { primary, reader } = found(described).unwrap();
        let reader = reader.unwrap();
        assert_eq!((primary.url.expose(), primary.cluster), ("rediss://:a%2Fb@primary:6379", false));
        assert_eq!((reader.url.expose(), reader.cluster), ("rediss://:a%2Fb@reader:6379", false));
    }

    #[test]
    fn a_cluster_has_one_endpoint_for_everything() {
        let nodes = NodeGroup::builder().primary_endpoint(at("shard")).reader_endpoint(at("shard-reader")).build();
        let described = Described::builder().cluster_enabled(true).configuration_endpoint(at("all"));
        let RedisConfig { primary, reader } = found(described.node_groups(nodes)).unwrap();
        assert_eq!((primary.url.expose(), primary.cluster), ("redis://:a%2Fb@all:6379", true));
        assert!(reader.is_none());
    }

    #[test]
    fn a_group_that_is_being_made_has_no_endpoint() {
        assert!(found(Described::builder()).is_none());
        assert!(found(Described::builder().cluster_enabled(true)).is_none());
        assert!(found(Described::builder().node_groups(NodeGroup::builder().build())).is_none());
    }
}
