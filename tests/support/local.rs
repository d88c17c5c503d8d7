//! The compiled local server, as a user runs it.

use std::path::Path;
use std::process::ExitStatus;

use tokio::time::timeout;

use crate::eventually::{DEADLINE, eventually};
use crate::folder::Folder;
use crate::ports::free_port;
use crate::process::{Output, Process, command, compiled};

const BINARY: &str = "mcp-local";

/// A running server in a folder of its own. Killed when dropped.
#[derive(Debug)]
pub struct Local {
    port: u16,
    // Before the folder, so that it is dropped, and killed, first.
    process: Process,
    folder: Folder,
}

/// What is left of one that was stopped.
#[derive(Debug)]
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it printed.
    pub output: String,
    /// Where it ran: with its data, for the next.
    pub folder: Folder,
}

impl Local {
    /// One that answers, with these variables and no others. `HTTP_ADDR` is set to a free port; what else is not given is
    /// the server's default, in an empty working folder.
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_in(Folder::new("local"), variables).await
    }

    /// One in the folder of another that was stopped.
    pub async fn start_in(folder: Folder, variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = command(compiled(BINARY));
        command.current_dir(folder.path()).env("HTTP_ADDR", format!("127.0.0.1:{port}"));
        let process = Process::start(BINARY, command.envs(variables.iter().copied()));
        let mut local = Self { port, folder, process };
        local.answers().await;
        local
    }

    /// The URL of a path, `/graphql` say.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The same for a websocket.
    pub fn websocket_url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }

    /// Where it runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        self.process.output().text()
    }

    /// Ends it by a signal (`INT` is Ctrl-C, `TERM` a service manager's) and waits.
    pub async fn stop(mut self, signal: &str) -> Stopped {
        self.process.signal(signal).await;
        let status = self.process.ended().await;
        Stopped { status, output: self.output(), folder: self.folder }
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(mut self) -> Folder {
        self.process.kill().await;
        self.folder
    }

    async fn answers(&mut self) {
        let (client, url) = (reqwest::Client::new(), self.url("/healthz"));
        let Self { process, .. } = self;
        let output: Output = process.output();
        eventually("the local server answers /healthz", || {
            assert!(process.is_running(), "{BINARY} ended instead of serving; it printed:\n{}", output.text());
            let (request, output) = (client.get(&url).send(), output.clone());
            async move {
                match request.await {
                    Ok(response) if response.status().is_success() => Ok(()),
                    Ok(response) => Err(format!("{}; it printed:\n{}", response.status(), output.text())),
                    Err(error) => Err(format!("{error}; it printed:\n{}", output.text())),
                }
            }
        })
        .await;
    }
}

/// Runs the binary until it ends by itself: `--help`, a setting that is wrong.
pub async fn run_local(arguments: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
    let folder = Folder::new("local");
    let mut command = command(compiled(BINARY));
    command.args(arguments).envs(variables.iter().copied()).current_dir(folder.path());
    timeout(DEADLINE, command.output())
        .await
        .unwrap_or_else(|_| panic!("{BINARY} {arguments:?} does not end"))
        .expect("the binary starts")
}
