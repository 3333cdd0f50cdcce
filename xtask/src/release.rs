//! `cargo xtask release --check`: all that has to hold before the packages are published.

mod changelog;
mod compatibility;
mod outside;
mod packages;
mod versions;

use std::{cell::OnceCell, rc::Rc};

use clap::Args;

pub(crate) use self::versions::oldest_toolchain;

use crate::{
    documents, features,
    step::{self, Outcome, StepResult, Steps, step},
    targets, tidy,
    verdict::Verdict,
};

/// The choice of steps.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Checks. This is all that the command does: `cargo publish --workspace` publishes.
    #[arg(long, required = true)]
    check: bool,
    /// The commit that the public items are compared with, in place of the last tag.
    #[arg(long)]
    baseline: Option<String>,
    /// Runs only the steps whose name contains this text.
    #[arg(long)]
    only: Option<String>,
}

/// Runs the steps, reports each, and returns whether all passed. What is committed is checked.
pub(crate) fn run(options: &Options) -> Verdict {
    // The steps that need the packages share them.
    let scratch = Rc::new(OnceCell::new());
    let with_packages = |check: fn(&packages::Scratch) -> StepResult| {
        let scratch = Rc::clone(&scratch);
        move || check(packages::scratch(&scratch)?)
    };
    let baseline = options.baseline.clone();
    let mut steps: Steps = vec![
        step("changelog", changelog::check),
        step("manifests", || tidy::check().map(Outcome::of)),
        step("documentation", documents::documentation),
        step("links", documents::links),
        step("spelling", documents::spelling),
        step("packages", with_packages(packages::check)),
        step("outside program", with_packages(outside::turn)),
        step("all features of the packages", with_packages(outside::all_features)),
        step("semantic versions", move || compatibility::semantic_versions(baseline)),
        step("external types", compatibility::external_types),
        step("features in pairs", || features::check(features::Sets::Pairs)),
        step("oldest toolchain", oldest_toolchain),
        step("oldest dependencies", versions::oldest_dependencies),
        step("wasm", targets::wasm),
        step("windows", targets::windows),
    ];
    step::retain(&mut steps, options.only.as_deref())?;
    step::run_all("release", steps)
}
