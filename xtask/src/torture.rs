//! Long runs that try to make a history lose something: killed processes, many processes, damaged files, full disks.

mod child;
mod full;
mod kills;
mod mutants;
mod order;
mod processes;
mod store;
mod turns;
mod window;

use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::Verdict;

/// What `cargo xtask torture` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// How many processes are killed.
    #[arg(long, default_value_t = 1_000)]
    kills: u64,
    /// How many turns each of eight processes appends.
    #[arg(long, default_value_t = 1_000)]
    turns: u64,
    /// How many damaged files are read.
    #[arg(long, default_value_t = 10_000)]
    mutants: u64,
    /// How many messages the long session has.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// What chance begins with: the same seed gives the same damage, and the same moments as far as the machine allows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The phases to run; all of them, if none is named.
    phases: Vec<Phase>,
    /// What a process of a phase is told by the one that started it.
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    child: Vec<String>,
}

/// A way to torture.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Processes are killed while they append.
    Kills,
    /// Eight processes append to one session.
    Processes,
    /// 32 tasks append to one session.
    Order,
    /// Files are damaged, and read.
    Mutants,
    /// The disk is full, and the store's quota used up.
    Full,
    /// A session has a million messages.
    Window,
}

/// Runs the phases and returns whether nothing was lost.
pub(crate) fn run(options: &Options) -> Verdict {
    if !options.child.is_empty() {
        return child::run(&options.child);
    }
    let mut all_well = true;
    for phase in Phase::value_variants() {
        if !options.phases.is_empty() && !options.phases.contains(phase) {
            continue;
        }
        let start = Instant::now();
        let mut findings = Findings::default();
        match phase {
            Phase::Kills => kills::run(options.kills, options.seed, &mut findings)?,
            Phase::Processes => processes::run(options.turns, &mut findings)?,
            Phase::Order => order::run(&mut findings)?,
            Phase::Mutants => mutants::run(options.mutants, options.seed, &mut findings)?,
            Phase::Full => full::run(&mut findings)?,
            Phase::Window => window::run(options.messages, &mut findings)?,
        }
        let violations = findings.violations;
        println!("  {violations} violations, {:.1} s", start.elapsed().as_secs_f64());
        all_well &= violations == 0;
    }
    Ok(all_well)
}

/// What a phase finds.
#[derive(Default)]
struct Findings {
    violations: u64,
}

impl Findings {
    /// Tells what should not be.
    fn violation(&mut self, what: &str) {
        self.violations += 1;
        // The first ones tell enough.
        if self.violations <= 20 {
            println!("  VIOLATION: {what}");
        }
    }

    /// Tells that something should hold and does not.
    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violation(&what());
        }
    }
}
