//! Names that may not occur: folders of a machine, and mirrors of a registry.

use super::{fault::Fault, tree::Tree};

/// Folders of a developer's machine. They are put together here, so that this file has none of
/// them.
const FOLDERS: &[&str] = &[
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
    concat!("/", "Users/"),
    concat!("C:", "\\Users"),
    concat!(".cargo/", "registry"),
];

/// The source of packages.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files() {
        for (number, line) in file.lines() {
            for folder in FOLDERS.iter().filter(|folder| line.contains(**folder)) {
                let what = format!("`{folder}` is a folder of one machine");
                faults.push(Fault::new(
                    &file.path,
                    number,
                    what,
                    "name it from the workspace's folder",
                ));
            }
            if file.path == "Cargo.lock" && line.contains("source = ") && !line.contains(REGISTRY) {
                let what = "the package does not come from the public registry";
                faults.push(Fault::new(&file.path, number, what, "depend on a published version"));
            }
        }
    }
    faults
}
