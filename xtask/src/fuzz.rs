//! `cargo xtask fuzz`: the fuzz targets and the property tests of the ordinary tests, for longer.

use std::{
    error::Error,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;

use crate::{tidy::Packages, verdict::Verdict};

/// The targets: package, and the part of its tests' names.
const TARGETS: [(&str, &str); 2] = [("conversant-prompts", "fuzz"), ("conversant-models", "fuzz")];

/// The crate whose tests are properties.
const PROPTEST: &str = "proptest";

/// The variable with the seed of proptest, which is always the same in the ordinary tests.
const SEED: &str = "PROPTEST_RNG_SEED";

/// The number of cases that proptest's targets try in about a second. They count cases instead of
/// watching the clock.
const CASES_A_SECOND: u64 = 10_000;

/// The duration and the number of cases.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The time for each fuzz target, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// The seed; the same seed gives the same mutations and cases. By default each run has its own.
    #[arg(long)]
    seed: Option<u64>,
    /// The number of seeds, from `--seed` on, with which the tests of all packages that have
    /// properties are run.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The number of generated conversations for the memories' properties.
    #[arg(long, default_value_t = 100_000)]
    cases: u32,
}

/// Runs all of them in release mode, and returns whether all passed.
pub(crate) fn run(options: &Options) -> Verdict {
    let mut all_well = true;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = options.seed.unwrap_or(now.as_secs());
    for (package, filter) in TARGETS {
        let mut command = tests(package, filter);
        command.env(SEED, first.to_string());
        command.env("CONVERSANT_FUZZ_SECONDS", options.seconds.to_string());
        command.env("PROPTEST_CASES", (options.seconds * CASES_A_SECOND).to_string());
        if let Some(seed) = options.seed {
            command.env("CONVERSANT_FUZZ_SEED", seed.to_string());
        }
        all_well &= holds(&mut command)?;
    }
    let mut properties = tests("conversant-memory", "properties");
    properties.env("CONVERSANT_CASES", options.cases.to_string()).env(SEED, first.to_string());
    all_well &= holds(&mut properties)?;
    let packages = Packages::read()?;
    let with_properties: Vec<&str> = packages.naming(PROPTEST).collect();
    for seed in (first..).take(usize::try_from(options.seeds)?) {
        println!("seed {seed}");
        for package in &with_properties {
            all_well &= holds(tests(package, "").env(SEED, seed.to_string()))?;
        }
    }
    Ok(all_well)
}

fn tests(package: &str, filter: &str) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "test",
        "--release",
        "--all-features",
        "--package",
        package,
        "--lib",
        "--test",
        "it",
        "--",
        filter,
    ]);
    command
}

fn holds(command: &mut Command) -> Result<bool, Box<dyn Error>> {
    Ok(command.status()?.success())
}
