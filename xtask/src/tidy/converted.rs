//! The folders and files that already keep the rules on imports, widths and words.

/// Prefixes of the paths that are checked. Add a crate once it is clean.
const CONVERTED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "README.md",
    "crates/chains/",
    "crates/core/",
    "crates/history",
    "crates/layers/",
    "crates/macros/",
    "crates/memory/",
    "crates/models/",
    "crates/prompts/",
    "crates/template/",
    "crates/tools/",
    "crates/vector-sqlite/",
    "examples/",
    "xtask/",
];

/// Returns whether the rules apply to a path.
pub(crate) fn contains(path: &str) -> bool {
    CONVERTED.iter().any(|prefix| path.starts_with(prefix))
}
