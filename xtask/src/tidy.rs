//! Tidiness: the rules of the workspace that no compiler knows, each fault with its place and how to mend it.

mod dependencies;
mod errors;
mod fault;
mod layout;
mod names;
mod packages;
mod size;
mod snapshots;
mod sources;
mod tree;

#[cfg(test)]
mod tests;

use self::{fault::Fault, packages::Packages, tree::Tree};
use crate::{Verdict, workspace};

/// The rules over files.
const RULES: &[fn(&Tree) -> Vec<Fault>] =
    &[errors::check, layout::check, names::check, size::check, snapshots::check, sources::check];

/// Checks the whole workspace, prints each fault and returns whether there is none.
pub(crate) fn check() -> Verdict {
    let tree = Tree::read(&workspace::root())?;
    let mut faults = check_tree(&tree);
    faults.extend(dependencies::check(&Packages::read()?, &tree));
    faults.sort();
    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() {
        println!("tidy: {} files, no fault", tree.files().count());
    } else {
        println!("tidy: {} files, {} to mend", tree.files().count(), faults.len());
    }
    Ok(faults.is_empty())
}

fn check_tree(tree: &Tree) -> Vec<Fault> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}
