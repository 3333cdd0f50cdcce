//! `messages_json`: messages as LangChain stores them, read and written again.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Failure, case, short};

#[derive(Deserialize)]
struct Input {
    stored: Vec<Json>,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let messages = short::read_messages(&input.stored)?;
    Ok(json!({"messages": short::messages(&messages), "round_trip": messages}))
}
