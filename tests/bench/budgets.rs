//! Prints the table of all budgets from a file of figures (`support::budget`), and fails if one was missed.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::var_os(support::budget::FIGURES) else {
        eprintln!("{} names no file", support::budget::FIGURES);
        return ExitCode::FAILURE;
    };
    // There is none where nothing was measured.
    let figures = std::fs::read_to_string(path).unwrap_or_default();
    match support::budget::table(&figures) {
        Ok((text, none_missed)) => {
            print!("{text}");
            if none_missed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
