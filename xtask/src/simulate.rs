//! `cargo xtask simulate`: seeded schedules of calls over a chain, its memory and a store that
//! fails.
//!
//! The ordinary tests run the first 1,000 seeds; this runs any number. A seed that fails is shown,
//! and `--from SEED --seeds 1` repeats it.

use std::process::Command;

use clap::Args;

use crate::verdict::Verdict;

/// The seeds to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The number of seeds.
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

/// Runs the schedules in release mode, and returns whether all invariants held.
pub(crate) fn run(options: &Options) -> Verdict {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--release", "--package", "conversant-chains", "--test", "it", "--"]);
    command.args(["simulation::seeds", "--nocapture"]);
    command.env("CONVERSANT_SIMULATION_SEEDS", options.seeds.to_string());
    command.env("CONVERSANT_SIMULATION_FROM", options.from.to_string());
    Ok(command.status()?.success())
}
