//! Dependencies: each is named in the package's code, or has a comment that says what it is for.

use std::collections::HashSet;

use super::{
    fault::Fault,
    packages::{Package, Packages},
    tree::{File, Tree},
};

pub(crate) fn check(packages: &Packages, tree: &Tree) -> Vec<Fault> {
    packages.members().flat_map(|package| check_package(packages, package, tree)).collect()
}

fn check_package(packages: &Packages, package: &Package, tree: &Tree) -> Vec<Fault> {
    let Some(manifest) = tree.file(packages.manifest(package)) else { return Vec::new() };
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    // Examples in documents are compiled too.
    let is_code = |file: &&File| file.path.ends_with(".rs") || file.path.ends_with(".md");
    let code = tree.files().filter(is_code).filter(|file| file.path.starts_with(folder));
    let is_between_names = |character: char| !(character.is_alphanumeric() || character == '_');
    let words: HashSet<&str> = code.flat_map(|file| file.text.split(is_between_names)).collect();
    let names = package.named_dependencies().into_iter();
    let unused = names.filter(|name| !words.contains(name.replace('-', "_").as_str()));
    unused.filter_map(|name| fault(manifest, name)).collect()
}

/// Returns the fault of a dependency that no code names, unless it has a comment.
fn fault(manifest: &File, name: &str) -> Option<Fault> {
    let mut before = "";
    for (number, line) in manifest.lines() {
        let rest = line.strip_prefix(name);
        if rest.is_some_and(|rest| rest.starts_with(['.', ' ', '='])) && !before.starts_with('#') {
            let what = format!("no code names `{name}`");
            let mend = "remove it, or say in a comment above what it is for";
            return Some(Fault::new(&manifest.path, number, what, mend));
        }
        before = line;
    }
    None
}
