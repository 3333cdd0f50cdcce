//! The oldest compiler and the oldest dependencies that the manifests promise.

use super::packages;
use crate::{
    step::{Outcome, Run as _, StepResult},
    tidy::Packages,
    workspace,
};

/// Checks the workspace with the toolchain that `rust-version` names, if rustup has it.
pub(crate) fn oldest_toolchain() -> StepResult {
    let packages = Packages::read()?;
    let oldest = packages.published().find_map(|package| package.rust_version.clone());
    let Some(oldest) = oldest else { return Err("no package has a `rust-version`".into()) };
    let mut listed = workspace::command("rustup");
    let listed = workspace::output(listed.args(["toolchain", "list"])).unwrap_or_default();
    if !listed.lines().any(|toolchain| toolchain.starts_with(&oldest)) {
        return Ok(Outcome::Skipped(format!(
            "run `rustup toolchain install {oldest}`; clippy's `incompatible_msrv` checks our code, \
             and `manifests` the dependencies"
        )));
    }
    let mut check = workspace::command("rustup");
    check.args(["run", &oldest, "cargo", "check", "--quiet", "--workspace", "--all-features"]);
    check.env("CARGO_TARGET_DIR", packages::folder().join("oldest-toolchain")).shown()
}

/// Checks the workspace with the oldest versions that its manifests allow.
pub(super) fn oldest_dependencies() -> StepResult {
    let clone = packages::clone("oldest")?;
    let mut update = packages::in_folder(&clone);
    // Cargo has no stable option for it.
    update.env("RUSTC_BOOTSTRAP", "1").args(["update", "-Z", "direct-minimal-versions"]);
    if update.shown()? != Outcome::Passed {
        return Ok(Outcome::Failed);
    }
    let mut check = packages::in_folder(&clone);
    check.args(["check", "--quiet", "--workspace", "--all-features"]);
    check.env("CARGO_TARGET_DIR", packages::folder().join("oldest-dependencies")).shown()
}
