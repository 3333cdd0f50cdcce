//! The recorded cases of LangChain 0.1.20.

use conversant_conformance::{Differences, check};

#[test]
fn chat_responses() -> Result<(), Differences> {
    check("chat_response.jsonl")
}

#[test]
fn chat_streams() -> Result<(), Differences> {
    check("chat_stream.jsonl")
}
