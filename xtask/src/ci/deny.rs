//! cargo-deny, where it is installed: advisories, bans, licenses and sources by `.cargo/deny.toml`.
//!
//! `cargo xtask tidy` checks bans, licenses and sources without it. Advisories need cargo-deny, and
//! a network to fetch their database.

use std::error::Error;

use super::{Outcome, Run, cargo};

pub(crate) fn check() -> Result<Outcome, Box<dyn Error>> {
    if cargo(&["deny", "--version"]).quietly().is_err() {
        let why = "`cargo-deny` is not installed; advisories are not checked";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let rest = cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]).shown()?;
    if rest != Outcome::Passed {
        return Ok(rest);
    }
    if cargo(&["deny", "fetch", "db"]).quietly().is_err() {
        let why = "the advisory database cannot be fetched; the rest is checked";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    cargo(&["deny", "check", "advisories"]).shown()
}
