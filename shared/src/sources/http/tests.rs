use chrono::TimeDelta;

use super::fake::{Answer, Fake};
use super::*;
use crate::platform::clock::ManualClock;

fn client(timeout: Duration, max_bytes: usize) -> HttpClient {
    super::fake::client(HttpOptions { timeout, max_bytes, ..HttpOptions::default() })
}

async fn answer(fake: &Fake, client: &HttpClient, key: Option<&Secret>) -> Result<Bytes, SourceError> {
    let key = key.map(|key| ("x-key", key));
    client.get(Get { service: "fake", base: &fake.url, path: "/price", query: &[("ids", "a,b")], key }).await
}

fn patient() -> HttpClient {
    client(Duration::from_secs(10), 1000)
}

#[tokio::test]
async fn the_path_is_appended_and_the_body_returned() {
    let fake = Fake::answering(Answer::ok("body")).await;
    assert_eq!(answer(&fake, &patient(), None).await.unwrap(), "body");
    assert!(fake.requests()[0].starts_with("GET /api/price?ids=a%2Cb HTTP/1.1"), "{:?}", fake.requests());
}

#[tokio::test]
async fn a_key_is_sent_and_is_in_no_error() {
    let fake = Fake::answering(Answer::status("500 Oh", "")).await;
    let key = Secret::new("hunter2");
    let error = answer(&fake, &patient(), Some(&key)).await.unwrap_err();
    assert!(fake.requests()[0].contains("x-key: hunter2"));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let error = answer(&fake, &patient(), Some(&Secret::new("hunter\n2"))).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter"));
}

#[tokio::test]
async fn a_status_says_whether_to_try_again() {
    for (status, transient) in [
        ("503 Busy", true),
        ("429 Slow", true),
        ("408 Late", true),
        ("401 No", false),
        ("404 None", false),
        ("302 Found", false),
    ] {
        let fake = Fake::answering(Answer::status(status, "location: /elsewhere\r\n")).await;
        let error = answer(&fake, &patient(), None).await.unwrap_err();
        assert_eq!(error.is_transient(), transient, "{status}: {error}");
        assert_eq!(fake.requests().len(), 1, "no redirect is followed");
    }
}

#[tokio::test]
async fn a_slow_answer_times_out() {
    let slow = Answer { delay: Duration::from_secs(60), ..Answer::ok("") };
    let fake = Fake::answering(slow).await;
    let error = answer(&fake, &client(Duration::from_millis(50), 1000), None).await.unwrap_err();
    assert!(matches!(error, SourceError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let fake = Fake::answering(Answer::ok("x".repeat(1001))).await;
    let error = answer(&fake, &patient(), None).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLong(1000)), "{error}");
}

#[tokio::test]
async fn nobody_there_is_unavailable_without_the_url() {
    let mut fake = Fake::answering(Answer::ok("")).await;
    fake.url = "http://127.0.0.1:1/?key=hunter2".parse().unwrap();
    let error = answer(&fake, &patient(), None).await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = "2026-01-05T10:00:00Z".parse().unwrap();
    let clock = ManualClock::at(now);
    let read = |value: &'static str| {
        retry_after(&HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static(value))]), clock.now())
    };
    assert_eq!(read("30"), Some(Duration::from_secs(30)));
    assert_eq!(read("Mon, 05 Jan 2026 10:01:30 GMT"), Some(Duration::from_secs(90)));
    clock.advance(TimeDelta::minutes(5));
    assert_eq!(read("Mon, 05 Jan 2026 10:01:30 GMT"), Some(Duration::ZERO));
    for nonsense in ["", "soon", "-1"] {
        assert_eq!(read(nonsense), None);
    }
}
