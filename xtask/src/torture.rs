//! Long runs that try to make a history lose data: killed processes and servers, many processes,
//! damaged files and full disks.

mod brancher;
mod branches;
mod child;
mod findings;
mod full;
mod kills;
mod mutants;
mod networked;
mod order;
mod processes;
mod store;
mod turns;
mod window;

use std::time::Instant;

use clap::{Args, ValueEnum};

use self::findings::Findings;
use crate::verdict::Verdict;

/// Options of `cargo xtask torture`.
#[derive(Args)]
pub(crate) struct Options {
    /// The number of processes to kill.
    #[arg(long, default_value_t = 1_000)]
    kills: u64,
    /// The number of turns that each of eight processes appends.
    #[arg(long, default_value_t = 1_000)]
    turns: u64,
    /// The number of damaged files to read.
    #[arg(long, default_value_t = 10_000)]
    mutants: u64,
    /// The number of messages of the long session.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// The number of kills of each kind of server.
    #[arg(long, default_value_t = 20)]
    server_kills: u64,
    /// The number of processes that are killed while they branch a session.
    #[arg(long, default_value_t = 200)]
    branch_kills: u64,
    /// Runs the phase `branches` alone.
    #[arg(long)]
    branches: bool,
    /// The seed. The same seed gives the same damage, and the same times as far as the machine
    /// allows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The phases to run. All of them by default.
    phases: Vec<Phase>,
    /// The arguments of a child process of a phase.
    #[arg(long, hide = true, num_args = 1.., allow_hyphen_values = true)]
    child: Vec<String>,
}

/// A kind of torture.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Processes are killed while they append.
    Kills,
    /// Eight processes regenerate, edit, undo and fork in one session, and are killed.
    Branches,
    /// Eight processes append to one session.
    Processes,
    /// 32 tasks append to one session.
    Order,
    /// Files are damaged and read.
    Mutants,
    /// The disk is full, or the store's quota is used up.
    Full,
    /// A session has a million messages.
    Window,
    /// PostgreSQL and Redis servers are killed, restarted and restored while 32 writers append.
    Networked,
}

/// Runs the phases. Returns whether there were no violations.
pub(crate) fn run(options: &Options) -> Verdict {
    if !options.child.is_empty() {
        return child::run(&options.child);
    }
    let mut all_well = true;
    for phase in Phase::value_variants() {
        let is_chosen = match options.branches {
            true => *phase == Phase::Branches,
            false => options.phases.is_empty() || options.phases.contains(phase),
        };
        if !is_chosen {
            continue;
        }
        let start = Instant::now();
        let mut findings = Findings::default();
        match phase {
            Phase::Kills => kills::run(options.kills, options.seed, &mut findings)?,
            Phase::Branches => branches::run(options.branch_kills, options.seed, &mut findings)?,
            Phase::Processes => processes::run(options.turns, &mut findings)?,
            Phase::Order => order::run(&mut findings)?,
            Phase::Mutants => mutants::run(options.mutants, options.seed, &mut findings)?,
            Phase::Full => full::run(&mut findings)?,
            Phase::Window => window::run(options.messages, &mut findings)?,
            Phase::Networked => networked::run(options.server_kills, &mut findings)?,
        }
        let violations = findings.violations;
        println!("  {violations} violations, {:.1} s", start.elapsed().as_secs_f64());
        all_well &= violations == 0;
    }
    Ok(all_well)
}
