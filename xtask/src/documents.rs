//! The documentation: its links, its spelling, and what rustdoc says of it.

use std::error::Error;

use crate::{
    step::{Outcome, Run as _, cargo},
    workspace,
};

/// Builds the documentation; each warning is an error.
pub(crate) fn documentation() -> Result<Outcome, Box<dyn Error>> {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    doc.shown()
}

/// Checks the links of Markdown files to other files and their headings; rustdoc checks those of
/// the files that it includes. Links to other hosts are not checked: whether they answer is not a
/// property of the repository.
pub(crate) fn links() -> Result<Outcome, Box<dyn Error>> {
    let Some(skipped) = missing("lychee") else {
        let mut files = workspace::command("git");
        files.args(["ls-files", "*.md", ":!crates/*/src/*", ":!crates/*/docs/*", ":!*/tests/*"]);
        let files = workspace::output(&mut files)?;
        let mut lychee = workspace::command("lychee");
        lychee.args(["--offline", "--include-fragments", "--no-progress"]).args(files.lines());
        return lychee.shown();
    };
    Ok(skipped)
}

/// Checks the spelling of all files, by `.typos.toml`.
pub(crate) fn spelling() -> Result<Outcome, Box<dyn Error>> {
    let Some(skipped) = missing("typos") else {
        return workspace::command("typos").shown();
    };
    Ok(skipped)
}

/// Returns the outcome of a step whose program is not installed.
fn missing(program: &str) -> Option<Outcome> {
    let is_there = workspace::command(program).arg("--version").quietly().is_ok();
    (!is_there).then(|| Outcome::Skipped(format!("`{program}` is not installed: see .ci/tools")))
}
