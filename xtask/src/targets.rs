//! Other targets: a conversation on `wasm32-unknown-unknown`, and all crates for
//! `x86_64-pc-windows-gnu`.
//!
//! The standard library of a target is rustup's. Where rustup's cannot be had, `.ci/cross` unpacks
//! Debian's compiler with the library's sources, and cargo builds it.

use std::{error::Error, path::PathBuf, process::Command};

use crate::{
    step::{Outcome, Run as _, StepResult},
    verdict::Verdict,
    workspace,
};

/// The crates that run in a browser.
const WASM_PACKAGES: &[&str] = &[
    "conversant-core",
    "conversant-template",
    "conversant-prompts",
    "conversant-memory",
    "conversant-chains",
];
const WASM: &str = "wasm32-unknown-unknown";
const WINDOWS: &str = "x86_64-pc-windows-gnu";
/// The C compiler for Windows: SQLite and ring are C.
const WINDOWS_C: &str = "x86_64-w64-mingw32-gcc";
/// The packages that are programs for the developers' machines.
const NOT_FOR_WINDOWS: &[&str] = &["instructions", "loom-models", "xtask"];
/// The compiler that `.ci/cross` unpacks.
const CROSS: &str = "target/cross/rustc";

/// Returns whether a step passed; one that cannot run here says why and fails.
pub(crate) fn run(step: fn() -> StepResult) -> Verdict {
    let outcome = step()?;
    if let Outcome::Skipped(why) = &outcome {
        println!("{why}");
    }
    Ok(outcome == Outcome::Passed)
}

/// Checks the crates that run in a browser, and runs a conversation under Node.js.
pub(crate) fn wasm() -> StepResult {
    let Some(toolchain) = Toolchain::of(WASM)? else { return Ok(missing(WASM)) };
    if Command::new("node").arg("--version").quietly().is_err() {
        return Ok(Outcome::Skipped("`node` is not installed".to_owned()));
    }
    let mut check = toolchain.cargo("check");
    check.args(WASM_PACKAGES.iter().flat_map(|package| ["--package", package]));
    if check.arg("--all-features").shown()? != Outcome::Passed {
        return Ok(Outcome::Failed);
    }
    let manifest = workspace::root().join("xtask/wasm/Cargo.toml");
    let mut build = toolchain.cargo("build");
    build.args(["--lib", "--manifest-path"]).arg(&manifest);
    if build.shown()? != Outcome::Passed {
        return Ok(Outcome::Failed);
    }
    let target = folder();
    let bound = target.join("turn");
    let mut bind = workspace::command("cargo");
    bind.args(["run", "--quiet", "--bin", "bind", "--manifest-path"]).arg(&manifest);
    bind.arg("--").arg(target.join(WASM).join("debug/wasm_turn.wasm")).arg(&bound);
    if bind.env("CARGO_TARGET_DIR", &target).shown()? != Outcome::Passed {
        return Ok(Outcome::Failed);
    }
    let mut node = workspace::command("node");
    node.arg("xtask/wasm/turn.mjs").arg(bound.join("wasm_turn.js")).shown()
}

/// Checks all crates and examples for Windows.
pub(crate) fn windows() -> StepResult {
    let Some(toolchain) = Toolchain::of(WINDOWS)? else { return Ok(missing(WINDOWS)) };
    if Command::new(WINDOWS_C).arg("--version").quietly().is_err() {
        return Ok(Outcome::Skipped(format!("`{WINDOWS_C}` is not installed: see .ci/cross")));
    }
    let mut check = toolchain.cargo("check");
    check.args(["--workspace", "--all-features"]);
    check.args(NOT_FOR_WINDOWS.iter().flat_map(|package| ["--exclude", package]));
    check.shown()
}

fn missing(target: &str) -> Outcome {
    Outcome::Skipped(format!("run `rustup target add {target}`, or `.ci/cross` on Debian"))
}

/// Returns the folder of what is built for other targets.
fn folder() -> PathBuf {
    workspace::root().join("target/targets")
}

/// A compiler for a target.
struct Toolchain {
    target: &'static str,
    /// The compiler with which the standard library is built, if rustup's is not there.
    cross: Option<PathBuf>,
}

impl Toolchain {
    /// Returns the toolchain for a target, if there is one.
    fn of(target: &'static str) -> Result<Option<Self>, Box<dyn Error>> {
        let mut library = workspace::command("rustc");
        library.args(["--print", "target-libdir", "--target", target]);
        let library = PathBuf::from(workspace::output(&mut library)?.trim());
        let cross = workspace::root().join(CROSS);
        Ok(match (library.is_dir(), cross.is_file()) {
            (true, _) => Some(Self { target, cross: None }),
            (false, true) => Some(Self { target, cross: Some(cross) }),
            (false, false) => None,
        })
    }

    /// Returns a command of cargo for the target.
    fn cargo(&self, command: &str) -> Command {
        let mut cargo = workspace::command("cargo");
        cargo.arg(command).args(["--quiet", "--target", self.target]);
        if let Some(compiler) = &self.cross {
            cargo.args(["-Z", "build-std=std,panic_abort"]);
            // Debian's compiler is a stable one, and cargo builds the library with nightly ones
            // only.
            cargo.env("RUSTC", compiler).env("RUSTC_BOOTSTRAP", "1");
        }
        cargo.env("CARGO_TARGET_DIR", folder());
        cargo
    }
}
