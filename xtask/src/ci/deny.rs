//! cargo-deny, where it is installed: advisories, bans, licenses and sources by `.cargo/deny.toml`.
//!
//! `cargo xtask tidy` checks bans, licenses and sources without it. Where the database of
//! advisories cannot be fetched, the shipped ones are checked (`advisories.rs`), and packages are
//! not checked for having been withdrawn from the registry.

use std::{error::Error, fs, path::Path};

use crate::{
    advisories,
    step::{Outcome, Run as _, cargo},
    workspace,
};

/// The rules.
const RULES: &str = ".cargo/deny.toml";
/// The heading under which the rules for advisories are.
const ADVISORIES: &str = "[advisories]\n";

pub(crate) fn check() -> Result<Outcome, Box<dyn Error>> {
    if cargo(&["deny", "--version"]).quietly().is_err() {
        let why = "`cargo-deny` is not installed; advisories are not checked";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let rest = cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]).shown()?;
    if rest != Outcome::Passed {
        return Ok(rest);
    }
    if cargo(&["deny", "fetch", "db"]).quietly().is_ok() {
        return cargo(&["deny", "check", "advisories"]).shown();
    }
    let folder = workspace::root().join("target/advisories");
    let date = advisories::unpack(&folder)?;
    let rules = rules_with(&folder)?;
    println!("the advisory database cannot be fetched; the advisories of {date} are checked");
    cargo(&["deny", "--offline", "--config", &rules, "check", "advisories"]).shown()
}

/// Writes rules that use the database in a folder, and returns their path.
fn rules_with(folder: &Path) -> Result<String, Box<dyn Error>> {
    let rules = fs::read_to_string(workspace::root().join(RULES))?;
    let (before, after) = rules.split_once(ADVISORIES).ok_or("the rules have no `[advisories]`")?;
    let database =
        format!("db-path = {folder:?}\ndb-urls = [\"https://github.com/rustsec/advisory-db\"]\n");
    let path = folder.join("deny.toml");
    fs::write(&path, format!("{before}{ADVISORIES}{database}{after}"))?;
    Ok(path.display().to_string())
}
