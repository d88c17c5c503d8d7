//! Everything in one process, on embedded defaults.

use std::process::ExitCode;

use mcp_core::platform::config::Vars;
use mcp_core::triggers::local;

#[tokio::main]
async fn main() -> ExitCode {
    local::run(std::env::args().skip(1), Vars::from_env()).await
}
