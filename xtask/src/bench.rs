//! Measures the project next to a hand-written client.
//!
//! The benchmark is a separate workspace, `xtask/bench`, so that its dependencies are not those of
//! the project. It is built here, optimized.

mod footprint;
mod hello;

use std::{error::Error, path::PathBuf, process::Command};

use clap::Args;

use crate::{verdict::Verdict, workspace};

/// The manifest of the benchmark.
const MANIFEST: &str = "xtask/bench/Cargo.toml";
/// The manifest of the benchmark with other clients. They need some hundred crates, so that it is a
/// separate workspace too.
const PEERS: &str = "xtask/bench/peers/Cargo.toml";
/// The package of the benchmark with what keeping conversations costs.
const PERSIST: &str = "persist";
/// The variables that would send requests to this machine through a proxy.
const PROXIES: &[&str] =
    &["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// The works that are measured, and the form of the results.
#[derive(Args)]
pub(crate) struct Options {
    /// Measures only as much as makes the results meaningful.
    #[arg(long)]
    quick: bool,
    /// Prints one line of JSON for each work, size and system, and nothing else.
    #[arg(long)]
    json: bool,
    /// Measures only the works whose name contains this text.
    #[arg(long)]
    only: Option<String>,
    /// Measures async-openai, genai, rig and langchain-rust too. The first time builds some hundred
    /// crates.
    #[arg(long)]
    peers: bool,
    /// Measures what keeping conversations costs instead: calls over stores, many sessions,
    /// memories. Builds SQLite the first time.
    #[arg(long, conflicts_with = "peers")]
    persist: bool,
    /// Measures the footprint instead: the build, the size and the memory of a program with one
    /// call. Builds for minutes.
    #[arg(long, conflicts_with_all = ["quick", "json", "only", "peers", "persist"])]
    footprint: bool,
}

/// Builds and runs the benchmark.
pub(crate) fn run(options: &Options) -> Verdict {
    if options.footprint {
        println!("{}", hello::tell(MANIFEST, &build("bench", MANIFEST)?)?);
        println!("{}", footprint::tell(MANIFEST)?);
        return Ok(true);
    }
    let program = match options {
        Options { persist: true, .. } => build(PERSIST, MANIFEST)?,
        Options { peers: true, .. } => build("peers", PEERS)?,
        _ => build("bench", MANIFEST)?,
    };
    let mut bench = Command::new(program);
    PROXIES.iter().for_each(|name| {
        bench.env_remove(name);
    });
    if options.quick {
        bench.arg("--quick");
    }
    if options.json {
        bench.arg("--json");
    }
    if let Some(only) = &options.only {
        bench.arg("--only").arg(only);
    }
    if !bench.status()?.success() {
        return Ok(false);
    }
    if !options.json && !options.persist && options.only.is_none() {
        println!("{}", footprint::tell(MANIFEST)?);
    }
    Ok(true)
}

/// Builds a program, and returns where it is.
fn build(package: &str, manifest: &str) -> Result<PathBuf, Box<dyn Error>> {
    let target = workspace::root().join("target").join(package);
    let mut cargo = workspace::command("cargo");
    cargo.args(["build", "--quiet", "--release", "--manifest-path", manifest]);
    cargo.args(["--package", package, "--target-dir"]).arg(&target);
    if !cargo.status()?.success() {
        return Err(format!("cannot build `{package}`").into());
    }
    Ok(target.join("release").join(package).with_extension(std::env::consts::EXE_EXTENSION))
}
