//! Steps of `cargo xtask ci` and `cargo xtask release`, and how they are run and counted.

#[cfg(test)]
mod tests;

use std::{error::Error, process::Command, time::Instant};

use crate::{verdict::Verdict, workspace};

/// The outcome of a step, or an error that prevented it.
pub(crate) type StepResult = Result<Outcome, Box<dyn Error>>;

/// A step.
pub(crate) struct Step {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its action.
    pub(crate) run: Box<dyn FnOnce() -> StepResult>,
}

/// A list of steps, in order.
pub(crate) type Steps = Vec<Step>;

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It could not be run, for this reason, which is not a fault of the project.
    Skipped(String),
}

impl Outcome {
    pub(crate) const fn of(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

/// Creates a step.
pub(crate) fn step(name: &'static str, run: impl FnOnce() -> StepResult + 'static) -> Step {
    Step { name, run: Box::new(run) }
}

/// Keeps the steps whose name contains a text.
pub(crate) fn retain(steps: &mut Steps, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let Some(only) = only else { return Ok(()) };
    let names: Vec<_> = steps.iter().map(|step| step.name).collect();
    steps.retain(|step| step.name.contains(only));
    if steps.is_empty() {
        let names = names.join("`, `");
        return Err(format!("no step's name contains `{only}`; name one of `{names}`").into());
    }
    Ok(())
}

/// Returns a command of cargo in the workspace's folder.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::command("cargo");
    command.args(arguments);
    command
}

/// Ways to run a command as a step.
pub(crate) trait Run {
    /// Runs it and shows its output.
    fn shown(&mut self) -> StepResult;
    /// Runs it, and shows its output only if it fails.
    fn quietly(&mut self) -> StepResult;
}

impl Run for Command {
    fn shown(&mut self) -> StepResult {
        Ok(Outcome::of(self.status()?.success()))
    }

    fn quietly(&mut self) -> StepResult {
        workspace::output(self).map(|_| Outcome::Passed)
    }
}

/// Runs all steps, also after a failure, and prints a summary under a title.
pub(crate) fn run_all(title: &str, steps: Steps) -> Verdict {
    let mut lines = Vec::new();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for Step { name, run } in steps {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = run().unwrap_or_else(|error| {
            println!("{error}");
            Outcome::Failed
        });
        let took = start.elapsed().as_secs_f64();
        lines.push(match outcome {
            Outcome::Passed => {
                passed += 1;
                format!("   ok      {took:6.1} s  {name}")
            }
            Outcome::Failed => {
                failed += 1;
                format!("   FAILED  {took:6.1} s  {name}")
            }
            Outcome::Skipped(why) => {
                skipped += 1;
                println!("skipped: {why}");
                format!("   skipped {took:6.1} s  {name}: {why}")
            }
        });
    }
    println!("\n== summary\n{}", lines.join("\n"));
    println!("{title}: {passed} steps passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}
