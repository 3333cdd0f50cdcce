//! Types of other crates in public signatures: each crate is listed in the package's
//! `[package.metadata.cargo_check_external_types]`.
//!
//! The tool `cargo-check-external-types`, which `cargo xtask release --check` runs, builds the
//! documentation of all packages. This rule reads `use` declarations and the text of public
//! signatures instead, in a moment. As `unreachable_pub` is an error, what is `pub` is public.
//! Traits that a type implements are found by the tool alone, as are entries that nothing needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fault::Fault,
    imports::{leaves, use_trees},
    tree::{File, Tree},
};

const SECTION: &str = "[package.metadata.cargo_check_external_types]";

pub(crate) fn check(tree: &Tree) -> Vec<Fault> {
    let manifests = tree.files().filter(|file| {
        file.path.starts_with("crates/")
            && file.path.matches('/').count() == 2
            && file.path.ends_with("/Cargo.toml")
            && !file.text.contains("\npublish = false")
            && !file.text.contains("\nproc-macro = true")
    });
    manifests.flat_map(|manifest| check_package(manifest, tree)).collect()
}

fn check_package(manifest: &File, tree: &Tree) -> Vec<Fault> {
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    let allowed = allowed(&manifest.text);
    let crates = dependencies(&manifest.text);
    let mut faults = Vec::new();
    for file in tree.files().filter(|file| file.path.starts_with(folder) && file.is_library()) {
        let names = imported(file, &crates);
        for (line, signature) in signatures(file) {
            let types: BTreeSet<_> = types(&signature).collect();
            for (name, is_path) in types {
                let imported = names.get(name).filter(|_| name.starts_with(char::is_uppercase));
                let named = crates.get(name).filter(|_| is_path);
                let Some(external) = imported.or(named) else { continue };
                if !allowed.contains(external) {
                    let what = format!("`{name}` of `{external}` is in a public signature");
                    let mend = format!("hide it, or list \"{external}::*\" in {}", manifest.path);
                    faults.push(Fault::new(&file.path, line, what, mend));
                }
            }
        }
    }
    faults
}

/// The crates that define types, which a list names, and those from which code imports them.
const REEXPORTS: [(&str, &str); 2] = [("futures_core", "futures_util"), ("serde_core", "serde")];

/// Returns the crates in a manifest's list, such as `["serde_json::*"]`, and those that re-export
/// their types.
fn allowed(manifest: &str) -> BTreeSet<String> {
    let list = manifest.split_once(SECTION).map_or("", |(_, rest)| rest);
    let list = list.split("\n[").next().unwrap_or_default();
    let entries = list.split('"').skip(1).step_by(2);
    let names = entries.filter_map(|entry| entry.split("::").next());
    let names = names.flat_map(|name| {
        let importers = REEXPORTS.iter().filter(move |(defines, _)| *defines == name);
        importers.map(|(_, imported)| *imported).chain([name])
    });
    names.map(str::to_owned).collect()
}

/// Returns the crates that a package depends on, by the names that code uses.
fn dependencies(manifest: &str) -> BTreeMap<String, String> {
    let section = manifest.split_once("\n[dependencies]\n").map_or("", |(_, rest)| rest);
    let section = section.split("\n[").next().unwrap_or_default();
    let name = |line: &str| line.split(['.', ' ', '=']).next().map(|name| name.replace('-', "_"));
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(name);
    names.filter(|name| !name.is_empty()).map(|name| (name.clone(), name)).collect()
}

/// Returns the names that a file imports from other crates, each with its crate.
fn imported(file: &File, crates: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (_, tree) in use_trees(&file.text) {
        // An alias becomes the last segment.
        for path in leaves(&tree.replace(" as ", "::")) {
            if let [first, .., last] = path.as_slice()
                && crates.contains_key(first)
            {
                names.insert(last.clone(), first.clone());
            }
        }
    }
    names
}

/// Returns the public signatures and fields of a file, with their lines.
fn signatures(file: &File) -> Vec<(usize, String)> {
    let mut signatures = Vec::new();
    let mut lines = file.lines();
    while let Some((number, line)) = lines.next() {
        let Some(item) = line.trim_start().strip_prefix("pub ") else { continue };
        if item.starts_with("use ") || item.starts_with("mod ") {
            continue;
        }
        let is_field = item
            .split_once(':')
            .is_some_and(|(name, rest)| !name.contains([' ', '(', '<']) && !rest.starts_with(':'));
        let mut signature = item.to_owned();
        while !is_field && !signature.contains(['{', ';']) {
            let Some((_, line)) = lines.next() else { break };
            signature.push(' ');
            signature.push_str(line.trim_start());
        }
        let mut signature = signature.split(['{', ';']).next().unwrap_or_default().to_owned();
        if signature.starts_with("struct ") && signature.contains('(') {
            // Of a tuple struct, the fields that are public.
            let mut parts = signature.split('(');
            let name = parts.next().unwrap_or_default().to_owned();
            let fields = signature.split("pub ").skip(1);
            signature = fields.fold(name, |text, field| text + " " + field);
        }
        signatures.push((number, signature));
    }
    signatures
}

/// Returns the first segments of the paths in a signature, and whether more segments follow.
fn types(signature: &str) -> impl Iterator<Item = (&str, bool)> {
    let is_part = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    let paths = signature.split(move |char| !is_part(char));
    paths.map(|path| path.split_once("::").map_or((path, false), |(first, _)| (first, true)))
}
