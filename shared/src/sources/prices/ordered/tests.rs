use super::*;
use crate::platform::clock::ManualClock;
use crate::sources::prices::fake::{FakeSource, coin, quote};

fn clock() -> ManualClock {
    ManualClock::at(chrono::DateTime::UNIX_EPOCH)
}

fn ordered(sources: &[Arc<FakeSource>], clock: &ManualClock) -> OrderedSources {
    let sources = sources.iter().map(|source| (Arc::clone(source) as _, breaker::Options::new(source.name)));
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    OrderedSources::new(sources, &clock, &Breakers::new(clock.clone()))
}

fn down() -> SourceError {
    SourceError::Unavailable("HTTP 503".to_owned())
}

fn failed(service: &'static str) -> Outcome {
    Outcome::Failed { service, retry_after: None }
}

#[tokio::test]
async fn the_next_source_is_asked_only_for_what_is_missing() {
    let first = FakeSource::new("first", Ok(vec![quote("a", "1"), quote("unasked", "1")]));
    let second = FakeSource::new("second", Ok(vec![quote("a", "9"), quote("b", "2")]));
    let outcomes = ordered(&[first, Arc::clone(&second)], &clock()).quotes(&[coin("a"), coin("b"), coin("c")]).await;
    assert_eq!(outcomes[&coin("a")], Outcome::Found(quote("a", "1")));
    assert_eq!(outcomes[&coin("b")], Outcome::Found(quote("b", "2")));
    assert_eq!(outcomes[&coin("c")], Outcome::Unknown);
    assert_eq!(outcomes.len(), 3);
    assert_eq!(second.calls(), [[coin("b"), coin("c")]]);
}

#[tokio::test]
async fn a_coin_is_unknown_only_if_every_source_answered() {
    let first = FakeSource::new("first", Err(down()));
    let second = FakeSource::new("second", Ok(vec![quote("a", "1")]));
    let outcomes = ordered(&[first, second], &clock()).quotes(&[coin("a"), coin("b")]).await;
    assert_eq!(outcomes[&coin("a")], Outcome::Found(quote("a", "1")));
    assert_eq!(outcomes[&coin("b")], failed("first"));
}

#[tokio::test]
async fn a_source_that_keeps_failing_is_left_alone() {
    let first = FakeSource::new("first", Err(down()));
    let sources = ordered(&[Arc::clone(&first)], &clock());
    for _ in 0..8 {
        sources.quotes(&[coin("a")]).await;
    }
    assert_eq!(first.calls().len(), 5);
    let retry_after = Some(Duration::from_secs(30));
    assert_eq!(sources.quotes(&[coin("a")]).await[&coin("a")], Outcome::Failed { service: "first", retry_after });
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let clock = clock();
    let limited = SourceError::RateLimited { retry_after: Some(Duration::from_secs(60)) };
    let first = FakeSource::new("first", Err(limited));
    let sources = ordered(&[Arc::clone(&first)], &clock);
    sources.quotes(&[coin("a")]).await;
    first.set(Ok(vec![quote("a", "1")]));
    clock.advance(TimeDelta::seconds(59));
    let retry_after = Some(Duration::from_secs(1));
    assert_eq!(sources.quotes(&[coin("a")]).await[&coin("a")], Outcome::Failed { service: "first", retry_after });
    assert_eq!(first.calls().len(), 1);
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(sources.quotes(&[coin("a")]).await[&coin("a")], Outcome::Found(quote("a", "1")));
}
