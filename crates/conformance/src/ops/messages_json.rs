//! `messages_json`: messages as LangChain stores them, read and written again.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{case, failure::Failure, short_form};

#[derive(Deserialize)]
struct Input {
    stored: Vec<Json>,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let messages = short_form::read_messages(&input.stored)?;
    Ok(json!({"messages": short_form::messages(&messages), "round_trip": messages}))
}
