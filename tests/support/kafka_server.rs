//! A Kafka that one test owns: it may kill it without hurting another test.

use crate::eventually::within;
use crate::folder::Folder;
use crate::ports::free_port;
use crate::process::{Process, command};
use crate::proxy::Proxy;
use crate::services::kafka_libs;

use std::fmt::Write;
use std::time::Duration;

/// Any constant would do.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";
/// A JVM on a busy machine takes its time.
const START: Duration = Duration::from_secs(90);

/// One broker with a port and a folder of its own, and a network before it that can be bad. Its data survives a kill.
#[derive(Debug)]
pub struct KafkaServer {
    port: u16,
    /// The way of every client: the broker tells them this address.
    pub network: Proxy,
    // Before the folder, so that it is dropped, and killed, first.
    process: Process,
    folder: Folder,
}

impl KafkaServer {
    /// A running one.
    pub async fn start() -> Self {
        let (port, controller, advertised, folder) = (free_port(), free_port(), free_port(), Folder::new("kafka"));
        let network = Proxy::on(advertised, &format!("127.0.0.1:{port}")).await;
        let settings = folder.path().join("server.properties");
        std::fs::write(&settings, properties(port, controller, advertised, &folder)).expect("a folder can be written");
        let format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "server.properties"];
        let formatted = java(&folder).args(format).output().await.expect("java starts");
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        let process = run(&folder);
        let mut server = Self { port, network, process, folder };
        server.answers().await;
        server
    }

    /// Its address, the same over all restarts.
    pub fn brokers(&self) -> String {
        self.network.address()
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again, on the same port and data.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = run(&self.folder);
        self.answers().await;
    }

    /// Until it has said that it is up. What it can do a moment later, clients wait for.
    async fn answers(&mut self) {
        let Self { port, process, .. } = self;
        let output = process.output();
        within(START, "Kafka takes connections", || {
            let state = if process.is_running() { Ok(()) } else { Err(output.text()) };
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", *port));
            async move {
                state?;
                connected.await.map(drop).map_err(|error| error.to_string())
            }
        })
        .await;
    }
}

fn properties(port: u16, controller: u16, advertised: u16, folder: &Folder) -> String {
    let mut text = String::new();
    let mut set = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}={value}");
    };
    set("process.roles", "broker,controller");
    set("node.id", "1");
    set("controller.quorum.voters", &format!("1@127.0.0.1:{controller}"));
    set("listeners", &format!("CLIENTS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"));
    set("advertised.listeners", &format!("CLIENTS://127.0.0.1:{advertised}"));
    set("listener.security.protocol.map", "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT");
    set("inter.broker.listener.name", "CLIENTS");
    set("controller.listener.names", "CONTROLLER");
    set("log.dirs", &folder.path().join("data").display().to_string());
    set("offsets.topic.replication.factor", "1");
    set("offsets.topic.num.partitions", "3");
    set("transaction.state.log.replication.factor", "1");
    set("transaction.state.log.min.isr", "1");
    set("group.initial.rebalance.delay.ms", "0");
    set("auto.create.topics.enable", "false");
    text
}

fn run(folder: &Folder) -> Process {
    Process::start("kafka", java(folder).args(["kafka.Kafka", "server.properties"]))
}

fn java(folder: &Folder) -> tokio::process::Command {
    let mut java = command("java");
    java.current_dir(folder.path());
    java.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &format!("{}/*", kafka_libs())]);
    java
}
