//! Rules of the workspace that compilers do not check. A fault has a place and a remedy.

mod clock;
mod copies;
mod dependencies;
mod errors;
mod fault;
mod imports;
mod layout;
mod names;
mod packages;
mod prose;
mod public_types;
mod published;
mod size;
mod snapshots;
mod sources;
mod tree;
mod unit_tests;
mod unused;
mod width;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use self::packages::Packages;
use self::{fault::Fault, tree::Tree};
use crate::{verdict::Verdict, workspace};

/// The rules over files.
const RULES: &[fn(&Tree) -> Vec<Fault>] = &[
    clock::check,
    copies::check,
    errors::check,
    imports::check,
    layout::check,
    names::check,
    public_types::check,
    size::check,
    snapshots::check,
    sources::check,
    width::check,
    words::check,
];

/// Checks the whole workspace, prints each fault and returns whether there is none.
pub(crate) fn check() -> Verdict {
    let tree = Tree::read(&workspace::root())?;
    let mut faults = check_tree(&tree);
    let packages = Packages::read()?;
    faults.extend(dependencies::check(&packages, &tree));
    faults.extend(published::check(&packages, &tree));
    faults.extend(unit_tests::check(&packages, &tree));
    faults.extend(unused::check(&packages, &tree));
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
