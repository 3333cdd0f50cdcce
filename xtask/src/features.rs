//! Checks each crate without the features that other crates of the workspace enable: each feature
//! alone, or also each pair.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

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
    let (mut checked, mut failed) = (0, 0);
    for package in packages.into_iter().flatten() {
        let name = package.get("name").and_then(Json::as_str).unwrap_or_default();
        if !name.starts_with("conversant") {
            continue;
        }
        for set in arguments(&features(package), sets) {
            let mut check = cargo(&["check", "--quiet", "--lib", "--package", name]);
            check.args(&set);
            let outcome = check.shown()?;
            checked += 1;
            let said = if outcome == Outcome::Passed { "ok" } else { "FAILED" };
            println!("{name} {}: {said}", set.join(" "));
            failed += usize::from(outcome != Outcome::Passed);
        }
    }
    println!("{checked} sets of features, {failed} failed");
    Ok(Outcome::of(failed == 0))
}

/// The features of a package, each with those that it enables.
type Features<'p> = BTreeMap<&'p str, Vec<&'p str>>;

fn features(package: &Json) -> Features<'_> {
    let features = package.get("features").and_then(Json::as_object);
    let features = features.into_iter().flatten().filter(|(name, _)| *name != "default");
    features.map(|(name, enabled)| (name.as_str(), names(enabled))).collect()
}

fn names(list: &Json) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).collect()
}

/// Returns the arguments of cargo for each set of a package's features. Sets that enable the same
/// are one.
fn arguments(features: &Features<'_>, sets: Sets) -> Vec<Vec<String>> {
    let mut chosen = vec![Vec::new()];
    chosen.extend(features.keys().map(|feature| vec![*feature]));
    if sets == Sets::Pairs {
        let names: Vec<_> = features.keys().copied().collect();
        for (index, feature) in names.iter().enumerate() {
            chosen.extend(names.iter().skip(index + 1).map(|other| vec![*feature, *other]));
        }
    }
    chosen.push(features.keys().copied().collect());
    let mut known = BTreeSet::new();
    chosen.retain(|set| known.insert(enabled(features, set)));
    let arguments = chosen.into_iter().map(|set| {
        let none = "--no-default-features".to_owned();
        let features = (!set.is_empty()).then(|| format!("--features={}", set.join(",")));
        [none].into_iter().chain(features).collect()
    });
    arguments.collect()
}

/// Returns all that a set of features enables.
fn enabled<'p>(features: &Features<'p>, set: &[&'p str]) -> BTreeSet<&'p str> {
    let mut enabled = BTreeSet::new();
    let mut open = set.to_vec();
    while let Some(feature) = open.pop() {
        if enabled.insert(feature) {
            open.extend(features.get(feature).into_iter().flatten());
        }
    }
    enabled
}

#[cfg(test)]
mod tests {
    use super::{Features, Sets, arguments};

    #[test]
    fn each_set_is_checked_once() {
        let list = |features: &[(&'static str, &[&'static str])], sets| {
            let features: Features<'_> =
                features.iter().map(|(name, enabled)| (*name, enabled.to_vec())).collect();
            let sets: Vec<_> = arguments(&features, sets).iter().map(|set| set.join(" ")).collect();
            sets.join("\n").replace("--no-default-features", "-").replace("--features=", "")
        };
        assert_eq!(list(&[], Sets::Pairs), "-");
        let features: [(&str, &[&str]); 3] = [("a", &["dep:x"]), ("b", &[]), ("c", &[])];
        assert_eq!(list(&features, Sets::Single), "-\n- a\n- b\n- c\n- a,b,c");
        assert_eq!(list(&features, Sets::Pairs), "-\n- a\n- b\n- c\n- a,b\n- a,c\n- b,c\n- a,b,c");
        // `full` is all of them, and `c` has `b`.
        let features: [(&str, &[&str]); 4] =
            [("a", &[]), ("b", &[]), ("c", &["b"]), ("full", &["a", "c"])];
        assert_eq!(list(&features, Sets::Pairs), "-\n- a\n- b\n- c\n- full\n- a,b\n- a,c");
    }
}
