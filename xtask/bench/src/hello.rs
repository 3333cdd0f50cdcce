//! The footprint of the smallest program that makes one call: its build, its size and its memory.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use conversant_core::BoxError;
use serde::Serialize;

use crate::{
    measure::{children, resident_in},
    serve::{REPLY, Server},
};

/// The result, as a line of JSON.
#[derive(Serialize)]
struct Weight {
    /// CPU of the build, in seconds.
    build: f64,
    /// The program's size without symbols, in bytes.
    size: u64,
    /// The most memory that it had resident, in bytes.
    resident: Option<u64>,
}

/// Builds a package of this workspace, optimized and without symbols, in an empty folder that is
/// emptied afterwards, runs it once, and writes the result.
///
/// # Errors
/// If it can't be built, or does not print the answer.
pub(crate) fn weigh(package: &str, features: &[String], folder: &Path) -> Result<(), BoxError> {
    let _ = fs::remove_dir_all(folder);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", package, "--manifest-path"]);
    cargo.arg(manifest).arg("--target-dir").arg(folder);
    cargo.args(features.iter().flat_map(|feature| ["--features", feature]));
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "true");
    let before = children().ok_or("no account of other processes is read on this system")?;
    if !cargo.status()?.success() {
        return Err(format!("`{package}` can't be built").into());
    }
    let build = children().unwrap_or_default() - before;
    let program: PathBuf =
        folder.join("release").join(package).with_extension(env::consts::EXE_EXTENSION);
    let size = program.metadata()?.len();
    let server = Server::start()?;
    let output = Command::new(&program).arg(&server.base_url).output()?;
    let output = String::from_utf8(output.stdout)?;
    if !output.starts_with(REPLY) {
        return Err(format!("`{package}` does not print the answer").into());
    }
    let weight = Weight { build, size, resident: resident_in(&output) };
    println!("{}", serde_json::to_string(&weight)?);
    Ok(fs::remove_dir_all(folder)?)
}
