//! Unit tests: a library or program without any says so, since it would be compiled a second time
//! for them, and one that has some does not.

use super::{
    fault::Fault,
    packages::{Package, Packages},
    tree::Tree,
};

pub(crate) fn check(packages: &Packages, tree: &Tree) -> Vec<Fault> {
    packages.members().filter_map(|package| check_package(packages, package, tree)).collect()
}

fn check_package(packages: &Packages, package: &Package, tree: &Tree) -> Option<Fault> {
    let manifest = packages.manifest(package);
    let sources = format!("{}src/", manifest.trim_end_matches("Cargo.toml"));
    let has_tests = tree
        .files()
        .filter(|file| file.path.starts_with(&sources))
        .any(|file| file.text.lines().any(|line| line.trim() == "#[cfg(test)]"));
    let is_tested = package.has_unit_test_targets();
    let (what, mend) = match (has_tests, is_tested) {
        (true, false) => ("its unit tests never run", "remove `test = false`"),
        (false, true) => (
            "it has no unit tests, and is compiled for them",
            "add `test = false` to `[lib]` and to each `[[bin]]`",
        ),
        _ => return None,
    };
    Some(Fault::new(manifest, 1, what.to_owned(), mend))
}
