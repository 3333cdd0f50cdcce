//! Compatibility: changes since the last release, and the types of other crates in public
//! signatures.

use crate::{
    step::{Outcome, Run as _, StepResult, cargo},
    tidy::Packages,
    workspace,
};

/// Checks that what changed since the baseline, or else since the last tag, allows the version.
pub(super) fn semantic_versions(baseline: Option<String>) -> StepResult {
    let Some(baseline) = baseline.or_else(last_tag) else {
        let why = "there is no tag `v*`: nothing is released; `--baseline COMMIT` compares with a \
                   commit";
        return Ok(Outcome::Skipped(why.to_owned()));
    };
    if cargo(&["semver-checks", "--version"]).quietly().is_err() {
        println!("run `cargo install --locked cargo-semver-checks`");
        return Ok(Outcome::Failed);
    }
    let packages = Packages::read()?;
    let mut check = cargo(&["semver-checks", "--baseline-rev", &baseline]);
    let mut known = 0;
    for package in packages.published().filter(|package| !package.is_proc_macro()) {
        let manifest = format!("{baseline}:{}", packages.manifest(package));
        if workspace::command("git").args(["cat-file", "-e", &manifest]).quietly().is_err() {
            println!("{} is new since {baseline}", package.name);
            continue;
        }
        check.args(["--package", &package.name]);
        known += 1;
    }
    if known == 0 {
        return Err(format!("no package of today is in {baseline}; name another commit").into());
    }
    check.shown()
}

/// Returns the last tag of a version, if there is one.
fn last_tag() -> Option<String> {
    let mut describe = workspace::command("git");
    describe.args(["describe", "--tags", "--abbrev=0", "--match", "v*"]);
    Some(workspace::output(&mut describe).ok()?.trim().to_owned())
}

/// Checks the types of other crates in public items against each package's
/// `[package.metadata.cargo_check_external_types]`, by the tool that reads rustdoc's JSON.
pub(super) fn external_types() -> StepResult {
    if cargo(&["check-external-types", "--help"]).quietly().is_err() {
        let why = "it needs `cargo install --locked cargo-check-external-types`; `manifests` has \
                   checked the lists by the text of signatures";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let packages = Packages::read()?;
    let mut failed = Vec::new();
    for package in packages.published().filter(|package| !package.is_proc_macro()) {
        let mut check = cargo(&["check-external-types", "--all-features", "--manifest-path"]);
        // Rustdoc's JSON has no stable form; this allows it to the compiler at hand.
        check.arg(packages.manifest(package)).env("RUSTC_BOOTSTRAP", "1");
        let output = check.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        // An entry of a list that nothing needs is a warning.
        if !output.status.success() || said.contains("warning: Approved external type") {
            println!("{}:\n{said}", package.name);
            failed.push(package.name.as_str());
        }
    }
    if !failed.is_empty() {
        println!("the lists of {} are not right", failed.join(", "));
    }
    Ok(Outcome::of(failed.is_empty()))
}
