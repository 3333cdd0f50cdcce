//! A step of CI, and how the steps are run and counted.

use std::{error::Error, time::Instant};

use crate::verdict::Verdict;

/// A step.
pub(crate) struct Step {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its action.
    pub(crate) run: Box<dyn FnOnce() -> Result<Outcome, Box<dyn Error>>>,
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

/// Runs all steps, also after a failure, and prints a summary.
pub(crate) fn run_all(steps: Steps) -> Verdict {
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
    println!("ci: {passed} steps passed, {failed} failed, {skipped} skipped");
    Ok(failed == 0)
}
