//! `cargo xtask simulate`: seeded schedules of calls over chains, their memories, tools and stores
//! that fail.
//!
//! The ordinary tests run the first 1,000 seeds of each program; this runs any number. A seed that
//! fails is shown with the test that it failed. `--from SEED --seeds 1 TEST` repeats it.

use std::process::Command;

use clap::Args;

use crate::verdict::Verdict;

/// The packages with simulations in their tests.
const PACKAGES: [&str; 2] = ["conversant-chains", "conversant-tools"];

/// The seeds to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The number of seeds of each program.
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// The programs to run, such as `seeds_of_branches`. All of them by default.
    tests: Vec<String>,
}

/// Runs the schedules in release mode, and returns whether all invariants held.
pub(crate) fn run(options: &Options) -> Verdict {
    let mut all_held = true;
    for package in PACKAGES {
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "test",
            "--release",
            "--all-features",
            "--package",
            package,
            "--test",
            "it",
            "--",
        ]);
        match options.tests.as_slice() {
            [] => drop(command.arg("simulation::seeds")),
            tests => drop(command.args(tests.iter().map(|test| format!("simulation::{test}")))),
        }
        command.arg("--nocapture");
        command.env("CONVERSANT_SIMULATION_SEEDS", options.seeds.to_string());
        command.env("CONVERSANT_SIMULATION_FROM", options.from.to_string());
        all_held &= command.status()?.success();
    }
    Ok(all_held)
}
