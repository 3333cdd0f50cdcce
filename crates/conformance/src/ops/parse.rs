//! `parse`: a model's answer, parsed.

use conversant_chains::{
    CommaListParser, JsonParser, MarkdownListParser, NumberedListParser, StrParser,
};
use conversant_core::OutputParser;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{case, failure::Failure};

#[derive(Deserialize)]
struct Input {
    parser: String,
    text: String,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let parser: &dyn OutputParser = match input.parser.as_str() {
        "str" => &StrParser,
        "comma_list" => &CommaListParser,
        "numbered_list" => &NumberedListParser,
        "markdown_list" => &MarkdownListParser,
        "json" => &JsonParser,
        _ => return Err(Failure::NotBuilt),
    };
    let value = parser.parse(&input.text).map_err(|_| Failure::Refused("invalid_output"))?;
    Ok(json!({ "value": value }))
}
