//! Finds snapshots that tests do not read, by the list that the tests write.

use std::{collections::BTreeSet, error::Error, fs, path::PathBuf};

use crate::{step::Outcome, workspace};

/// The variable for the path to which insta writes the snapshots that tests read.
pub(crate) const VARIABLE: &str = "INSTA_SNAPSHOT_REFERENCES_FILE";

/// Returns the path of the list that the tests write.
pub(crate) fn list() -> PathBuf {
    workspace::root().join("target/snapshots-in-use.txt")
}

pub(crate) fn check() -> Result<Outcome, Box<dyn Error>> {
    let Ok(used) = fs::read_to_string(list()) else {
        return Ok(Outcome::Skipped("the tests have written down no snapshots".to_owned()));
    };
    let root = workspace::root();
    let used: BTreeSet<_> = used.lines().filter_map(|path| fs::canonicalize(path).ok()).collect();
    let mut git = workspace::command("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.snap"]);
    let listed = workspace::output(&mut git)?;
    let mut left_over = 0;
    for path in listed.lines() {
        let Ok(full) = fs::canonicalize(root.join(path)) else { continue };
        if !used.contains(&full) {
            left_over += 1;
            println!("{path}:1: no test reads the snapshot; delete it");
        }
    }
    println!("{} snapshots, {left_over} left over", listed.lines().count());
    Ok(Outcome::of(left_over == 0))
}
