//! Checks each crate without the features that other crates of the workspace enable: each feature
//! alone, or also each pair.

use std::error::Error;

use serde_json::Value as Json;

use crate::{
    step::{Outcome, Run as _, cargo},
    workspace,
};

/// The sets of features that are checked. None and all are always among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sets {
    /// Each feature.
    Single,
    /// Each feature and each pair.
    Pairs,
}

/// Checks all sets of each package.
pub(crate) fn check(sets: Sets) -> Result<Outcome, Box<dyn Error>> {
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
        let features: Vec<_> = features.map(String::as_str).collect();
        for set in arguments(&features, sets) {
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

/// Returns the arguments of cargo for each set of a package's features.
fn arguments(features: &[&str], sets: Sets) -> Vec<Vec<String>> {
    let none = "--no-default-features".to_owned();
    let features: Vec<_> = features.iter().filter(|feature| **feature != "default").collect();
    let mut arguments = vec![vec![none.clone()]];
    for (index, feature) in features.iter().enumerate() {
        arguments.push(vec![none.clone(), format!("--features={feature}")]);
        let others = features.iter().skip(index + 1).filter(|_| sets == Sets::Pairs);
        arguments.extend(
            others.map(|other| vec![none.clone(), format!("--features={feature},{other}")]),
        );
    }
    if !features.is_empty() {
        arguments.push(vec!["--all-features".to_owned()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::{Sets, arguments};

    #[test]
    fn each_set_is_checked_once() {
        let list = |features: &[&str], sets| {
            let sets: Vec<_> = arguments(features, sets).iter().map(|set| set.join(" ")).collect();
            sets.join("\n").replace("--no-default-features", "-").replace("--features=", "")
        };
        assert_eq!(list(&[], Sets::Pairs), "-");
        let features = ["a", "b", "c", "default"];
        assert_eq!(list(&features, Sets::Single), "-\n- a\n- b\n- c\n--all-features");
        assert_eq!(
            list(&features, Sets::Pairs),
            "-\n- a\n- a,b\n- a,c\n- b\n- b,c\n- c\n--all-features"
        );
    }
}
