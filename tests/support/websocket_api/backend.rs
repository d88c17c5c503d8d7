//! The function behind the API.

use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::Shared;
use super::controls::Running;
use crate::lambda::Lambda;

/// What a function returns, or the error that it reports.
pub type Answer = Result<Value, Value>;

type Closure = Box<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// A function that is sent all events of an API.
pub struct Backend(Kind);

enum Kind {
    Lambda(Sandboxes),
    Closure(Closure),
}

/// Those that are free. Each takes one invocation at a time, as at Lambda; who waits longest is next.
struct Sandboxes {
    free: Mutex<mpsc::UnboundedReceiver<Arc<Lambda>>>,
    freed: mpsc::UnboundedSender<Arc<Lambda>>,
}

impl Backend {
    /// A compiled function in these sandboxes. One whose process ends reports an error, and is not replaced.
    pub fn lambda(sandboxes: impl IntoIterator<Item = Arc<Lambda>>) -> Self {
        let (freed, free) = mpsc::unbounded_channel();
        for sandbox in sandboxes {
            freed.send(sandbox).expect("the receiver is there");
        }
        Self(Kind::Lambda(Sandboxes { free: Mutex::new(free), freed }))
    }

    /// A closure, invoked as often at once as there are events.
    pub fn closure<F: Future<Output = Answer> + Send + 'static>(
        function: impl Fn(Value) -> F + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Closure(Box::new(move |event| Box::pin(function(event)))))
    }

    async fn invoke(&self, event: Value, begun: impl FnOnce(&Value) -> Running) -> Answer {
        match &self.0 {
            Kind::Closure(function) => {
                let _running = begun(&event);
                function(event).await
            }
            Kind::Lambda(sandboxes) => {
                let sandbox = sandboxes.free.lock().await.recv().await.expect("a sender is there");
                let running = begun(&event);
                let freed = sandboxes.freed.clone();
                // In a task of its own: a sandbox is busy until it answers, also where nobody waits for it any more.
                let invocation = tokio::spawn(async move {
                    let _running = running;
                    let answer = sandbox.invoke(event).await;
                    let _ = freed.send(sandbox);
                    answer
                });
                invocation.await.unwrap_or_else(|_| Err(json!({ "errorType": "Runtime.ExitError" })))
            }
        }
    }
}

impl Shared {
    /// Invokes the function: the response that it gives, an object with an HTTP status. `None` where it gives none in time,
    /// reports an error, or gives what API Gateway calls malformed.
    pub(super) async fn invoke(self: &Arc<Self>, event: Value) -> Option<(u16, Value)> {
        let answer = timeout(self.limits.integration, self.backend.invoke(event, |event| self.begin(event))).await;
        let failure = match answer {
            Ok(Ok(response)) => match response["statusCode"].as_u64().and_then(|status| status.try_into().ok()) {
                Some(status) => return Some((status, response)),
                None => json!({ "malformed": response }),
            },
            Ok(Err(error)) => error,
            Err(_) => json!({ "errorType": "timeout" }),
        };
        self.counts().failures.push(failure);
        None
    }
}
