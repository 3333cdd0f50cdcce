//! Checks and long runs of the workspace: `cargo xtask COMMAND`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod ci;
mod conformance;
mod fuzz;
mod instructions;
mod simulate;
mod tidy;
mod torture;
mod workspace;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Parser;

/// What a command returns: whether all is well, or why it could not tell.
type Verdict = Result<bool, Box<dyn Error>>;

/// Checks and long runs of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Measures the project beside a client written by hand.
    Bench(bench::Options),
    /// Runs all that has to hold before a change lands.
    Ci(ci::Options),
    /// Runs conformance cases through the crates' public API and compares, or prints what comes out.
    Conformance {
        /// Prints `{"id", "out"}` for each case and compares nothing.
        #[arg(long)]
        print: bool,
        /// Files of cases, one JSON object a line.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Runs the fuzz targets and the property tests of the ordinary tests for longer.
    Fuzz(fuzz::Options),
    /// Counts instructions under callgrind, and fails if what should not grow with a conversation does.
    Instructions,
    /// Runs seeded schedules of calls over a chain, its memory and a store that fails.
    Simulate(simulate::Options),
    /// Checks what no compiler checks: who depends on whom, headers, sizes, the wording of errors, snapshots, the layout.
    Tidy,
    /// Tries to make the histories lose something.
    Torture(torture::Options),
}

fn main() -> ExitCode {
    let verdict = match Command::parse() {
        Command::Bench(options) => bench::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Conformance { print: true, files } => conformance::print(&files),
        Command::Conformance { print: false, files } => conformance::compare(&files),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Instructions => instructions::run(),
        Command::Simulate(options) => simulate::run(&options),
        Command::Tidy => tidy::check(),
        Command::Torture(options) => torture::run(&options),
    };
    match verdict {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
