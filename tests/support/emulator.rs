//! A compiled function under AWS's own runtime interface emulator: the program that AWS puts into images to run functions
//! on a developer's machine. Beside [`lambda`](crate::lambda), which a test can look into and which is quicker, this is
//! the runtime API as its owner has written it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::ports::free_port;
use crate::process::{Output, Process, command, compiled};
use crate::services::service;

/// What a function of the deployment may take, as its `Cargo.toml` says.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The memory that it is told it has, in MiB.
    pub memory: u32,
    /// The deadline of an invocation, in seconds.
    pub timeout: u32,
}

/// A function that runs in it. Killed when dropped, and the function with it.
#[derive(Debug)]
pub struct Emulator {
    function: String,
    url: String,
    patience: Duration,
    client: Client,
    _process: Process,
    output: Output,
}

impl Emulator {
    /// Starts the emulator for the compiled function; the first invocation starts the function, with these variables,
    /// those that Lambda sets, and no others.
    ///
    /// # Panics
    /// Where there is no emulator, or it does not listen.
    pub async fn start(function: &str, limits: Limits, variables: &BTreeMap<String, String>) -> Self {
        let (port, runtime_api) = (free_port(), free_port());
        let mut command = command(emulator());
        command.args(["--log-level", "error"]);
        command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        command.args(["--runtime-api-address", &format!("127.0.0.1:{runtime_api}")]);
        command.arg(compiled(function)).envs(variables);
        command.env("AWS_LAMBDA_FUNCTION_NAME", function);
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", limits.memory.to_string());
        command.env("AWS_LAMBDA_FUNCTION_TIMEOUT", limits.timeout.to_string());
        command.envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        let process = Process::start("the emulator", &mut command);
        let output = process.output();
        eventually("the emulator listens", || async {
            TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| format!("{error}; {}", output.text()))
        })
        .await;
        Self {
            function: function.to_owned(),
            url: format!("http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"),
            // It ends a function that is late itself.
            patience: Duration::from_secs(u64::from(limits.timeout) + 30),
            client: Client::new(),
            _process: process,
            output,
        }
    }

    /// Invokes it: `Err` is the error that the function reported.
    ///
    /// # Panics
    /// When the function ends instead of answering, or is late.
    pub async fn invoke(&self, payload: &Value) -> Result<Value, Value> {
        let request = self.client.post(&self.url).body(payload.to_string()).timeout(self.patience);
        let answer = request.send().await.unwrap_or_else(|error| panic!("{error}; {}", self.output()));
        let status = answer.status();
        let text = answer.text().await.unwrap_or_else(|error| panic!("{error}; {}", self.output()));
        assert_eq!(status, StatusCode::OK, "{} does not answer: {text}\n{}", self.function, self.output());
        let answer = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{} answers with no JSON: {error}: {text}\n{}", self.function, self.output())
        });
        // The emulator says no other way which of the two it is.
        if is_error(&answer) { Err(answer) } else { Ok(answer) }
    }

    /// What both printed so far.
    pub fn output(&self) -> String {
        self.output.text()
    }
}

fn is_error(answer: &Value) -> bool {
    ["errorType", "errorMessage"].iter().all(|field| answer.get(field).is_some())
}

fn emulator() -> PathBuf {
    let path = PathBuf::from(service("TEST_LAMBDA_RIE"));
    assert!(path.exists(), "there is no {}: `scripts/services.sh lambda-rie` fetches it", path.display());
    path
}
