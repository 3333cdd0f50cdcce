//! The tables of errors in the guide have the exact texts of the errors, in the order of the table.

mod custom_parts;
mod many_users;
mod memories;
mod observing;
mod persistence;
mod prompts;
mod streaming;
mod structured_answers;
mod testing;
mod tools;

use std::error::Error;

use conversant::{CallOptions, Report, TurnId};

/// Returns the texts in the first column of a chapter's table of errors.
fn rows(chapter: &str) -> Vec<String> {
    let (_, table) = chapter.split_once("# What can go wrong\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    // A code span that contains backticks begins and ends with two of them.
    let cell = |row: &str| row.split(" | ").next().unwrap().to_owned();
    rows.map(|row| cell(row).trim_start_matches("| ").trim_matches(['`', ' ']).to_owned()).collect()
}

/// Compares a chapter's table with the errors that the test has provoked.
#[track_caller]
fn compare(chapter: &str, errors: impl IntoIterator<Item = String>) {
    let errors: Vec<_> = errors.into_iter().collect();
    let trimmed: Vec<_> = errors.iter().map(|error| error.trim_matches(['`', ' '])).collect();
    assert_eq!(rows(chapter), trimmed, "provoked:\n{}", errors.join("\n"));
}

/// Returns the text of an error with its causes.
#[track_caller]
fn text<T, E: Error + 'static>(result: Result<T, E>) -> String {
    Report::new(&result.err().unwrap()).to_string()
}

/// Returns the options of a call whose turn has a fixed id, since errors contain the id.
fn call() -> CallOptions {
    CallOptions::new().with_turn_id(TurnId::from_u128(7))
}
