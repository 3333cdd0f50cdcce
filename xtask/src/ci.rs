//! All that has to hold before a change lands, one step after the other.

mod cases;
mod deny;
mod example;
mod used_snapshots;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::{
    documents, features, instructions, loom, release,
    step::{self, Outcome, Run as _, Steps, cargo, step},
    tidy,
    verdict::Verdict,
    workspace,
};

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
            step("weights", ask_a_real_model),
            step("snapshots in use", used_snapshots::check),
            step("conformance", cases::check),
            step("the document's example", example::check),
            step("macros", check_macros),
            step("documentation", documents::documentation),
            step("links", documents::links),
            step("spelling", documents::spelling),
            step("dependencies", deny::check),
            step("each crate alone", || features::check(features::Sets::Single)),
            step("oldest toolchain", release::oldest_toolchain),
            step("interleavings", || loom::check(loom::SHORT).map(Outcome::of)),
            step("instructions", || {
                if !instructions::is_there() {
                    return Ok(Outcome::Skipped("`valgrind` is not there".to_owned()));
                }
                instructions::run().map(Outcome::of)
            }),
        ]);
    }
    step::retain(&mut steps, options.only.as_deref())?;
    step::run_all("ci", steps)
}

/// The variable for the weights of a model.
const MODEL_FILE: &str = "CONVERSANT_MODEL_FILE";

/// The packages with the numeric kernels of local models, and how they are optimised where a real
/// model is asked: without, an answer takes 50 times longer. In the dev profile, it would cost each
/// build a minute and a half.
const NUMERIC: [&str; 2] = [
    "profile.dev.package.candle-core.opt-level=3",
    "profile.dev.package.conversant-models-local.opt-level=2",
];

/// Runs the README's command. The snapshots that the tests read are written down for the next step.
fn run_tests() -> Result<Outcome, Box<dyn std::error::Error>> {
    let used = used_snapshots::list();
    if used.exists() {
        std::fs::remove_file(&used)?;
    }
    let mut tests = cargo(&["test", "--workspace", "--all-features"]);
    tests.env("INSTA_UPDATE", "no").env(used_snapshots::VARIABLE, used);
    // The tests that ask a real model have a step of their own, which optimises it.
    tests.env_remove(MODEL_FILE);
    tests.shown()
}

/// Runs the tests that ask a real model, with optimised numeric kernels.
fn ask_a_real_model() -> Result<Outcome, Box<dyn std::error::Error>> {
    const REQUIRED: &str = "CONVERSANT_REQUIRE_WEIGHTS";
    if std::env::var_os(MODEL_FILE).is_none() {
        if std::env::var_os(REQUIRED).is_some() {
            return Err(format!("{REQUIRED} is set, and {MODEL_FILE} is not").into());
        }
        return Ok(Outcome::Skipped(format!(
            "`{MODEL_FILE}` does not name the weights of a model"
        )));
    }
    // With the features of all packages, only what depends on the two is compiled again.
    let mut tests = cargo(&["test", "--workspace", "--all-features", "--test", "it"]);
    tests.args(NUMERIC.iter().flat_map(|setting| ["--config", setting]));
    tests.args(["--", "--include-ignored", "weights::"]);
    tests.shown()
}

/// Compares the compile errors of the macros with those that were written down.
fn check_macros() -> Result<Outcome, Box<dyn std::error::Error>> {
    let mut tests = cargo(&["test", "--manifest-path", "xtask/macro-faults/Cargo.toml"]);
    // The variable is for trybuild too.
    tests.env("CARGO_TARGET_DIR", workspace::root().join("target/macro-faults")).shown()
}

/// Returns a path in `../shared`.
fn shared(path: &str) -> PathBuf {
    workspace::root().join("..").join("shared").join(path)
}
