//! The number of crates that are built for a dependent of the project's crates.

use std::{collections::BTreeSet, error::Error};

use crate::workspace;

/// The crates without a provider.
const PURE: &[&str] =
    &["conversant-core", "conversant-prompts", "conversant-memory", "conversant-chains"];
/// The maximum number of these crates, with their dependencies. The goal was 25. `lru` and
/// `futures-timer` came later: eviction in constant time and deadlines in any runtime, without
/// further dependencies.
const PURE_LIMIT: usize = 27;
/// The most crates, with the adapter, in addition to those of a hand-written client.
const ADAPTER_LIMIT: usize = 5;

/// Counts the crates that packages are built with, themselves included. Without a manifest, the
/// packages are the project's.
pub(super) fn count(
    packages: &[&str],
    manifest: Option<&str>,
    features: &[&str],
) -> Result<usize, Box<dyn Error>> {
    let mut tree = workspace::command("cargo");
    tree.args(["tree", "--quiet", "--edges", "normal", "--prefix", "none"]);
    tree.args(manifest.iter().flat_map(|manifest| ["--manifest-path", manifest]));
    tree.args(packages.iter().flat_map(|package| ["--package", package]));
    tree.args(features.iter().flat_map(|feature| ["--features", feature]));
    let tree = workspace::output(&mut tree)?;
    // A line is a name, a version, and sometimes a mark.
    let crates: BTreeSet<Vec<_>> = tree
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect();
    Ok(crates.len())
}

/// Describes the counts and the goals.
pub(super) fn tell(manifest: &str) -> Result<String, Box<dyn Error>> {
    let pure = count(PURE, None, &[])?;
    let with_adapter: Vec<_> = PURE.iter().copied().chain(["conversant-models"]).collect();
    let with_adapter = count(&with_adapter, None, &[])?;
    let by_hand = count(&["hello-by-hand"], Some(manifest), &["ring"])?;
    let limit = by_hand + ADAPTER_LIMIT;
    Ok(format!(
        "Crates: {pure} for core, prompts, memory and chains (goal: at most {PURE_LIMIT}), {with_adapter} with the OpenAI adapter; \
         {by_hand} for a client written directly on reqwest with the same TLS (goal: at most {limit})"
    ))
}

#[cfg(test)]
mod tests {
    use super::{PURE, PURE_LIMIT, count};

    #[test]
    fn the_crates_without_a_provider_are_few() {
        let crates = count(PURE, None, &[]).unwrap_or(usize::MAX);
        assert!(crates <= PURE_LIMIT, "{crates} crates");
    }
}
