//! Counts instructions under callgrind, which are exact where times are not.
//!
//! The program is `xtask/instructions`, built here, optimized. A count repeats to a few in a
//! thousand on a busy machine too. The seeds of hash tables differ, and how the kernel splits
//! reads.

mod count;
mod gate;
mod table;

#[cfg(test)]
mod tests;

use std::{error::Error, fs, path::PathBuf, process::Command};

use self::{
    count::{Count, Counts},
    gate::GATES,
    table::Table,
};
use crate::{verdict::Verdict, workspace};

/// The package that does the works, and its program.
const PACKAGE: &str = "instructions";
/// The function whose instructions are counted. It is not a pattern: callgrind ignores a second
/// option with the same one.
const COUNTED: &str = "instructions::counted::counted";
/// The most runs of the program. The counts of the hand-written client differ by 2 % from process
/// to process (89,900 to 92,400 instructions of a call with 2 messages), so a gate fails if it does
/// in each of them.
const MAX_RUNS: usize = 3;
/// Settings with which glibc never copies by one instruction for all bytes, of which callgrind
/// counts each byte. By default the processor and its cache decide.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824";

/// Counts and prints the instructions, and returns whether every gate holds.
pub(crate) fn run() -> Verdict {
    if !is_there() {
        return Err("`valgrind` is not there, and it is what counts: install it, with `apt-get install valgrind` for example".into());
    }
    for _ in 0..MAX_RUNS {
        if judge()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs the program once, prints the counts, and returns whether every gate holds.
fn judge() -> Verdict {
    let counts = Counts::new(count()?);
    println!("{}", Table(&counts));
    let mut holds = true;
    for gate in GATES {
        let verdict = gate.judge(&counts)?;
        println!("{verdict}");
        holds &= verdict.holds();
    }
    Ok(holds)
}

/// Returns whether instructions can be counted on this machine.
pub(crate) fn is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Returns the folder of the program and the profiles.
fn target() -> PathBuf {
    workspace::root().join("target").join("instructions")
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    let mut cargo = workspace::command("cargo");
    cargo.args(["build", "--quiet", "--release", "--package", PACKAGE, "--target-dir"]);
    if !cargo.arg(target()).status()?.success() {
        return Err(format!("cannot build `{PACKAGE}`").into());
    }
    Ok(target().join("release").join(PACKAGE))
}

/// Runs the program. Each return from the function makes a profile and a line that describes it.
fn count() -> Result<Vec<Count>, Box<dyn Error>> {
    let program = build()?;
    let (profiles, log) = (target().join("profiles"), target().join("valgrind.log"));
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    let option = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
    let mut valgrind = workspace::command("valgrind");
    valgrind.env("GLIBC_TUNABLES", TUNABLES);
    // Names are written out, so that each profile can be read without the others.
    valgrind.args(["--tool=callgrind", "--compress-strings=no"]);
    valgrind.args([format!("--toggle-collect={COUNTED}"), format!("--dump-after={COUNTED}")]);
    valgrind.arg(option("callgrind-out-file", profiles.join("profile")));
    valgrind.arg(option("log-file", log.clone())).arg(program);
    let said = workspace::output(&mut valgrind).map_err(|error| {
        let log = fs::read_to_string(log).unwrap_or_default();
        format!("{error}\n{log}")
    })?;
    count::read(&said, |number| {
        let path = profiles.join(format!("profile.{number}"));
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()).into())
    })
}
