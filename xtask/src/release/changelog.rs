//! The changelog's section for the version, and the facts that only the publisher knows.

use std::fs;

use crate::{
    step::{Outcome, StepResult},
    tidy::Packages,
    workspace,
};

/// The section of the changes that are not released.
const UNRELEASED: &str = "## [Unreleased]";

pub(super) fn check() -> StepResult {
    let text = fs::read_to_string(workspace::root().join("CHANGELOG.md"))?;
    let packages = Packages::read()?;
    let versions: Vec<_> = packages.published().map(|package| package.version.as_str()).collect();
    let Some(version) = versions.first() else { return Err("no package is published".into()) };
    if versions.iter().any(|other| other != version) {
        println!("the packages have different versions");
        return Ok(Outcome::Failed);
    }
    if packages.published().any(|package| package.repository.is_none()) {
        println!("open: `repository` is not in the manifests, because it is not known yet");
    }
    Ok(section(&text, version))
}

/// Returns whether the changelog has a dated section for a version.
fn section(text: &str, version: &str) -> Outcome {
    let heading = format!("## [{version}] - ");
    if let Some(line) = text.lines().find(|line| line.starts_with(&heading)) {
        let date = line.trim_start_matches(&heading);
        let is_date =
            date.len() == 10 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !is_date {
            println!("`{line}` has no date; write it as YYYY-MM-DD");
        }
        return Outcome::of(is_date);
    }
    if text.contains(UNRELEASED) {
        let why = format!("the changes are under `{UNRELEASED}`; name {version} and its date");
        return Outcome::Skipped(why);
    }
    println!("CHANGELOG.md has no section for {version}");
    Outcome::Failed
}

#[cfg(test)]
mod tests {
    use super::section;
    use crate::step::Outcome;

    #[test]
    fn a_version_has_a_dated_section() {
        for (text, expected) in [
            ("## [0.2.0] - 2026-11-26\n", Some(Outcome::Passed)),
            ("## [Unreleased]\n\n## [0.2.0] - 2026-11-26\n", Some(Outcome::Passed)),
            ("## [0.2.0] - soon\n", Some(Outcome::Failed)),
            ("## [0.1.0] - 2026-01-01\n", Some(Outcome::Failed)),
            ("## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n", None),
        ] {
            let outcome = section(text, "0.2.0");
            match expected {
                Some(expected) => assert_eq!(outcome, expected, "{text}"),
                None => assert!(matches!(outcome, Outcome::Skipped(_)), "{text}"),
            }
        }
    }
}
