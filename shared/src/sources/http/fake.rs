//! An HTTP server for tests: every connection gets a canned answer, and what was asked is kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;
use tokio::net::{TcpListener, TcpStream};

use super::{HttpClient, HttpOptions};
use crate::platform::clock::SystemClock;

/// A client on the system's clock.
pub(crate) fn client(options: HttpOptions) -> HttpClient {
    // In a process of its own, the start installs it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    HttpClient::new(options, Arc::new(SystemClock)).unwrap()
}

/// A running server; it ends with the runtime of its test.
pub(crate) struct Fake {
    pub(crate) url: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What it answers with.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: &'static str,
    pub(crate) body: String,
    pub(crate) delay: Duration,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self { status: "200 OK", headers: "", body: body.into(), delay: Duration::ZERO }
    }

    pub(crate) fn status(status: &'static str, headers: &'static str) -> Self {
        Self { status, headers, ..Self::ok("{}") }
    }
}

impl Fake {
    pub(crate) async fn answering(answer: Answer) -> Self {
        Self::answering_in_turn(vec![answer]).await
    }

    /// One answer a request; the last answers all that follow.
    pub(crate) async fn answering_in_turn(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(Mutex::new(vec![]));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for turn in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let answer = answers.get(turn).or(answers.last()).unwrap().clone();
                tokio::spawn(serve(stream, answer, Arc::clone(&seen)));
            }
        });
        Self { url, requests }
    }

    /// The requests so far: their heads, and behind them what was sent.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<String>>>) {
    let mut head = vec![];
    while !is_whole(&head) {
        stream.readable().await.unwrap();
        let mut buffer = [0; 4096];
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => head.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
    seen.lock().unwrap().push(String::from_utf8(head).unwrap());
    tokio::time::sleep(answer.delay).await;
    let Answer { status, headers, body, .. } = answer;
    let text =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len());
    let mut left = text.as_bytes();
    while !left.is_empty() && stream.writable().await.is_ok() {
        match stream.try_write(left) {
            Ok(count) => left = &left[count..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Whether all of a request has come: its head, and as much behind it as that says.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).into_owned();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}
