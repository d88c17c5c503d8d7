//! Child processes: found, watched, heard and ended.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::eventually::DEADLINE;

/// The compiled binary of a function, beside the test that asks: both are of one profile and one build.
pub fn compiled(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let path = test.ancestors().nth(2).expect("tests are in target/<profile>/deps").join(name);
    assert!(path.exists(), "{} is missing: run `make test`, or build the workspace first", path.display());
    path
}

/// The program with no environment but `PATH`, so that nothing of the machine leaks into a test.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A running child process. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Output,
    readers: JoinSet<()>,
}

impl Process {
    /// Starts it and keeps what it prints.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let output = Output::default();
        let mut readers = JoinSet::new();
        readers.spawn(hear(child.stdout.take(), output.clone()));
        readers.spawn(hear(child.stderr.take(), output.clone()));
        Self { name: name.to_owned(), child, output, readers }
    }

    /// What it printed so far, stdout and stderr as they came.
    pub fn output(&self) -> Output {
        self.output.clone()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The memory that it has now (its resident set), in bytes; 0 where the system does not tell.
    pub fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most memory that it ever had, in bytes; 0 where the system does not tell.
    pub fn peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, kind: &str) -> u64 {
        let status = self.child.id().and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let kilobytes = status.as_deref().and_then(|status| {
            status.lines().find_map(|line| line.strip_prefix(kind)?.trim().strip_suffix("kB")?.trim().parse().ok())
        });
        kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024)
    }

    /// Sends a signal by its name (`INT`, `TERM`, `KILL`, `STOP`, `CONT`), if it still runs.
    pub async fn signal(&self, signal: &str) {
        let Some(pid) = self.child.id() else { return };
        let sent = Command::new("sh").args(["-c", &format!("kill -s {signal} {pid}")]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal} to {}", self.name);
    }

    /// Waits for its end and for the last of its output.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = timeout(DEADLINE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("{} does not end; it printed:\n{}", self.name, self.output.text()))
            .expect("a child can be waited for");
        self.heard().await;
        status
    }

    /// Waits for its end for as long as that takes, and for the last of its output.
    pub async fn ended_unhurried(&mut self) -> ExitStatus {
        let status = self.child.wait().await.expect("a child can be waited for");
        self.heard().await;
        status
    }

    /// A grandchild may hold the pipes open: what it prints is not waited for.
    async fn heard(&mut self) {
        let _ = timeout(Duration::from_secs(1), async { while self.readers.join_next().await.is_some() {} }).await;
    }

    /// Kills it as `kill -9` does.
    pub async fn kill(&mut self) {
        let _ = self.child.start_kill();
        self.ended().await;
    }
}

/// What a process printed. Clones see the same text.
#[derive(Clone, Debug, Default)]
pub struct Output(Arc<Mutex<String>>);

impl Output {
    /// All of it.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, line: &str) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(line);
        text.push('\n');
    }
}

async fn hear(stream: Option<impl AsyncRead + Unpin>, output: Output) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        output.add(&String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_hears_both_streams_and_knows_the_end() {
        let mut process = Process::start("sh", command("sh").args(["-c", "echo out; echo err >&2; exit 3"]));
        assert_eq!(process.ended().await.code(), Some(3));
        let mut lines: Vec<_> = process.output().text().lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
    }

    #[tokio::test]
    async fn a_signal_reaches_it() {
        let mut process = Process::start("sleep", command("sleep").arg("60"));
        assert!(process.is_running());
        process.signal("TERM").await;
        assert!(!process.ended().await.success());
    }

    #[tokio::test]
    async fn the_environment_does_not_leak_in() {
        let mut process = Process::start("env", &mut command("env"));
        process.ended().await;
        assert!(process.output().text().lines().all(|line| line.starts_with("PATH=")));
    }
}
