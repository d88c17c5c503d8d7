//! Many calls: some of them at the same time, and again where they were not answered.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::TableError;
use super::table::pause;

/// Does all of `work`, `at_once` at the same time, and tells what came of it, in no order. The first error ends it, and
/// whatever is under way then may be done or not.
pub(crate) async fn all<T, E, F>(work: Vec<F>, at_once: usize) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut done = Vec::with_capacity(work.len());
    let (mut waiting, mut running) = (work.into_iter(), FuturesUnordered::new());
    running.extend(waiting.by_ref().take(at_once));
    while let Some(outcome) = running.next().await {
        done.push(outcome?);
        running.extend(waiting.next());
    }
    Ok(done)
}

/// Tries again what was throttled, or not answered. For what may be done twice.
pub(crate) async fn persistently<T, F>(attempt: impl Fn() -> F) -> Result<T, TableError>
where
    F: Future<Output = Result<T, TableError>>,
{
    let mut count = 1;
    loop {
        match attempt().await {
            Err(unavailable @ TableError::Unavailable(_)) => pause(count).await.map_err(|_| unavailable)?,
            outcome => return outcome,
        }
        count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_is_done_and_never_more_at_once() {
        let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
        let mut work = vec![];
        for n in 0..50_u32 {
            let (running, most) = (&running, &most);
            work.push(async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, ()>(n)
            });
        }
        let mut done = all(work, 7).await.unwrap();
        done.sort_unstable();
        assert_eq!((done, most.into_inner()), ((0..50).collect(), 7));
    }

    #[tokio::test]
    async fn the_first_error_ends_it() {
        let work: Vec<_> = (0..9).map(|n| async move { if n == 3 { Err(n) } else { Ok(n) } }).collect();
        assert_eq!(all(work, 2).await, Err(3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unavailable_is_tried_again_and_what_failed_is_not() {
        let tries = AtomicU32::new(0);
        let third = persistently(|| async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                2 => Ok(()),
                _ => Err(TableError::Unavailable("throttled".to_owned())),
            }
        });
        third.await.unwrap();
        let failed = persistently(|| async { Err::<(), _>(TableError::Failed("no such table".to_owned())) }).await;
        assert!(matches!(failed, Err(TableError::Failed(_))), "{failed:?}");
        let never = persistently(|| async { Err::<(), _>(TableError::Unavailable("down".to_owned())) }).await;
        assert!(matches!(never, Err(TableError::Unavailable(reason)) if reason == "down"));
    }
}
