//! JSON in an answer: bare, in a fenced block, or cut off.

use conversant_core::{OutputParser, ParseError, Value};

use super::{partial_json::parse_partial_json, space::is_space};

/// Reads JSON in an answer: the answer itself, or a fenced block in it. What a cut-off answer left
/// open is closed.
///
/// The source of the behaviour is LangChain 0.1's `JsonOutputParser`.
///
/// # Examples
///
/// ```
/// use conversant_chains::JsonParser;
/// use conversant_core::OutputParser;
///
/// let value = JsonParser.parse("Here you go:\n```json\n{\"a\": [1, 2]}\n```\nDone.")?;
/// assert_eq!(value.to_text(), r#"{"a":[1,2]}"#);
/// assert_eq!(JsonParser.parse(r#"{"a": ["cut o"#)?.to_text(), r#"{"a":["cut o"]}"#);
/// assert!(JsonParser.parse("no JSON at all").is_err());
/// # Ok::<(), conversant_core::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct JsonParser;

impl OutputParser for JsonParser {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let fenced =
            text.split_once("```").map(|(_, block)| block.strip_prefix("json").unwrap_or(block));
        let candidates = [Some(text), fenced];
        let parsed = candidates.into_iter().flatten().find_map(|candidate| {
            parse_partial_json(candidate.trim_matches(is_space).trim_matches('`'))
        });
        match parsed {
            Some(json) => Ok(json.into()),
            None => Err(ParseError::without_source(text, "there is no JSON in it")),
        }
    }

    fn format_instructions(&self) -> Option<&str> {
        Some("Answer with JSON alone.")
    }
}
