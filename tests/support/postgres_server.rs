//! A Postgres that one test owns: it may kill it without hurting another test.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::eventually::eventually;
use crate::folder::Folder;
use crate::ports::free_port;
use crate::process::{Process, command};

/// A Postgres with a port and a folder of its own. Commits are synced to disk, so a kill loses none.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    // Before the folder, so that it is dropped, and killed, first.
    process: Process,
    folder: Folder,
}

impl PostgresServer {
    /// A running one with an empty database.
    pub async fn start() -> Self {
        let (port, folder) = (free_port(), Folder::new("postgres"));
        initialise(&folder).await;
        let process = run(port, &folder);
        let mut server = Self { port, folder, process };
        server.answers().await;
        server
    }

    /// Its database as a superuser, the same over all restarts.
    pub fn url(&self) -> String {
        format!("postgres://mcp@127.0.0.1:{}/postgres", self.port)
    }

    /// Its address as `host:port`, for a proxy.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it as `kill -9` of the main process does. Its children follow when they notice, a moment later.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Ends it as an operator does, cutting its connections.
    pub async fn stop(&mut self) {
        self.process.signal("INT").await;
        self.process.ended().await;
    }

    /// Starts it again, on the same port and data.
    pub async fn restart(&mut self) {
        self.kill().await;
        self.process = run(self.port, &self.folder);
        self.answers().await;
    }

    /// Until it takes connections. One that was killed may have to be started more than once: its children hold the data
    /// until the last has noticed.
    async fn answers(&mut self) {
        let Self { port, folder, process } = self;
        eventually("Postgres takes connections", || {
            let before = process.output().text();
            if !process.is_running() {
                *process = run(*port, folder);
            }
            let mut ready = command(program("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            async move {
                let answers = ready.status().await.is_ok_and(|status| status.success());
                if answers { Ok(()) } else { Err(before) }
            }
        })
        .await;
    }
}

async fn initialise(folder: &Folder) {
    let owner = owner();
    if let Some((user, group)) = owner {
        chown(folder.path(), Some(user), Some(group)).expect("root can give a folder away");
    }
    let mut initdb = as_owner("initdb", folder.path());
    initdb.args(["-D", "data", "-U", "mcp", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    let done = initdb.output().await.expect("initdb starts");
    assert!(done.status.success(), "initdb failed: {}", String::from_utf8_lossy(&done.stderr));
}

fn run(port: u16, folder: &Folder) -> Process {
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", folder.path().display()),
        "max_connections=300".to_owned(),
    ];
    let mut postgres = as_owner("postgres", folder.path());
    postgres.args(["-D", "data"]);
    for setting in &settings {
        postgres.args(["-c", setting]);
    }
    Process::start("postgres", &mut postgres)
}

/// Postgres refuses to run as root: then it runs as the user that Debian's package made.
fn as_owner(name: &str, folder: &Path) -> Command {
    let mut command = command(program(name));
    command.current_dir(folder);
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

/// For root: whom Debian's `postgres` is, by what belongs to it.
fn owner() -> Option<(u32, u32)> {
    let of = |path: &str| std::fs::metadata(path).map(|file| (file.uid(), file.gid()));
    let (user, _) = of("/proc/self").expect("there is /proc");
    (user == 0).then(|| of("/var/lib/postgresql").expect("root needs the user postgres of Debian's package"))
}

/// A program of the newest Postgres that is installed. Debian keeps the servers' programs out of `PATH`.
fn program(name: &str) -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = installed.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(|| PathBuf::from(name), |version| format!("/usr/lib/postgresql/{version}/bin/{name}").into())
}
