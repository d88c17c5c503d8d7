//! A bad network: a TCP proxy between two parties whose behaviour a test switches while it runs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::ports::free_port;

/// What happens to connections, new and open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Bytes pass.
    Good,
    /// Bytes pass, each piece this much later, in both directions.
    Slow(Duration),
    /// Open connections are reset, new ones are accepted and reset.
    Resets,
    /// Open connections are reset, new ones are refused.
    Refuses,
    /// Connections stand, and nothing passes: the half-open socket. What was sent passes once the network is good again.
    BlackHole,
}

/// The proxy. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    wanted: watch::Sender<Network>,
    listening: watch::Receiver<Network>,
    requests: Arc<AtomicU64>,
    forgotten: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Proxy {
    /// A good network to `target` (`host:port`).
    pub async fn to(target: &str) -> Self {
        Self::on(free_port(), target).await
    }

    /// The same, on a port that was chosen before.
    pub async fn on(port: u16, target: &str) -> Self {
        let (wanted, network) = watch::channel(Network::Good);
        let (state, listening) = watch::channel(Network::Refuses);
        let requests = Arc::new(AtomicU64::new(0));
        let forgotten = Arc::new(AtomicU64::new(0));
        let mut task = JoinSet::new();
        let way = Way { target: target.to_owned(), requests: requests.clone(), forgotten: forgotten.clone() };
        task.spawn(listen(port, way, network, state));
        let proxy = Self { port, wanted, listening, requests, forgotten, _task: task };
        proxy.set(Network::Good).await;
        proxy
    }

    /// A good network to the Postgres server of `url`, and the URL of the same database through it.
    pub async fn to_postgres(url: &str) -> (Self, String) {
        let (server, database) = url.rsplit_once('/').expect("a URL ends with a database");
        let (_, target) = server.rsplit_once(['@', '/']).expect("a URL names a server");
        let proxy = Self::to(target).await;
        let prefix = server.strip_suffix(target).unwrap_or_default();
        let through = format!("{prefix}{}/{database}", proxy.address());
        (proxy, through)
    }

    /// How often clients have sent something: once a round trip, where it is small.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// The address to connect to instead of the target, as `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Forgets the connections that are open, as what lies between does after a long silence: they stand, and nothing
    /// passes any more. New ones are as before.
    pub fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    /// Switches. Returns when new connections meet the new behaviour; open ones do within a moment.
    pub async fn set(&self, network: Network) {
        self.wanted.send_replace(network);
        let mut listening = self.listening.clone();
        listening.wait_for(|now| *now == network).await.expect("the proxy listens");
    }
}

/// Where connections lead, and what has been sent there.
#[derive(Clone)]
struct Way {
    target: String,
    requests: Arc<AtomicU64>,
    forgotten: Arc<AtomicU64>,
}

async fn listen(port: u16, way: Way, mut network: watch::Receiver<Network>, state: watch::Sender<Network>) {
    let mut connections = JoinSet::new();
    let mut listener = None;
    loop {
        let now = *network.borrow_and_update();
        listener = match listener {
            _ if now == Network::Refuses => None,
            None => Some(TcpListener::bind(("127.0.0.1", port)).await.expect("the proxy's port is free")),
            open => open,
        };
        state.send_replace(now);
        tokio::select! {
            changed = network.changed() => if changed.is_err() { return },
            Ok((client, _)) = accept(listener.as_ref()) => {
                connections.spawn(carry(client, way.clone(), network.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, std::net::SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn carry(mut client: TcpStream, way: Way, network: watch::Receiver<Network>) {
    let mut cut = network.clone();
    let Ok(mut server) = TcpStream::connect(&way.target).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let opened = way.forgotten.load(Ordering::SeqCst);
    let known = || way.forgotten.load(Ordering::SeqCst) == opened;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        biased;
        _ = cut.wait_for(|now| matches!(now, Network::Resets | Network::Refuses)) => {}
        // Both directions end by themselves: a side that has said all may still listen.
        (Ok(()), Ok(())) = async {
            let requests = pump(from_client, to_server, network.clone(), Some(&way.requests), known);
            tokio::join!(requests, pump(from_server, to_client, network.clone(), None, known))
        } => return,
        else => {}
    }
    // Without lingering, closing is a reset.
    let _ = (client.set_zero_linger(), server.set_zero_linger());
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut network: watch::Receiver<Network>,
    counter: Option<&AtomicU64>,
    known: impl Fn() -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let now = network.wait_for(|now| *now != Network::BlackHole).await.map(|now| *now);
        if !known() {
            return std::future::pending().await;
        }
        if let Ok(Network::Slow(delay)) = now {
            sleep(delay).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::timeout;

    use super::*;

    /// A server that returns what it is sent, and a proxy to it.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (Proxy::to(&target).await, tasks)
    }

    async fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        stream.write_all(b"ping").await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    async fn connect(proxy: &Proxy) -> io::Result<TcpStream> {
        TcpStream::connect(proxy.address()).await
    }

    #[tokio::test]
    async fn a_good_network_carries() {
        let (proxy, _echo) = echo().await;
        assert_eq!(ask(&mut connect(&proxy).await.unwrap()).await.unwrap(), *b"ping");
    }

    #[tokio::test]
    async fn a_slow_network_takes_its_time_both_ways() {
        let (proxy, _echo) = echo().await;
        proxy.set(Network::Slow(Duration::from_millis(50))).await;
        let started = Instant::now();
        ask(&mut connect(&proxy).await.unwrap()).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn resets_hit_open_and_new_connections() {
        let (proxy, _echo) = echo().await;
        let mut open = connect(&proxy).await.unwrap();
        ask(&mut open).await.unwrap();
        proxy.set(Network::Resets).await;
        assert_eq!(open.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let new = async { ask(&mut connect(&proxy).await?).await }.await;
        assert!(new.is_err());
    }

    #[tokio::test]
    async fn refused_means_that_nobody_listens_until_it_is_good_again() {
        let (proxy, _echo) = echo().await;
        proxy.set(Network::Refuses).await;
        assert_eq!(connect(&proxy).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        proxy.set(Network::Good).await;
        ask(&mut connect(&proxy).await.unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn a_forgotten_connection_is_silent_and_a_new_one_is_not() {
        let (proxy, _echo) = echo().await;
        let mut open = connect(&proxy).await.unwrap();
        ask(&mut open).await.unwrap();
        proxy.forget();
        assert!(timeout(Duration::from_millis(100), ask(&mut open)).await.is_err());
        assert_eq!(ask(&mut connect(&proxy).await.unwrap()).await.unwrap(), *b"ping");
    }

    #[tokio::test]
    async fn a_black_hole_holds_what_it_is_given_until_it_is_good_again() {
        let (proxy, _echo) = echo().await;
        let mut open = connect(&proxy).await.unwrap();
        ask(&mut open).await.unwrap();
        proxy.set(Network::BlackHole).await;
        assert!(timeout(Duration::from_millis(100), ask(&mut open)).await.is_err());
        proxy.set(Network::Good).await;
        let mut late = [0; 4];
        open.read_exact(&mut late).await.unwrap();
        assert_eq!(late, *b"ping");
    }
}
