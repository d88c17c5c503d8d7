//! A Redis that one test owns: it may kill it without hurting another test.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::folder::Folder;
use crate::ports::free_port;
use crate::process::{Process, command};

/// A Redis with a port and a folder of its own. It keeps nothing on disk: after a kill it is empty.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    // Before the folder, so that it is dropped, and killed, first.
    process: Process,
    folder: Folder,
}

impl RedisServer {
    /// A running one.
    pub async fn start() -> Self {
        let (port, folder) = (free_port(), Folder::new("redis"));
        let process = run(port, &folder);
        let mut server = Self { port, folder, process };
        server.answers().await;
        server
    }

    /// Its address, the same over all restarts.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its address as `host:port`, for a proxy.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
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
        self.process = run(self.port, &self.folder);
        self.answers().await;
    }

    async fn answers(&mut self) {
        let (address, process) = (self.address(), &mut self.process);
        eventually("Redis answers", || {
            let state = if process.is_running() { Ok(()) } else { Err(process.output().text()) };
            let address = address.clone();
            async move {
                state?;
                ping(&address).await.map_err(|error| error.to_string())
            }
        })
        .await;
    }
}

fn run(port: u16, folder: &Folder) -> Process {
    let port = port.to_string();
    let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    Process::start("redis-server", command("redis-server").args(arguments).current_dir(folder.path()))
}

async fn ping(address: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).await?;
    if answer == *b"+PONG\r\n" { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}
