//! The parts of a published package that a registry and docs.rs show: README, licences, keywords,
//! categories and features.

use super::{
    fault::Fault,
    packages::{Package, Packages},
    tree::Tree,
};

/// The limits of crates.io for keywords and categories.
const MOST_WORDS: usize = 5;
const LONGEST_KEYWORD: usize = 20;

/// The categories of crates.io that fit. It drops those that it does not know.
const CATEGORIES: &[&str] = &[
    "api-bindings",
    "asynchronous",
    "caching",
    "cryptography",
    "data-structures",
    "database",
    "development-tools::procedural-macro-helpers",
    "development-tools::profiling",
    "development-tools::testing",
    "encoding",
    "filesystem",
    "parser-implementations",
    "science",
    "template-engine",
    "text-processing",
    "web-programming::http-client",
];

pub(crate) fn check(packages: &Packages, tree: &Tree) -> Vec<Fault> {
    packages.published().flat_map(|package| check_package(packages, package, tree)).collect()
}

fn check_package(packages: &Packages, package: &Package, tree: &Tree) -> Vec<Fault> {
    let manifest = packages.manifest(package);
    let mut faults = Vec::new();
    let mut fault = |key: &str, what: String, mend: &str| {
        let line = tree.file(manifest).map_or(1, |file| file.line_of(key));
        faults.push(Fault::new(manifest, line, what, mend));
    };
    let folder = manifest.trim_end_matches("Cargo.toml");
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        if tree.file(&format!("{folder}{file}")).is_none() {
            fault("license", format!("the package has no `{file}`"), "add it; a licence is a link");
        }
    }
    if package.readme.is_none() {
        fault("readme", "the package shows no README".to_owned(), "add `readme = \"README.md\"`");
    }
    for (key, words) in [("keywords", &package.keywords), ("categories", &package.categories)] {
        if !(1..=MOST_WORDS).contains(&words.len()) {
            let what = format!("the package has {} {key}", words.len());
            fault(key, what, "name 1 to 5 of its own");
        }
    }
    let long = package.keywords.iter().find(|word| word.chars().count() > LONGEST_KEYWORD);
    if let Some(word) = long {
        fault("keywords", format!("the keyword `{word}` is too long"), "use 20 characters at most");
    }
    for word in &package.categories {
        if !CATEGORIES.contains(&word.as_str()) {
            let what = format!("`{word}` is not a known category");
            fault("categories", what, "see the registry's list, and add it to this rule");
        }
    }
    let shows_all = package.metadata.pointer("/docs/rs/all-features").is_some();
    if !package.features.is_empty() && !shows_all {
        let what = "docs.rs shows the default features only".to_owned();
        fault("[features]", what, "add `all-features = true` to `[package.metadata.docs.rs]`");
    }
    let text = tree.file(manifest).map_or("", |file| file.text.as_str());
    if !text.contains("\nexclude.workspace = true\n") {
        fault("readme", "the package has tests".to_owned(), "add `exclude.workspace = true`");
    }
    faults
}
