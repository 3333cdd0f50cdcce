//! `cargo xtask loom`: the session queue and the write-once segments under all interleavings of
//! their threads (`xtask/loom`).

use clap::Args;

use crate::{verdict::Verdict, workspace};

/// The interruptions of a thread in CI: a second's work.
pub(crate) const SHORT: u32 = 3;

/// The interleavings to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The most times that a thread is interrupted in one run.
    #[arg(long, default_value_t = 5)]
    preemptions: u32,
}

/// Runs the models, and returns whether all hold.
pub(crate) fn run(options: &Options) -> Verdict {
    check(options.preemptions)
}

/// Runs the models with a bound on the interruptions of a thread.
pub(crate) fn check(preemptions: u32) -> Verdict {
    let mut command = workspace::command("cargo");
    command.args(["run", "--quiet", "--package", "loom-models", "--", &preemptions.to_string()]);
    Ok(command.status()?.success())
}
