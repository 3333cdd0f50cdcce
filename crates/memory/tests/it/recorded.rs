//! The recorded cases of LangChain 0.1.20.

use conversant_conformance::{Differences, check};

#[test]
fn memories() -> Result<(), Differences> {
    check("memory.jsonl")
}

#[test]
fn memories_of_entities() -> Result<(), Differences> {
    check("memory_entities.jsonl")
}
