//! The recorded cases of LangChain 0.1.20.

use conversant_conformance::{Differences, check};

#[test]
fn transcripts() -> Result<(), Differences> {
    check("buffer_string.jsonl")
}

#[test]
fn stored_messages() -> Result<(), Differences> {
    check("messages_json.jsonl")
}
