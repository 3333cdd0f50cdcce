//! Output parsers: what makes a value of a model's answer.

mod json;
mod list;
mod partial_json;

use conversant_core::{OutputParser, ParseError, Value};

pub use self::{
    json::JsonParser,
    list::{CommaListParser, MarkdownListParser, NumberedListParser},
    partial_json::parse_partial_json,
};

/// Gives the answer as it is.
///
/// # Examples
///
/// ```
/// use conversant_chains::StrParser;
/// use conversant_core::OutputParser;
///
/// assert_eq!(StrParser.parse(" as it is ")?.as_text(), Some(" as it is "));
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct StrParser;

impl OutputParser for StrParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        Ok(text.into())
    }
}

/// Tells what Python's `str.strip` and `\s` take for white space: Unicode's, and the four separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
