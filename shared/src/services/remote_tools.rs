//! The tools of other servers, offered as `server__tool`: each server behind its breaker, its list kept for a while. A server that
//! does not answer offers what it last did, or nothing; it never holds up the others.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::Error;
use crate::breaker::{BreakerError, Breakers, CircuitBreaker, Options};
use crate::domain::tool::Tool;
use crate::platform::clock::{Clock, Timestamp};
use crate::sources::tool_servers::ToolServer;
use crate::sources::{SourceError, behind_breaker};

/// What stands between the names of a server and its tool.
const BETWEEN: &str = "__";
/// How long a list is good for.
const KEPT: TimeDelta = TimeDelta::minutes(5);
/// How long a server may take for its list: it is waited for by whoever asks for any.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same for a call.
const DEADLINE: Duration = Duration::from_secs(15);

/// The use cases of other servers' tools.
pub struct RemoteTools {
    servers: Vec<Server>,
    clock: Arc<dyn Clock>,
}

struct Server {
    remote: Arc<dyn ToolServer>,
    /// Two, since lists are waited for and calls may take their time.
    list: Arc<CircuitBreaker>,
    call: Arc<CircuitBreaker>,
    known: Mutex<Option<(Timestamp, Vec<Tool>)>>,
}

impl RemoteTools {
    /// The tools of these servers.
    pub fn new(
        servers: impl IntoIterator<Item = Arc<dyn ToolServer>>,
        clock: Arc<dyn Clock>,
        breakers: &Breakers,
    ) -> Self {
        let breaker = |name: String, timeout| {
            breakers.get(&Options { timeout, group: Some("mcp".into()), volume_threshold: 3, ..Options::new(name) })
        };
        let servers = servers.into_iter().map(|server| Server {
            list: breaker(format!("mcp.{}.list", server.name()), PATIENCE),
            call: breaker(format!("mcp.{}", server.name()), DEADLINE),
            remote: server,
            known: Mutex::default(),
        });
        Self { servers: servers.collect(), clock }
    }

    /// All of them, by the names that they have here.
    pub async fn all(&self) -> Vec<Tool> {
        let now = self.clock.now();
        join_all(self.servers.iter().map(|server| server.tools(now))).await.concat()
    }

    /// Whether a tool of that name would be another server's.
    pub fn is_remote(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Calls one: a `CallToolResult` of the protocol, as JSON.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such server; [`Error::Invalid`] where it refuses; [`Error::Unavailable`] where it does
    /// not answer.
    pub async fn call(&self, name: &str, arguments: Map<String, Value>) -> Result<Value, Error> {
        let (server, tool) = self.find(name).ok_or_else(|| Error::NotFound(format!("there is no tool {name:?}")))?;
        let answered =
            |error: &BreakerError<SourceError>| matches!(error, BreakerError::Failed(SourceError::Malformed(_)));
        let answer = server.call.call_filtered(server.remote.call(tool, arguments), answered).await;
        answer.map_err(|error| match behind_breaker(error) {
            SourceError::Malformed(problem) => Error::Invalid(format!("{}: {problem}", server.remote.name())),
            error => {
                let service = format!("mcp.{}", server.remote.name());
                Error::Unavailable { service, retry_after: error.retry_after() }
            }
        })
    }

    fn find<'a>(&self, name: &'a str) -> Option<(&Server, &'a str)> {
        let (server, tool) = name.split_once(BETWEEN)?;
        Some((self.servers.iter().find(|known| known.remote.name() == server)?, tool))
    }
}

impl Server {
    async fn tools(&self, now: Timestamp) -> Vec<Tool> {
        // Whoever comes meanwhile waits for the same list.
        let mut known = self.known.lock().await;
        if let Some((listed, tools)) = known.as_ref()
            && now < *listed + KEPT
        {
            return tools.clone();
        }
        let name = self.remote.name();
        match self.list.call(self.remote.tools()).await.map_err(behind_breaker) {
            Ok(mut tools) => {
                for tool in &mut tools {
                    tool.name = format!("{name}{BETWEEN}{}", tool.name);
                }
                *known = Some((now, tools.clone()));
                tools
            }
            Err(error) => {
                tracing::warn!(server = name, %error, "the tools of another server cannot be listed");
                known.as_ref().map(|(_, tools)| tools.clone()).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::platform::BoxFuture;
    use crate::platform::clock::ManualClock;

    struct Fake {
        name: &'static str,
        down: AtomicBool,
        lists: AtomicUsize,
    }

    impl ToolServer for Fake {
        fn name(&self) -> &str {
            self.name
        }

        fn tools(&self) -> BoxFuture<'_, Result<Vec<Tool>, SourceError>> {
            self.lists.fetch_add(1, Ordering::SeqCst);
            let tool = |name: &str| Tool {
                name: name.to_owned(),
                title: name.to_owned(),
                description: String::new(),
                input_schema: json!({ "type": "object" }),
                output_schema: None,
                reads: true,
            };
            let down = self.down.load(Ordering::SeqCst);
            let answer = if down { Err(SourceError::Unavailable("down".to_owned())) } else { Ok(vec![tool("echo")]) };
            std::future::ready(answer).boxed()
        }

        fn call<'a>(
            &'a self,
            tool: &'a str,
            arguments: Map<String, Value>,
        ) -> BoxFuture<'a, Result<Value, SourceError>> {
            let answer = match tool {
                _ if self.down.load(Ordering::SeqCst) => Err(SourceError::Unavailable("down".to_owned())),
                "echo" => Ok(json!({ "structuredContent": arguments })),
                _ => Err(SourceError::Malformed("it refused".to_owned())),
            };
            std::future::ready(answer).boxed()
        }
    }

    fn fixture() -> (RemoteTools, Arc<Fake>, Arc<Fake>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
        let fake = |name| Arc::new(Fake { name, down: AtomicBool::default(), lists: AtomicUsize::default() });
        let (a, b) = (fake("a"), fake("b"));
        let breakers = Breakers::new(clock.clone());
        let tools = RemoteTools::new([a.clone() as _, b.clone() as _], clock.clone(), &breakers);
        (tools, a, b, clock)
    }

    async fn names(tools: &RemoteTools) -> Vec<String> {
        tools.all().await.into_iter().map(|tool| tool.name).collect()
    }

    #[tokio::test]
    async fn tools_are_named_after_their_servers_and_lists_are_kept() {
        let (tools, a, _, clock) = fixture();
        assert_eq!(names(&tools).await, ["a__echo", "b__echo"]);
        names(&tools).await;
        assert_eq!(a.lists.load(Ordering::SeqCst), 1);
        clock.advance(TimeDelta::seconds(301));
        names(&tools).await;
        assert_eq!(a.lists.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_server_that_is_down_offers_what_it_last_did_and_holds_up_no_other() {
        let (tools, a, b, clock) = fixture();
        b.down.store(true, Ordering::SeqCst);
        assert_eq!(names(&tools).await, ["a__echo"]);
        a.down.store(true, Ordering::SeqCst);
        clock.advance(TimeDelta::seconds(301));
        assert_eq!(names(&tools).await, ["a__echo"]);
    }

    #[tokio::test]
    async fn a_call_goes_to_the_server_that_its_name_says() {
        let (tools, a, ..) = fixture();
        let arguments = || Map::from_iter([("x".to_owned(), json!(1))]);
        let answer = tools.call("b__echo", arguments()).await.unwrap();
        assert_eq!(answer["structuredContent"]["x"], 1);
        assert!(matches!(tools.call("c__echo", arguments()).await, Err(Error::NotFound(_))));
        assert!(matches!(tools.call("a__nope", arguments()).await, Err(Error::Invalid(_))));
        a.down.store(true, Ordering::SeqCst);
        assert!(matches!(tools.call("a__echo", arguments()).await, Err(Error::Unavailable { .. })));
    }

    #[tokio::test]
    async fn a_server_that_fails_again_and_again_is_not_asked_any_more() {
        let (tools, a, ..) = fixture();
        a.down.store(true, Ordering::SeqCst);
        let mut last = None;
        for _ in 0..10 {
            last = tools.call("a__echo", Map::new()).await.err();
        }
        assert!(matches!(last, Some(Error::Unavailable { retry_after: Some(_), .. })), "{last:?}");
    }
}
