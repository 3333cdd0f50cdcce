//! Compatibility: changes since the last release, and the types of other crates in public
//! signatures.

use crate::{
    step::{Outcome, Run as _, StepResult, cargo},
    tidy::Packages,
    workspace,
};

/// Checks that what changed since the last tag allows the version.
pub(super) fn semantic_versions() -> StepResult {
    let mut tag = workspace::command("git");
    tag.args(["describe", "--tags", "--abbrev=0", "--match", "v*"]);
    let Ok(tag) = workspace::output(&mut tag) else {
        return Ok(Outcome::Skipped("there is no tag `v*`: nothing is released".to_owned()));
    };
    if cargo(&["semver-checks", "--version"]).quietly().is_err() {
        println!("run `cargo install --locked cargo-semver-checks`");
        return Ok(Outcome::Failed);
    }
    cargo(&["semver-checks", "--workspace", "--baseline-rev", tag.trim()]).shown()
}

/// Checks each package's `[package.metadata.cargo_check_external_types]` by the tool that reads
/// rustdoc's JSON. It needs a nightly compiler; `cargo xtask tidy` checks the lists by the text of
/// signatures.
pub(super) fn external_types() -> StepResult {
    let has_nightly = workspace::command("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .quietly()
        .is_ok();
    if !has_nightly || cargo(&["check-external-types", "--version"]).quietly().is_err() {
        let why = "it needs a nightly compiler and `cargo install cargo-check-external-types`; \
                   `manifests` has checked the lists by the text of signatures";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let packages = Packages::read()?;
    let mut holds = true;
    for package in packages.published() {
        let is_listed = package.metadata.get("cargo_check_external_types").is_some();
        if !is_listed {
            continue;
        }
        let mut check = workspace::command("rustup");
        check.args(["run", "nightly", "cargo", "check-external-types", "--all-features"]);
        check.args(["--manifest-path", packages.manifest(package)]);
        println!("{}", package.name);
        holds &= check.shown()? == Outcome::Passed;
    }
    Ok(Outcome::of(holds))
}
