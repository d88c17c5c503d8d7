//! The command line.

use std::fmt::Write;

use crate::platform::config::Variable;
use crate::services::replay::{ReplayFilter, ReplayRequest};

/// What a command line asks for.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Serve,
    Migrate,
    Topics,
    Rebuild,
    ListDeadLetters { topic: String, max: usize, json: bool },
    ReplayDeadLetters(ReplayRequest),
    Help,
    Version,
}

/// How many dead letters are listed unless it is said.
const LISTED: usize = 100;

/// Reads the arguments that follow the program's name.
pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let arguments: Vec<_> = arguments.collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Ok(Task::Serve),
        ["admin", "migrate"] => Ok(Task::Migrate),
        ["admin", "topics"] => Ok(Task::Topics),
        ["admin", "rebuild"] => Ok(Task::Rebuild),
        ["dlq", "list", topic, options @ ..] => list(topic, options),
        ["dlq", "replay", topic, options @ ..] => replay(topic, options).map(Task::ReplayDeadLetters),
        ["--help" | "-h" | "help", ..] => Ok(Task::Help),
        ["--version" | "-V"] => Ok(Task::Version),
        _ => Err(format!("{:?} is no command; see mcp-local --help", arguments.join(" "))),
    }
}

fn list(topic: &str, mut options: &[&str]) -> Result<Task, String> {
    let (mut max, mut json) = (LISTED, false);
    while let [option, rest @ ..] = options {
        options = match (*option, rest) {
            ("--json", rest) => {
                json = true;
                rest
            }
            ("--max", [value, rest @ ..]) => {
                max = number("--max", value)?;
                rest
            }
            _ => return Err(format!("{option} is no option of dlq list, or lacks its value")),
        };
    }
    Ok(Task::ListDeadLetters { topic: topic.to_owned(), max, json })
}

fn replay(topic: &str, mut options: &[&str]) -> Result<ReplayRequest, String> {
    let mut request = ReplayRequest { topic: topic.to_owned(), ..ReplayRequest::default() };
    let ReplayFilter { event_type, error, from, until, key } = &mut request.filter;
    let time = |name: &str, text: &str| {
        let time = text.parse().map_err(|_| format!("{name} takes a time such as 2026-01-31T12:00:00Z, not {text:?}"));
        time.map(Some)
    };
    while let [option, rest @ ..] = options {
        if *option == "--dry-run" {
            request.dry_run = true;
            options = rest;
            continue;
        }
        let [value, rest @ ..] = rest else {
            return Err(format!("{option} is no option of dlq replay, or lacks its value"));
        };
        match *option {
            "--max" => request.max = Some(number("--max", value)?),
            "--to" => request.to = Some((*value).to_owned()),
            "--event-type" => *event_type = Some((*value).to_owned()),
            "--error" => *error = Some((*value).to_owned()),
            "--key" => *key = Some((*value).to_owned()),
            "--from" => *from = time("--from", value)?,
            "--until" => *until = time("--until", value)?,
            _ => return Err(format!("{option} is no option of dlq replay")),
        }
        options = rest;
    }
    Ok(request)
}

fn number(name: &str, text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{name} takes a number, not {text:?}"))
}

/// The text of `--help`.
pub(super) fn help(variables: impl Iterator<Item = Variable>) -> String {
    let mut text = String::from(
        "mcp-local: all of mcp-server in one process\n\n\
         Usage:\n\
         \x20 mcp-local                    serve, until Ctrl-C\n\
         \x20 mcp-local admin migrate      bring the database's schema up to date\n\
         \x20 mcp-local admin topics       make the topics that are missing\n\
         \x20 mcp-local admin rebuild      rebuild the read models from all events, and swap them in\n\
         \x20 mcp-local dlq list TOPIC     show the dead letters of a topic, such as mcp.events\n\
         \x20     [--max N] [--json]\n\
         \x20 mcp-local dlq replay TOPIC   send them back to the topic\n\
         \x20     [--max N] [--event-type TYPE] [--error TEXT] [--key KEY] [--from TIME] [--until TIME]\n\
         \x20     [--to TOPIC] [--dry-run]\n\
         \x20 mcp-local --help             this text\n\n\
         Settings are environment variables:\n",
    );
    for Variable { name, meaning, default } in variables {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<22} {meaning} (default: {default})");
    }
    text.push_str(
        "\nOn Lambda the value of any of them may be the name of a secret instead:\n\
         \x20 secretsmanager:NAME-OR-ARN   of AWS Secrets Manager\n\
         \x20 secretsmanager:NAME-OR-ARN#KEY  the same, a member of the JSON object that it is\n\
         \x20 ssm:/NAME                    a parameter of AWS Systems Manager\n",
    );
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
        assert!(matches!(parsed(""), Ok(Task::Serve)));
        assert!(matches!(parsed("admin migrate"), Ok(Task::Migrate)));
        assert!(matches!(parsed("--help"), Ok(Task::Help)));
        assert!(parsed("admin").is_err() && parsed("serve now").is_err());
    }

    #[test]
    fn dead_letters_are_listed_and_replayed_with_options() {
        let Ok(Task::ListDeadLetters { topic, max: 3, json: true }) = parsed("dlq list mcp.events --max 3 --json")
        else {
            panic!("a list")
        };
        assert_eq!(topic, "mcp.events");
        let Ok(Task::ReplayDeadLetters(request)) =
            parsed("dlq replay mcp.events --dry-run --max 5 --error Malformed --from 2026-01-31T12:00:00Z")
        else {
            panic!("a replay")
        };
        assert!(request.dry_run && request.filter.from.is_some() && request.filter.until.is_none());
        assert_eq!((request.max, request.filter.error.as_deref()), (Some(5), Some("Malformed")));
        for line in ["dlq", "dlq replay", "dlq replay t --max", "dlq replay t --max many", "dlq list t --dry-run x"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
