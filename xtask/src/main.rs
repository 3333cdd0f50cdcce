//! Checks and long runs of the workspace: `cargo xtask COMMAND`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod advisories;
mod bench;
mod ci;
mod conformance;
mod documents;
mod features;
mod from_langchain;
mod fuzz;
mod instructions;
mod loom;
mod release;
mod screenshot;
mod simulate;
mod soak;
mod step;
mod targets;
mod tidy;
mod torture;
mod verdict;
mod workspace;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

/// Checks and long runs of the workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    /// Renews the shipped security advisories.
    Advisories(advisories::Options),
    /// Measures the project against a hand-written client.
    Bench(bench::Options),
    /// Runs every check that must pass before a change lands.
    Ci(ci::Options),
    /// Runs conformance cases through the crates' public API, and compares or prints the results.
    Conformance {
        /// Prints `{"id", "out"}` for each case and compares nothing.
        #[arg(long)]
        print: bool,
        /// Files of cases, one JSON object a line.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Runs the programs of `examples/from-langchain` with LangChain itself.
    FromLangchain(from_langchain::Options),
    /// Runs the fuzz targets and the property tests of the ordinary tests for longer.
    Fuzz(fuzz::Options),
    /// Counts instructions under callgrind, and fails if a cost grows with the conversation.
    Instructions,
    /// Runs the models of what threads share under all their interleavings.
    Loom(loom::Options),
    /// Checks all that has to hold before the packages are published.
    Release(release::Options),
    /// Makes the README's picture of the chat in the browser, in Chromium.
    Screenshot,
    /// Runs seeded schedules of calls over a chain, its memory and a store that fails.
    Simulate(simulate::Options),
    /// Checks rules that compilers do not: dependencies, headers, sizes, wording, snapshots,
    /// layout.
    Tidy,
    /// Runs many turns and cancelled calls, and fails if the process grows.
    Soak(soak::Options),
    /// Tries to make the histories lose something.
    Torture(torture::Options),
    /// Runs a conversation on `wasm32-unknown-unknown`, under Node.js.
    Wasm,
    /// Checks all crates for `x86_64-pc-windows-gnu`.
    Windows,
}

fn main() -> ExitCode {
    let verdict = match Command::parse() {
        Command::Advisories(options) => advisories::renew(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Conformance { print: true, files } => conformance::print(&files),
        Command::Conformance { print: false, files } => conformance::compare(&files),
        Command::FromLangchain(options) => from_langchain::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Instructions => instructions::run(),
        Command::Loom(options) => loom::run(&options),
        Command::Release(options) => release::run(&options),
        Command::Screenshot => screenshot::run(),
        Command::Simulate(options) => simulate::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Tidy => tidy::check(),
        Command::Torture(options) => torture::run(&options),
        Command::Wasm => targets::run(targets::wasm),
        Command::Windows => targets::run(targets::windows),
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
