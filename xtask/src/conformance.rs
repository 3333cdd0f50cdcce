//! Conformance: what the reference system did, and what the crates do.
//!
//! A case is a line of JSON, `{"id", "op", "in", "out"}`. Each op is a module that runs a case's `in` through the public API
//! of the crates and returns what its `out` should be.

mod buffer_string;
mod case;
mod chain;
mod chat_prompt;
mod chat_response;
mod chat_stream;
mod difference;
mod failure;
mod few_shot;
mod memories;
mod memory;
mod messages_json;
mod parse;
mod prompt;
mod short;

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};

use self::{case::Case, difference::Difference, failure::Failure};
use crate::Verdict;

/// Runs the cases of these files, prints each difference and how many passed, and returns whether all did.
pub(crate) fn compare(files: &[PathBuf]) -> Verdict {
    let tally = tally(files, |difference| println!("{difference}"))?;
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed == 0)
}

/// Runs the cases of these files and prints what came out of each, one a line.
pub(crate) fn print(files: &[PathBuf]) -> Verdict {
    let mut out = io::stdout().lock();
    for file in files {
        for case in read(file)? {
            writeln!(out, "{}", json!({"id": case.id, "out": out_of(&case)}))?;
        }
    }
    Ok(true)
}

/// How many cases passed and failed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// Runs the cases of these files, tells each difference and counts.
pub(crate) fn tally(
    files: &[impl AsRef<Path>],
    mut tell: impl FnMut(&Difference),
) -> Result<Tally, Box<dyn std::error::Error>> {
    let mut tally = Tally::default();
    for file in files {
        for case in read(file.as_ref())? {
            let got = out_of(&case);
            // A case without an `out` has nothing that could be met.
            let expected = case.out.as_ref().unwrap_or(&Json::Null);
            match Difference::between(&case.id, expected, &got) {
                None => tally.passed += 1,
                Some(difference) => {
                    tally.failed += 1;
                    tell(&difference);
                }
            }
        }
    }
    Ok(tally)
}

fn read(file: &Path) -> Result<Vec<Case>, Box<dyn std::error::Error>> {
    Case::read_all(file).map_err(|error| format!("`{}`: {error}", file.display()).into())
}

/// Runs a case and returns what its `out` is to be.
fn out_of(case: &Case) -> Json {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(case)))
        .unwrap_or_else(|_| Err(Failure::Broken("it panicked".to_owned())));
    match outcome {
        Ok(value) => json!({ "ok": value }),
        Err(failure) => json!({ "err": failure.to_string() }),
    }
}

fn run(case: &Case) -> Result<Json, Failure> {
    let input = &case.input;
    match case.op.as_str() {
        "buffer_string" => buffer_string::run(input),
        "chain" => chain::run(input),
        "chat_prompt" => chat_prompt::run(input),
        "chat_response" => chat_response::run(input),
        "chat_stream" => chat_stream::run(input),
        "few_shot" => few_shot::run(input),
        "memory" => memory::run(input),
        "messages_json" => messages_json::run(input),
        "parse" => parse::run(input),
        "prompt" => prompt::run(input),
        case::UNREADABLE => Err(Failure::Broken(format!("it is no case: {input}"))),
        _ => Err(Failure::NotBuilt),
    }
}
