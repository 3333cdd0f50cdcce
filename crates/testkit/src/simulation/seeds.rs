//! Runs of many seeds.

use std::env;

use super::report::{SimulationReport, Violation};

/// The variable with the first seed to run.
const FROM: &str = "CONVERSANT_SIMULATION_FROM";
/// The variable with the number of seeds to run.
const SEEDS: &str = "CONVERSANT_SIMULATION_SEEDS";

/// Runs the simulations of the seeds from 0 to before `count`, and returns the sums of their
/// reports.
///
/// The variables `CONVERSANT_SIMULATION_FROM` and `CONVERSANT_SIMULATION_SEEDS` choose other seeds:
/// the first one, and their number. With both, a test repeats the seed of a [`Violation`], or runs
/// a million seeds.
///
/// # Errors
/// The [`Violation`] of the first seed that fails.
///
/// # Examples
///
/// See [`Simulation`](super::Simulation).
pub fn run_seeds(
    count: u64,
    run: impl Fn(u64) -> Result<SimulationReport, Violation>,
) -> Result<SimulationReport, Violation> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let from = number(FROM).unwrap_or(0);
    let count = number(SEEDS).unwrap_or(count);
    let mut sum = SimulationReport::default();
    for seed in from..from.saturating_add(count) {
        sum += run(seed)?;
    }
    Ok(sum)
}
