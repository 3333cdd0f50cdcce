//! The document's example, run as the README says, against the page's text.

use std::{error::Error, fs};

use crate::{
    step::{Outcome, cargo},
    workspace,
};

pub(crate) fn check() -> Result<Outcome, Box<dyn Error>> {
    let expected = fs::read_to_string(
        workspace::root().join("examples/memory-in-llmchain/tests/data/page.txt"),
    )?;
    let mut example = cargo(&["run", "--quiet", "--package", "memory-in-llmchain"]);
    for variable in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"] {
        example.env_remove(variable);
    }
    let printed = plain(&workspace::output(&mut example)?);
    if printed == expected {
        println!("it prints what the page shows, {} lines", expected.lines().count());
        return Ok(Outcome::Passed);
    }
    println!("it prints:\n{printed}");
    Ok(Outcome::Failed)
}

/// Leaves out the escape codes that make text bold and green.
pub(super) fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    std::iter::once(first).chain(rest).collect()
}
