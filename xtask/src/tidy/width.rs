//! The width of prose: comments and Markdown wrap where rustfmt wraps code.

use super::{fault::Fault, prose, tree::Tree};

/// The most columns of a line.
const COLUMNS: usize = 100;

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files().filter(|file| prose::is_prose(file)) {
        for line in prose::lines(file) {
            let columns = line.raw.chars().count();
            if columns > COLUMNS && can_wrap(line.text) {
                let what = format!("the line has {columns} columns, {COLUMNS} at most");
                faults.push(Fault::new(&file.path, line.number, what, "wrap it"));
            }
        }
    }
    faults
}

/// Returns whether a line can be broken: tables and addresses cannot.
fn can_wrap(text: &str) -> bool {
    !text.trim_start().starts_with('|') && !text.contains("://")
}
