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

/// What a broker asks of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    None,
    /// TLS.
    Tls,
    /// TLS, and a token as MSK takes it.
    Iam,
}

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
        Self::start_secured(Security::None).await
    }

    /// A running one that asks who comes.
    pub async fn start_secured(security: Security) -> Self {
        let (port, controller, advertised, folder) = (free_port(), free_port(), free_port(), Folder::new("kafka"));
        let network = Proxy::on(advertised, &format!("127.0.0.1:{port}")).await;
        let settings = folder.path().join("server.properties");
        if security != Security::None {
            certificates(&folder).await;
        }
        if security == Security::Iam {
            compile_token_check(&folder).await;
        }
        let settings_text = properties(port, controller, advertised, security, &folder);
        std::fs::write(&settings, settings_text).expect("a folder can be written");
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

    /// The authority that its certificate is from, where it has one.
    pub fn ca_file(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// An authority that has nothing to do with it.
    pub fn other_ca_file(&self) -> String {
        self.folder.path().join("other-ca.pem").display().to_string()
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

fn properties(port: u16, controller: u16, advertised: u16, security: Security, folder: &Folder) -> String {
    let mut text = String::new();
    let mut set = |name: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}={value}");
    };
    set("process.roles", "broker,controller");
    set("node.id", "1");
    set("controller.quorum.voters", &format!("1@127.0.0.1:{controller}"));
    let between = free_port();
    let internal = format!("CONTROLLER://127.0.0.1:{controller},BROKERS://127.0.0.1:{between}");
    set("listeners", &format!("CLIENTS://127.0.0.1:{port},{internal}"));
    set("advertised.listeners", &format!("CLIENTS://127.0.0.1:{advertised},BROKERS://127.0.0.1:{between}"));
    let protocol = match security {
        Security::None => "PLAINTEXT",
        Security::Tls => "SSL",
        Security::Iam => "SASL_SSL",
    };
    set("listener.security.protocol.map", &format!("CLIENTS:{protocol},CONTROLLER:PLAINTEXT,BROKERS:PLAINTEXT"));
    set("inter.broker.listener.name", "BROKERS");
    if security != Security::None {
        set("ssl.keystore.type", "PEM");
        set("ssl.keystore.location", &folder.path().join("broker.pem").display().to_string());
    }
    if security == Security::Iam {
        let listener = "listener.name.clients";
        set(&format!("{listener}.sasl.enabled.mechanisms"), "OAUTHBEARER");
        set(
            &format!("{listener}.oauthbearer.sasl.jaas.config"),
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
        );
        set(&format!("{listener}.oauthbearer.sasl.server.callback.handler.class"), "MskTokens");
    }
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

/// The broker's class that knows MSK's tokens, into the folder.
async fn compile_token_check(folder: &Folder) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/support/MskTokens.java");
    let mut javac = command("javac");
    javac.args(["-d", ".", "-cp", &format!("{}/*", kafka_libs()), source]).current_dir(folder.path());
    let compiled = javac.output().await.expect("javac starts");
    assert!(compiled.status.success(), "javac: {}", String::from_utf8_lossy(&compiled.stderr));
}

/// A certificate for the broker from an authority of its own, and an authority that nobody trusts.
async fn certificates(folder: &Folder) {
    let script = r#"
        set -e
        authority() { openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 2 -subj "/CN=$1"; }
        authority ca
        authority other-ca
        openssl req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=broker
        echo "subjectAltName=IP:127.0.0.1,DNS:localhost" >names
        openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out broker.crt
        cat broker.key broker.crt ca.pem >broker.pem
    "#;
    let made = command("sh").args(["-c", script]).current_dir(folder.path()).output().await.expect("a shell starts");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}

fn java(folder: &Folder) -> tokio::process::Command {
    let mut java = command("java");
    java.current_dir(folder.path());
    java.args([
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ]);
    java.args(["-cp", &format!("{}/*:.", kafka_libs())]);
    java
}
