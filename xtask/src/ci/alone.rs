//! Checks each crate alone, without the features that other crates of the workspace enable.

use std::error::Error;

use serde_json::Value as Json;

use super::{Outcome, Run, cargo};
use crate::workspace;

pub(crate) fn check() -> Result<Outcome, Box<dyn Error>> {
    let mut metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Json = serde_json::from_str(&workspace::output(&mut metadata)?)?;
    let packages = metadata.get("packages").and_then(Json::as_array);
    let mut holds = true;
    for package in packages.into_iter().flatten() {
        let name = package.get("name").and_then(Json::as_str).unwrap_or_default();
        if !name.starts_with("conversant") {
            continue;
        }
        let features = package.get("features").and_then(Json::as_object);
        let features = features.into_iter().flat_map(|features| features.keys());
        let mut sets = vec![vec!["--no-default-features".to_owned()]];
        let one_by_one: Vec<_> = features
            .filter(|feature| *feature != "default")
            .map(|feature| {
                vec!["--no-default-features".to_owned(), format!("--features={feature}")]
            })
            .collect();
        if !one_by_one.is_empty() {
            sets.extend(one_by_one);
            sets.push(vec!["--all-features".to_owned()]);
        }
        for set in sets {
            let mut check = cargo(&["check", "--quiet", "--lib", "--package", name]);
            check.args(&set);
            let outcome = check.shown()?;
            println!(
                "{name} {}: {}",
                set.join(" "),
                if outcome == Outcome::Passed { "ok" } else { "FAILED" }
            );
            holds &= outcome == Outcome::Passed;
        }
    }
    Ok(Outcome::of(holds))
}
