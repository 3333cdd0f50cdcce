//! All that has to hold before a change lands, one step after the other.

mod alone;
mod cases;
mod deny;
mod example;
mod step;
mod used_snapshots;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::Command};

use self::step::{Outcome, Step, Steps};
use crate::{instructions, loom, tidy, verdict::Verdict, workspace};

/// The choice of steps.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Runs the fast steps: formatting, tidiness and lints.
    #[arg(long)]
    quick: bool,
    /// Leaves out the tests, because they were run just before.
    #[arg(long)]
    skip_tests: bool,
    /// Runs only the steps whose name contains this text.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the steps, reports each, and returns whether all passed.
pub(crate) fn run(options: &Options) -> Verdict {
    let mut steps: Steps = vec![
        step("lock file", || cargo(&["metadata", "--locked", "--format-version", "1"]).quietly()),
        step("format", || cargo(&["fmt", "--all", "--check"]).shown()),
        step("tidy", || tidy::check().map(Outcome::of)),
        step("lints", || {
            let clippy = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ];
            cargo(&clippy).shown()
        }),
    ];
    if !options.quick {
        if !options.skip_tests {
            steps.push(step("tests", run_tests));
        }
        steps.extend([
            step("snapshots in use", used_snapshots::check),
            step("conformance", cases::check),
            step("the document's example", example::check),
            step("documentation", || {
                let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
                doc.env("RUSTDOCFLAGS", "-D warnings");
                doc.shown()
            }),
            step("dependencies", deny::check),
            step("each crate alone", alone::check),
            step("interleavings", || loom::check(loom::SHORT).map(Outcome::of)),
            step("instructions", || {
                if !instructions::is_there() {
                    return Ok(Outcome::Skipped("`valgrind` is not there".to_owned()));
                }
                instructions::run().map(Outcome::of)
            }),
        ]);
    }
    if let Some(only) = &options.only {
        steps.retain(|step| step.name.contains(only.as_str()));
        if steps.is_empty() {
            return Err(format!("no step's name contains `{only}`").into());
        }
    }
    step::run_all(steps)
}

fn step(
    name: &'static str,
    run: impl FnOnce() -> Result<Outcome, Box<dyn std::error::Error>> + 'static,
) -> Step {
    Step { name, run: Box::new(run) }
}

/// Runs the README's command. The snapshots that the tests read are written down for the next step.
fn run_tests() -> Result<Outcome, Box<dyn std::error::Error>> {
    let used = used_snapshots::list();
    if used.exists() {
        std::fs::remove_file(&used)?;
    }
    let mut tests = cargo(&["test", "--workspace"]);
    tests.env("INSTA_UPDATE", "no").env(used_snapshots::VARIABLE, used);
    tests.shown()
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::command("cargo");
    command.args(arguments);
    command
}

/// Ways to run a command as a step.
trait Run {
    /// Runs it, with its output for all to see.
    fn shown(&mut self) -> Result<Outcome, Box<dyn std::error::Error>>;
    /// Runs it, and shows its output only if it fails.
    fn quietly(&mut self) -> Result<Outcome, Box<dyn std::error::Error>>;
}

impl Run for Command {
    fn shown(&mut self) -> Result<Outcome, Box<dyn std::error::Error>> {
        Ok(Outcome::of(self.status()?.success()))
    }

    fn quietly(&mut self) -> Result<Outcome, Box<dyn std::error::Error>> {
        workspace::output(self).map(|_| Outcome::Passed)
    }
}

/// Returns a path in `../shared`.
fn shared(path: &str) -> PathBuf {
    workspace::root().join("..").join("shared").join(path)
}
