//! `buffer_string`: a conversation as text.

use conversant_core::Transcript;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{case, failure::Failure, short_form};

#[derive(Deserialize)]
struct Input {
    messages: Vec<Json>,
    human_prefix: String,
    ai_prefix: String,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let messages = short_form::read_messages(&input.messages)?;
    let text = Transcript::new(input.human_prefix, input.ai_prefix).render(&messages);
    Ok(json!({ "text": text }))
}
