//! The command line.

use std::fmt::Write;

use crate::platform::config::Variable;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    Serve,
    Migrate,
    Help,
    Version,
}

/// Reads the arguments that follow the program's name.
pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let arguments: Vec<_> = arguments.collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Ok(Task::Serve),
        ["admin", "migrate"] => Ok(Task::Migrate),
        ["--help" | "-h" | "help", ..] => Ok(Task::Help),
        ["--version" | "-V"] => Ok(Task::Version),
        _ => Err(format!("{:?} is no command; see mcp-local --help", arguments.join(" "))),
    }
}

/// The text of `--help`.
pub(super) fn help(variables: impl Iterator<Item = Variable>) -> String {
    let mut text = String::from(
        "mcp-local: all of mcp-server in one process\n\n\
         Usage:\n\
         \x20 mcp-local                  serve, until Ctrl-C\n\
         \x20 mcp-local admin migrate    bring the database's schema up to date\n\
         \x20 mcp-local --help           this text\n\n\
         Settings are environment variables:\n",
    );
    for Variable { name, meaning, default } in variables {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<22} {meaning} (default: {default})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_command_line_is_one_of_a_few() {
        assert_eq!(parsed(""), Ok(Task::Serve));
        assert_eq!(parsed("admin migrate"), Ok(Task::Migrate));
        assert_eq!(parsed("--help"), Ok(Task::Help));
        assert!(parsed("admin").is_err() && parsed("serve now").is_err());
    }
}
