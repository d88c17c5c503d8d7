//! What stands before a Postgres of Amazon RDS: it talks TLS only, asks for the password in clear text, notes it, and connects
//! whoever has one. Not imitated: that it checks the token, and shares connections.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificates;

/// The code of the message by which a client asks for TLS.
const SSL_REQUEST: u32 = 80_877_103;
/// The version of the protocol.
const PROTOCOL: u32 = 196_608;

/// A running one. Everything ends when it is dropped.
#[derive(Debug)]
pub struct RdsProxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Login>>>,
    cut: watch::Sender<()>,
    _server: JoinSet<()>,
}

/// Who came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

#[derive(Clone)]
struct Way {
    tls: TlsAcceptor,
    target: String,
    owner: String,
    seen: Arc<Mutex<Vec<Login>>>,
}

impl RdsProxy {
    /// Before the server of `url` (`postgres://USER@HOST:PORT/...`, without a password), whose user is whoever comes in.
    pub async fn before(url: &str, certificates: &Certificates) -> Self {
        let (owner, rest) = url.trim_start_matches("postgres://").split_once('@').expect("a URL with a user");
        let target = rest.split('/').next().unwrap_or_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound port");
        let seen = Arc::default();
        let way = Way {
            tls: acceptor(certificates),
            target: target.to_owned(),
            owner: owner.to_owned(),
            seen: Arc::clone(&seen),
        };
        let (cut, cuts) = watch::channel(());
        let mut server = JoinSet::new();
        server.spawn(listen(listener, way, cuts));
        Self { address, seen, cut, _server: server }
    }

    /// Its address, as `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Who came in so far, in order.
    pub fn logins(&self) -> Vec<Login> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all connections that are open.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}

fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(certificates.server()).expect("the certificate can be read");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("the certificate is one");
    let key = PrivateKeyDer::from_pem_file(certificates.key()).expect("the key can be read");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("TLS is known").with_no_client_auth().with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.expect("the key is the certificate's")))
}

async fn listen(listener: TcpListener, way: Way, cuts: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (way, mut cuts) = (way.clone(), cuts.clone());
        cuts.mark_unchanged();
        connections.spawn(async move {
            tokio::select! {
                _ = let_in(client, way) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn let_in(mut client: TcpStream, way: Way) -> io::Result<()> {
    let first = message(&mut client).await?;
    if first != SSL_REQUEST.to_be_bytes() {
        return client.write_all(&error("28000", "This RDS Proxy requires TLS connections")).await;
    }
    client.write_all(b"S").await?;
    let mut client = way.tls.accept(client).await?;
    let startup = message(&mut client).await?;
    // Ask for the password in clear text.
    client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await?;
    if client.read_u8().await? != b'p' {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let password = message(&mut client).await?;
    let mut texts = startup.get(4..).unwrap_or_default().split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mut parameters = vec![];
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        if !name.is_empty() {
            parameters.push((name.into_owned(), value.into_owned()));
        }
    }
    let user = parameters.iter_mut().find(|(name, _)| name == "user").map(|(_, user)| user).expect("a user");
    let user = std::mem::replace(user, way.owner);
    let password = String::from_utf8_lossy(&password).trim_end_matches('\0').to_owned();
    way.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Login { user, password });
    let mut server = TcpStream::connect(way.target).await?;
    server.write_all(&start(&parameters)).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// What follows the length of a message.
async fn message(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await?.saturating_sub(4).min(10_000);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn start(parameters: &[(String, String)]) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    [&length_of(&body)[..], &body].concat()
}

fn error(code: &str, text: &str) -> Vec<u8> {
    let body = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0").into_bytes();
    [b"E", &length_of(&body)[..], &body].concat()
}

/// The length of a message, its own four bytes included.
fn length_of(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).expect("a short message").to_be_bytes()
}
