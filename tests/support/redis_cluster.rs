//! A Redis Cluster that one test owns: it may kill nodes of it without hurting another test.

use std::path::{Path, PathBuf};

use crate::eventually::eventually;
use crate::folder::Folder;
use crate::ports::free_port;
use crate::process::Process;
use crate::redis_server::{Tls, answers, cli, configure, run};

const NODES: usize = 6;
const REPLICAS: usize = NODES / 2;

/// Three primaries and a replica of each, that talk TLS only, to each other as well, and ask for a password.
///
/// No node keeps data on disk. A primary that is killed and restarted before its replica has taken over is empty, and then
/// so is the replica: a test that wants its data waits for [`failed_over`](Self::failed_over) first.
#[derive(Debug)]
pub struct RedisCluster {
    tls: Tls,
    // Before the folder, so that they are dropped, and killed, first.
    nodes: Vec<Node>,
    _folder: Folder,
}

#[derive(Debug)]
struct Node {
    port: u16,
    process: Process,
    folder: PathBuf,
}

impl RedisCluster {
    /// A running one that serves every key, with every replica up to date.
    pub async fn start() -> Self {
        let folder = Folder::new("redis-cluster");
        let tls = Tls::in_folder(folder.path()).await;
        let mut addresses = Vec::new();
        let mut nodes = Vec::new();
        for index in 0..NODES {
            let (port, bus) = (free_port(), free_port());
            let folder = folder.path().join(index.to_string());
            std::fs::create_dir(&folder).expect("a folder can be made");
            configure(&folder, &settings(&tls, port, bus));
            addresses.push(format!("127.0.0.1:{port}@{bus}"));
            nodes.push(Node { port, process: run(&folder), folder });
        }
        for node in &mut nodes {
            answers(node.port, Some(&tls), &mut node.process).await;
        }
        let cluster = Self { tls, nodes, _folder: folder };
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        cluster.cli(0, &create).await;
        cluster.settled().await;
        cluster
    }

    /// The address of its first node, where a client finds the others, with the password. The same over all restarts.
    pub fn url(&self) -> String {
        format!("rediss-cluster://:{}@127.0.0.1:{}", self.tls.password, self.nodes[0].port)
    }

    /// The certificate, in PEM, of the authority that those of its nodes are from.
    pub fn ca(&self) -> &Path {
        self.tls.ca()
    }

    /// The index of the node that serves the key now; while none does, it waits for one.
    pub async fn primary_of(&self, key: &str) -> usize {
        eventually("one node serves the key", || self.serving(key)).await
    }

    /// Waits until another node than `from` serves the key.
    pub async fn failed_over(&self, key: &str, from: usize) {
        eventually("another node serves the key", || async {
            let node = self.serving(key).await?;
            if node == from { Err(format!("node {node} still does")) } else { Ok(()) }
        })
        .await;
    }

    /// Ends a node as `kill -9` does.
    pub async fn kill(&mut self, node: usize) {
        self.nodes[node].process.kill().await;
    }

    /// Starts a node again, on the same port. It answers then, and finds its place in the cluster within a moment: see
    /// [`settled`](Self::settled).
    pub async fn restart(&mut self, node: usize) {
        self.kill(node).await;
        let Node { port, process, folder } = &mut self.nodes[node];
        *process = run(folder);
        answers(*port, Some(&self.tls), process).await;
    }

    /// Waits until it is as it was at the start, though perhaps with other primaries: all six nodes are there and agree on
    /// that, every key is served, every replica is up to date.
    pub async fn settled(&self) {
        eventually("the cluster is whole", || async {
            let mut replicas = 0;
            for node in 0..NODES {
                replicas += usize::from(self.is_settled_replica(node).await?);
            }
            if replicas == REPLICAS { Ok(()) } else { Err(format!("{replicas} replicas")) }
        })
        .await;
    }

    /// What `redis-cli` prints for these arguments, run against that node. An error reply is an answer as well (`MOVED ...`);
    /// a node that is not there fails the test.
    pub async fn cli(&self, node: usize, arguments: &[&str]) -> String {
        let answer = self.ask(node, arguments).await;
        answer.unwrap_or_else(|error| panic!("redis-cli {arguments:?} on node {node}: {error}"))
    }

    async fn ask(&self, node: usize, arguments: &[&str]) -> Result<String, String> {
        cli(self.nodes[node].port, Some(&self.tls), arguments).await
    }

    /// The one node that answers for the key: a replica redirects, and so does a primary of other keys.
    async fn serving(&self, key: &str) -> Result<usize, String> {
        let mut serving = Vec::new();
        let mut answers = Vec::new();
        for node in 0..NODES {
            let answer = self.ask(node, &["EXISTS", key]).await;
            if answer.as_deref().is_ok_and(|count| count == "0" || count == "1") {
                serving.push(node);
            }
            answers.push(answer);
        }
        if let [node] = serving[..] { Ok(node) } else { Err(format!("{answers:?}")) }
    }

    /// Whether it is a replica; an error says what it still waits for.
    async fn is_settled_replica(&self, node: usize) -> Result<bool, String> {
        let info = self.ask(node, &["CLUSTER", "INFO"]).await?;
        let view = self.ask(node, &["CLUSTER", "NODES"]).await?;
        let replication = self.ask(node, &["INFO", "replication"]).await?;
        let serves = says(&info, "cluster_state:ok") && says(&info, "cluster_slots_ok:16384");
        let sees_all = view.lines().count() == NODES && !["fail", "handshake"].iter().any(|flag| view.contains(flag));
        let is_replica = says(&replication, "role:slave");
        let follows = !is_replica || says(&replication, "master_link_status:up");
        if serves && sees_all && follows {
            Ok(is_replica)
        } else {
            Err(format!("node {node}:\n{info}\n{view}\n{replication}"))
        }
    }
}

fn says(info: &str, line: &str) -> bool {
    info.lines().any(|other| other == line)
}

/// Quick to find a node dead, and to copy to a replica; and a replica takes over however late it comes to it.
fn settings(tls: &Tls, port: u16, bus: u16) -> String {
    let secured = tls.settings(port);
    let password = &tls.password;
    format!(
        "{secured}masterauth {password}\ntls-replication yes\ntls-cluster yes\n\
         cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 1000\ncluster-replica-validity-factor 0\n\
         repl-diskless-sync-delay 0\n"
    )
}
