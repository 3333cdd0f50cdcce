//! The recorded cases of LangChain 0.1.20.

use conversant_conformance::{Differences, check};

#[test]
fn chains() -> Result<(), Differences> {
    check("chain.jsonl")
}

#[test]
fn chains_of_chains() -> Result<(), Differences> {
    check("compose.jsonl")
}

#[test]
fn parsers() -> Result<(), Differences> {
    check("parse.jsonl")?;
    check("parse_more.jsonl")?;
    // Random answers and settings, as LangChain 0.1.20 parses them.
    check("parse_random.jsonl")
}
