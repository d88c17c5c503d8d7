//! A Redis that one test owns: it may kill it without hurting another test.

use std::path::Path;

use uuid::Uuid;

use crate::certificates::Certificates;
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::ports::free_port;
use crate::process::{Process, command};

/// A Redis with a port and a folder of its own. It keeps nothing on disk: after a kill it is empty.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    tls: Option<Tls>,
    // Before the folder, so that it is dropped, and killed, first.
    process: Process,
    folder: Folder,
}

impl RedisServer {
    /// A running one.
    pub async fn start() -> Self {
        Self::start_on(Folder::new("redis"), None).await
    }

    /// A running one that talks TLS only and asks for a password.
    pub async fn start_with_tls() -> Self {
        let folder = Folder::new("redis-tls");
        let tls = Tls::in_folder(folder.path()).await;
        Self::start_on(folder, Some(tls)).await
    }

    async fn start_on(folder: Folder, tls: Option<Tls>) -> Self {
        let port = free_port();
        let way = tls.as_ref().map_or_else(|| format!("port {port}\n"), |tls| tls.settings(port));
        configure(folder.path(), &way);
        let process = run(folder.path());
        let mut server = Self { port, tls, process, folder };
        server.answers().await;
        server
    }

    /// Its address, the same over all restarts; with TLS, with the password.
    pub fn url(&self) -> String {
        match &self.tls {
            None => format!("redis://127.0.0.1:{}", self.port),
            Some(tls) => format!("rediss://:{}@127.0.0.1:{}", tls.password, self.port),
        }
    }

    /// Its address as `host:port`, for a proxy.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The certificate, in PEM, of the authority that its own is from. Only one with TLS has it.
    pub fn ca(&self) -> &Path {
        self.tls.as_ref().expect("it was started with TLS").ca()
    }

    /// How many keys it has.
    pub async fn keys(&self) -> usize {
        let size = cli(self.port, self.tls.as_ref(), &["DBSIZE"]).await.expect("Redis answers");
        size.parse().unwrap_or_else(|error| panic!("{size}: {error}"))
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Ends it as an operator does.
    pub async fn stop(&mut self) {
        self.process.signal("TERM").await;
        self.process.ended().await;
    }

    /// Starts it again, on the same port.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = run(self.folder.path());
        self.answers().await;
    }

    async fn answers(&mut self) {
        answers(self.port, self.tls.as_ref(), &mut self.process).await;
    }
}

/// How a Redis is reached that talks TLS only, and the password that it asks for.
#[derive(Debug)]
pub(crate) struct Tls {
    certificates: Certificates,
    pub(crate) password: String,
}

impl Tls {
    pub(crate) async fn in_folder(folder: &Path) -> Self {
        Self { certificates: Certificates::in_folder(folder).await, password: Uuid::now_v7().simple().to_string() }
    }

    pub(crate) fn ca(&self) -> &Path {
        self.certificates.ca()
    }

    /// The lines of `redis.conf`. A client shows no certificate, as none does to ElastiCache.
    pub(crate) fn settings(&self, port: u16) -> String {
        let Self { certificates, password } = self;
        let (ca, server, key) =
            (certificates.ca().display(), certificates.server().display(), certificates.key().display());
        format!(
            "port 0\ntls-port {port}\ntls-auth-clients no\n\
             tls-ca-cert-file {ca}\ntls-cert-file {server}\ntls-key-file {key}\n\
             requirepass {password}\n"
        )
    }
}

/// Writes the `redis.conf` of a node that keeps no data on disk, with these settings besides.
pub(crate) fn configure(folder: &Path, settings: &str) {
    let text = format!("bind 127.0.0.1\nsave \"\"\nappendonly no\n{settings}");
    std::fs::write(folder.join("redis.conf"), text).expect("a folder can be written");
}

/// Starts what was configured in the folder.
pub(crate) fn run(folder: &Path) -> Process {
    Process::start("redis-server", command("redis-server").arg("redis.conf").current_dir(folder))
}

/// Waits until it answers.
pub(crate) async fn answers(port: u16, tls: Option<&Tls>, process: &mut Process) {
    eventually("Redis answers", || {
        let state = if process.is_running() { Ok(()) } else { Err(process.output().text()) };
        async move {
            state?;
            let answer = cli(port, tls, &["PING"]).await?;
            if answer == "PONG" { Ok(()) } else { Err(answer) }
        }
    })
    .await;
}

/// What `redis-cli` prints. An error is what keeps it from the server; a server's refusal is an answer.
pub(crate) async fn cli(port: u16, tls: Option<&Tls>, arguments: &[&str]) -> Result<String, String> {
    let mut cli = command("redis-cli");
    cli.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    if let Some(tls) = tls {
        cli.arg("--tls").arg("--cacert").arg(tls.ca()).env("REDISCLI_AUTH", &tls.password);
    }
    let ended = cli.args(arguments).output().await.map_err(|error| format!("redis-cli: {error}"))?;
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if ended.status.success() {
        Ok(text(&ended.stdout))
    } else {
        Err(format!("{}\n{}", text(&ended.stdout), text(&ended.stderr)))
    }
}
