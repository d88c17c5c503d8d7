//! The local process: the router on a port, the poller on a timer and the way of events, where a deployment has API
//! Gateway, schedules and event source mappings. The same router, the same services.

mod arguments;
mod banner;
mod commands;
mod pipeline;
mod serve;

use std::process::ExitCode;

use self::arguments::Task;
use crate::app::Failure;
use crate::platform::config::{Vars, variables};
use crate::platform::secrets::References;
use crate::platform::telemetry;

/// Does what the arguments say, until Ctrl-C where they say to serve.
pub async fn run(arguments: impl Iterator<Item = String>, vars: Vars) -> ExitCode {
    let task = match arguments::parse(arguments) {
        Ok(task) => task,
        Err(problem) => {
            eprintln!("mcp-local: {problem}");
            return ExitCode::from(2);
        }
    };
    let outcome = carry_out(task, &vars).await;
    telemetry::flush().await;
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp-local: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(task: Task, vars: &Vars) -> Result<(), Failure> {
    if !matches!(task, Task::Help | Task::Version) {
        References::of(vars)?.refuse()?;
    }
    match task {
        Task::Serve => Ok(serve::serve(vars).await?),
        Task::Migrate => commands::migrate(vars).await,
        Task::Topics => commands::topics(vars).await,
        Task::Rebuild => commands::rebuild(vars).await,
        Task::ListDeadLetters { topic, max, json } => commands::list(vars, &topic, max, json).await,
        Task::ReplayDeadLetters(request) => commands::replay(vars, &request).await,
        Task::Help => {
            print!("{}", arguments::help(variables()));
            Ok(())
        }
        Task::Version => {
            println!("mcp-local {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}
