//! The cases of `conversant-conformance`.

use conversant_conformance::{Differences, check};

#[test]
fn chat_responses() -> Result<(), Differences> {
    check("chat_response.jsonl")
}

#[test]
fn chat_streams() -> Result<(), Differences> {
    check("chat_stream.jsonl")
}

#[test]
fn the_responses_interface() -> Result<(), Differences> {
    check("responses.jsonl")
}

/// Answers of real servers, over HTTP.
#[test]
fn servers_in_the_wild() -> Result<(), Differences> {
    check("wild.jsonl")
}

/// More answers of the same kinds.
#[test]
fn servers_of_all_kinds() -> Result<(), Differences> {
    check("servers.jsonl")
}
