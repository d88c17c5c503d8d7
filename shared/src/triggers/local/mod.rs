//! The local process: the router on a port and the poller on a timer, where a deployment has API Gateway and a
//! schedule. The same router, the same poller.

mod arguments;
mod banner;
mod serve;

use std::process::ExitCode;

use self::arguments::Task;
use crate::app::{self, StartError};
use crate::platform::config::{Vars, variables};

/// Does what the arguments say, until Ctrl-C where they say to serve.
pub async fn run(arguments: impl Iterator<Item = String>, vars: Vars) -> ExitCode {
    let outcome = match arguments::parse(arguments) {
        Ok(Task::Serve) => serve::serve(&vars).await,
        Ok(Task::Migrate) => migrate(&vars).await,
        Ok(Task::Help) => {
            print!("{}", arguments::help(variables()));
            Ok(())
        }
        Ok(Task::Version) => {
            println!("mcp-local {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Err(problem) => {
            eprintln!("mcp-local: {problem}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcp-local: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `mcp-local admin migrate`: what the function `admin` does when it is told to.
async fn migrate(vars: &Vars) -> Result<(), StartError> {
    let applied = app::admin(vars).await?.migrate().await?;
    match applied.as_slice() {
        [] => println!("The schema is up to date."),
        _ => println!("Applied: {}", applied.join(", ")),
    }
    Ok(())
}
