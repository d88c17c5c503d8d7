//! What a test has the API do, and what the API counts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Shared;
use crate::eventually::DEADLINE;

/// What it is to do.
#[derive(Default)]
pub(super) struct Controls {
    pub(super) throttle: u32,
    pub(super) fail: u32,
    pub(super) rate: Option<usize>,
    pub(super) delays: HashMap<String, Duration>,
    pub(super) no_disconnects: bool,
    /// When there were posts, of the last second.
    posted: VecDeque<Instant>,
    holds: Vec<Hold>,
}

struct Hold {
    matches: Matches,
    caught: oneshot::Sender<()>,
    released: oneshot::Receiver<()>,
}

type Matches = Box<dyn Fn(&str) -> bool + Send>;

/// A frame that is held back, or will be. It goes on when this is dropped.
#[derive(Debug)]
pub struct Held {
    caught: oneshot::Receiver<()>,
    _release: oneshot::Sender<()>,
}

impl Held {
    /// Until there is one.
    ///
    /// # Panics
    /// When none comes. When it is asked twice.
    pub async fn caught(&mut self) {
        let caught = timeout(DEADLINE, &mut self.caught).await;
        assert!(matches!(caught, Ok(Ok(()))), "no frame came that was to be held back");
    }

    /// Lets it go on.
    pub fn release(self) {}
}

impl Controls {
    pub(super) fn hold(&mut self, matches: Matches) -> Held {
        let ((catch, caught), (release, released)) = (oneshot::channel(), oneshot::channel());
        self.holds.push(Hold { matches, caught: catch, released });
        Held { caught, _release: release }
    }

    /// If a frame is to wait: until when.
    pub(super) fn held(&mut self, body: &str) -> Option<oneshot::Receiver<()>> {
        let place = self.holds.iter().position(|hold| (hold.matches)(body))?;
        let Hold { caught, released, .. } = self.holds.swap_remove(place);
        let _ = caught.send(());
        Some(released)
    }

    /// Whether the next call is to fail.
    pub(super) fn fails(&mut self) -> bool {
        taken(&mut self.fail)
    }

    /// Whether the next call is one too many.
    pub(super) fn throttles(&mut self, is_post: bool) -> bool {
        if taken(&mut self.throttle) {
            return true;
        }
        let Some(rate) = self.rate.filter(|_| is_post) else { return false };
        let now = Instant::now();
        while self.posted.front().is_some_and(|at| now - *at >= Duration::from_secs(1)) {
            self.posted.pop_front();
        }
        if self.posted.len() >= rate {
            return true;
        }
        self.posted.push_back(now);
        false
    }
}

fn taken(count: &mut u32) -> bool {
    let some = *count > 0;
    *count = count.saturating_sub(1);
    some
}

/// What it counts.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) posts: HashMap<String, u64>,
    pub(super) throttled: u64,
    pub(super) deletes: u64,
    pub(super) most_at_once: usize,
    pub(super) events: Vec<Value>,
    pub(super) failures: Vec<Value>,
    at_once: usize,
}

/// An invocation that runs. Over when this is dropped.
pub(super) struct Running {
    shared: Arc<Shared>,
    is_counted: bool,
}

impl Shared {
    /// Counts an invocation.
    pub(super) fn begin(self: &Arc<Self>, event: &Value) -> Running {
        let is_counted = event["requestContext"]["routeKey"] == "$default";
        let mut counts = self.counts();
        counts.events.push(event.clone());
        counts.at_once += usize::from(is_counted);
        counts.most_at_once = counts.most_at_once.max(counts.at_once);
        Running { shared: self.clone(), is_counted }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.counts().at_once -= usize::from(self.is_counted);
    }
}
