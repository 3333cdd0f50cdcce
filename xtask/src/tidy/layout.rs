//! The layout: the top level, the packages' manifests, and the commands of README and CI.

use std::collections::BTreeSet;

use super::{fault::Fault, tree::Tree};

/// The entries of the top level, besides dotfiles and licences.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "README.md",
    "crates",
    "examples",
    "xtask",
];

const README: &str = "README.md";
const CI: &str = ".ci/run";

/// The lines by which each package inherits from the workspace.
const INHERITED: &[(&str, &str)] = &[
    ("[lints]\nworkspace = true", "the workspace's lints do not hold"),
    ("\nedition.workspace = true", "the edition is not the workspace's"),
    ("\nlicense.workspace = true", "the licence is not the workspace's"),
    ("\nrust-version.workspace = true", "the Rust version is not the workspace's"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = top_level(tree);
    faults.extend(manifests(tree));
    faults.extend(commands(tree));
    faults
}

fn top_level(tree: &Tree) -> Vec<Fault> {
    let entries: BTreeSet<_> =
        tree.files().filter_map(|file| file.path.split('/').next()).collect();
    let is_allowed = |entry: &str| {
        entry.starts_with('.') || entry.starts_with("LICENSE") || TOP.contains(&entry)
    };
    let others = entries.into_iter().filter(|entry| !is_allowed(entry));
    let what = "it does not belong to the top level";
    let mend = "move it into a package, or make it a dotfile";
    others.map(|entry| Fault::new(entry, 1, what, mend)).collect()
}

fn manifests(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files() {
        let Some(folder) = file.path.strip_suffix("/Cargo.toml") else { continue };
        if folder.contains("/tests/") {
            continue;
        }
        for (line, what) in INHERITED.iter().filter(|(line, _)| !file.text.contains(line)) {
            let line = line.trim_start().replace('\n', " ");
            faults.push(Fault::new(&file.path, 1, *what, format!("add `{line}`")));
        }
        if !file.text.contains("\ndescription = \"") || file.text.contains("\"TODO\"") {
            let line = file.line_of("description");
            faults.push(Fault::new(
                &file.path,
                line,
                "the package has no description",
                "say what it is",
            ));
        }
        if !folder.starts_with("crates/") && !file.text.contains("\npublish = false") {
            let what = "the package could be published";
            faults.push(Fault::new(&file.path, 1, what, "add `publish = false`"));
        }
    }
    faults
}

/// Checks that the README and CI run the same tests.
fn commands(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for path in [README, CI] {
        if tree.file(path).is_none() {
            faults.push(Fault::new(path, 1, format!("there is no `{path}`"), "write it"));
        }
    }
    let (Some(readme), Some(ci)) = (tree.file(README), tree.file(CI)) else { return faults };
    let mut lines = readme.text.lines().map(str::trim);
    let Some(command) = lines.find(|line| line.starts_with("cargo test")) else {
        let what = "the README does not say how to run the tests";
        return vec![Fault::new(README, 1, what, "give `cargo test …` a line of its own")];
    };
    if ci.text.lines().all(|line| line.trim() != command) {
        let what = format!("CI does not run the README's `{command}`");
        faults.push(Fault::new(CI, 1, what, "give it a line of its own, word for word"));
    }
    faults
}
