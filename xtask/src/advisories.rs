//! `cargo xtask advisories`: the security advisories that are shipped, for runs without a network.
//!
//! `.cargo/advisories.jsonl` has those of the RustSec database about packages in `Cargo.lock`: on
//! the first line the date of the database, then one file of it a line.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    verdict::Verdict,
    workspace::{self, output},
};

/// The shipped advisories.
const FILE: &str = ".cargo/advisories.jsonl";
/// The folder in which cargo-deny expects the database with its default address.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// The options of `cargo xtask advisories`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A clone of the RustSec database, from which the shipped advisories are renewed.
    database: PathBuf,
}

/// The database from which the advisories are.
#[derive(Serialize, Deserialize)]
struct Source {
    date: String,
}

/// A file of the database.
#[derive(Serialize, Deserialize)]
struct Advisory {
    path: String,
    text: String,
}

/// Renews the shipped advisories.
pub(crate) fn renew(options: &Options) -> Verdict {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    let names: BTreeSet<_> = names.map(|name| name.trim_matches('"')).collect();
    let date = output(git(&options.database).args(["log", "-1", "--format=%cs"]))?;
    let mut lines = vec![serde_json::to_string(&Source { date: date.trim().to_owned() })?];
    for name in names {
        let folder = options.database.join("crates").join(name);
        let Ok(files) = fs::read_dir(folder) else { continue };
        let mut files = files.collect::<Result<Vec<_>, _>>()?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let path = format!("crates/{name}/{}", file.file_name().display());
            let text = fs::read_to_string(file.path())?;
            lines.push(serde_json::to_string(&Advisory { path, text })?);
        }
    }
    println!("{} advisories", lines.len() - 1);
    fs::write(workspace::root().join(FILE), lines.join("\n") + "\n")?;
    Ok(true)
}

/// Unpacks the shipped advisories into a folder as cargo-deny keeps its database, and returns their
/// date.
pub(crate) fn unpack(folder: &Path) -> Result<String, Box<dyn Error>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let database = folder.join(DATABASE);
    let shipped = fs::read_to_string(workspace::root().join(FILE))?;
    let mut lines = shipped.lines();
    let source: Source = serde_json::from_str(lines.next().unwrap_or_default())?;
    for line in lines {
        let Advisory { path, text } = serde_json::from_str(line)?;
        let path = database.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&database))?;
        fs::write(path, text)?;
    }
    output(git(&database).args(["init", "--quiet", "--initial-branch=main"]))?;
    output(git(&database).args(["add", "--all"]))?;
    let identity =
        ["-c", "user.name=xtask", "-c", "user.email=xtask", "-c", "commit.gpgsign=false"];
    output(git(&database).args(identity).args(["commit", "--quiet", "--message=shipped"]))?;
    // cargo-deny reads the time of the last fetch from this file.
    fs::write(database.join(".git/FETCH_HEAD"), "")?;
    Ok(source.date)
}

fn git(folder: &Path) -> std::process::Command {
    let mut git = std::process::Command::new("git");
    git.current_dir(folder);
    git
}
